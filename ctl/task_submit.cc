#include "ctl/task_submit.h"

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <future>
#include <memory>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/progress_line.h"
#include "ctl/task_follow.h"
#include "ctl/task_source.h"

namespace ringmaster {
namespace {

constexpr std::size_t kInFlight = 4;
constexpr int kMaxSlowDowns = 60;

struct SubmitFlags {
  TaskOptions task;
  std::string file, wait_timeout;
  bool each = false, null = false, wait = false;
};

// Keeps some batches on their way and takes their answers in order.
class Submitter {
 public:
  // `many`: where one task makes one document, these make a list.
  Submitter(Ctl& ctl, Client& client, bool print_ids, bool many)
      : ctl_(ctl), client_(client), print_ids_(print_ids), many_(many), list_(ctl), line_(ctl) {}

  Result<> submit(std::vector<NewTask> tasks) {
    if (in_flight_.size() >= kInFlight) {
      if (auto taken = take_one(); !taken) return taken;
    }
    // Of many, a key that is taken keeps none of the others back.
    const bool keyed =
        std::ranges::any_of(tasks, [](const NewTask& t) { return !t.idempotency_key.empty(); });
    SubmitRequest request{std::move(tasks), many_ && keyed};
    auto answer = send(request);
    in_flight_.push_back({std::move(request), std::move(answer)});
    return {};
  }
  Result<> finish() {
    while (!in_flight_.empty()) {
      if (auto taken = take_one(); !taken) return taken;
    }
    line_.hide();
    return {};
  }
  void end_list() {
    if (print_ids_ && many_ && ctl_.json()) list_.end();
  }
  std::vector<TaskId>& ids() { return ids_; }
  std::size_t refused() const { return refused_; }

 private:
  struct Batch {
    SubmitRequest request;  // kept for the case that the cluster asks to slow down
    std::future<Result<ApiReply>> answer;
  };

  std::future<Result<ApiReply>> send(const SubmitRequest& request) {
    auto promise = std::make_shared<std::promise<Result<ApiReply>>>();
    auto future = promise->get_future();
    client_.call(request, 3 * ctl_.options.request_timeout,
                 [promise](Result<ApiReply> answer) { promise->set_value(std::move(answer)); });
    return future;
  }

  Result<> take_one() {
    Batch batch = std::move(in_flight_.front());
    in_flight_.pop_front();
    Result<ApiReply> answer = batch.answer.get();
    for (int i = 0; !answer && answer.error().code == ErrorCode::resource_exhausted && i < kMaxSlowDowns;
         ++i) {
      usleep(250'000);
      answer = send(batch.request).get();
    }
    if (!answer) return std::unexpected(answer.error());
    const auto* reply = std::get_if<SubmitReply>(&*answer);
    if (reply == nullptr) return fail(ErrorCode::internal, "the master answered another question");
    for (const auto& [index, error] : reply->refused)
      ctl_.err() << "ringctl: task " << submitted_ + index + 1 << " of the input: " << error.message << '\n';
    refused_ += reply->refused.size();
    submitted_ += reply->ids.size();
    for (const TaskId id : reply->ids) {
      if (id == TaskId{}) continue;
      ids_.push_back(id);
      if (print_ids_) print(id);
    }
    if (print_ids_) ctl_.out() << std::flush;
    // Where the ids are seen themselves there is nothing to count.
    if (many_ && !(print_ids_ && ctl_.out_is_terminal()))
      line_.show(std::to_string(ids_.size()) + " tasks submitted");
    return {};
  }

  void print(TaskId id) {
    if (!ctl_.json()) {
      ctl_.out() << to_string(id) << '\n';
      return;
    }
    const boost::json::object document{{"id", to_string(id)}};
    many_ ? list_.add(document) : ctl_.print(document);
  }

  Ctl& ctl_;
  Client& client_;
  bool print_ids_, many_;
  JsonList list_;
  ProgressLine line_;
  std::deque<Batch> in_flight_;
  std::vector<TaskId> ids_;
  std::size_t submitted_ = 0, refused_ = 0;
};

Result<TaskSource> source_of(const SubmitFlags& flags, const Ctl& ctl, TaskTemplate tasks) {
  const auto usage = [](const char* text) { return fail(ErrorCode::invalid_argument, text); };
  const char delimiter = flags.null ? '\0' : '\n';
  if (flags.each) {
    if (!flags.file.empty()) return usage("--each and --file exclude each other");
    if (ctl.command.empty())
      return usage("--each needs a command: ringctl task submit --each -- sha256sum {}");
    return TaskSource::each(std::move(tasks), ctl.command, LineReader(STDIN_FILENO, delimiter));
  }
  if (flags.null) return usage("--null goes with --each");
  if (!flags.file.empty()) {
    if (!ctl.command.empty())
      return usage("with --file the command stands in each line's spec: leave out `-- …`");
    const int fd = flags.file == "-" ? STDIN_FILENO : ::open(flags.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return TaskSource::json_lines(std::move(tasks), LineReader(fd));
    return fail(ErrorCode::invalid_argument, "cannot open: " + std::generic_category().message(errno),
                "file");
  }
  if (ctl.command.empty() && !flags.task.spec) {
    return usage("nothing to run: put the command after --, or give --spec, --each or --file (see --help)");
  }
  return TaskSource::one(std::move(tasks), ctl.command);
}

int submit(Ctl& ctl, SubmitFlags& flags) {
  FollowOptions follow{.print_each = ctl.json()};
  if (!flags.wait_timeout.empty()) {
    auto limit = parse_duration(flags.wait_timeout);
    if (!limit) return ctl.failed({ErrorCode::invalid_argument, limit.error().message, "wait_timeout"});
    follow.limit = *limit;
    flags.wait = true;
  }
  if (const char* user = std::getenv("USER"); user != nullptr && *user != '\0') flags.task.created_by = user;
  // Other kinds need not have anything to run.
  const bool other_kind = flags.task.kind && *flags.task.kind != "process";
  if (other_kind && !flags.task.spec && ctl.command.empty() && flags.file.empty() && !flags.each)
    flags.task.spec = "{}";
  auto tasks = TaskTemplate::make(flags.task, read_wall_clock());
  if (!tasks) return ctl.failed(tasks.error());
  auto source = source_of(flags, ctl, std::move(*tasks));
  if (!source) return ctl.failed(source.error());
  // The first batch is read before the connection is made: a typing mistake needs no cluster to be found.
  auto batch = source->next_batch();
  if (!batch) return ctl.failed(batch.error());
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());

  // With --wait -o json each task is printed with its end instead.
  Submitter submitter(ctl, **client, !(flags.wait && ctl.json()), !source->single());
  Result<> submitted;
  while (submitted && batch && !batch->empty()) {
    submitted = submitter.submit(std::move(*batch));
    if (submitted) batch = source->next_batch();
  }
  const Result<> finished = submitter.finish();  // what is on its way counts, whatever came after it
  const std::size_t accepted = submitter.ids().size();
  const Error* error = !submitted  ? &submitted.error()
                       : !finished ? &finished.error()
                       : !batch    ? &batch.error()
                                   : nullptr;
  if (error != nullptr) {
    if (accepted > 0) ctl.err() << "ringctl: " << accepted << " tasks were accepted before this:\n";
    return ctl.failed(*error);
  }
  submitter.end_list();
  if (accepted + submitter.refused() == 0) ctl.err() << "nothing to submit: the input is empty\n";
  const int refused = submitter.refused() > 0 ? kExitTaskFailed : kExitOk;
  if (!flags.wait || accepted == 0) return refused;
  follow.whole_view = source->single();
  const int code = follow_and_report(ctl, submitter.ids(), follow);
  return code == kExitOk ? refused : code;
}

void add_task_flags(CLI::App& app, TaskOptions& task) {
  const auto add = [&app](const char* name, auto& value, const char* placeholder, const char* help) {
    return app.add_option(name, value, help)->type_name(placeholder);
  };
  add("--kind", task.kind, "KIND", "What runs it: process (default), http, noop");
  add("--spec", task.spec, "JSON", "Object for the kind; a command after -- becomes its \"argv\"");
  add("--group", task.group, "NAME", "Worker group (default: default)");
  add("--namespace", task.ns, "NAME", "Namespace (default: default)");
  add("--idempotency-key", task.idempotency_key, "KEY",
      "Submitted again with the same key within a day, it is the same task (of several: key/line)");
  add("--key", task.key, "KEY", "Routing key: equal keys go to the same worker (default: the task's id)");
  add("--routing", task.routing, "bounded|strict",
      "bounded: the key's worker or the next with room; strict: only it");
  add("--priority", task.priority, "0..9", "9 is the most urgent (default: 5)");
  add("--run-at", task.run_at, "TIME", "Not before: 2026-11-21T09:30:00Z, or +10m from now");
  add("--timeout", task.timeout, "DURATION", "Stop an attempt after this: 30s, 1h30m");
  add("--max-attempts", task.max_attempts, "N", "Attempts in all, failures and time-outs (default: 1)");
  add("--on-worker-lost", task.on_worker_lost, "rerun|rerun_after_lease|fail",
      "What becomes of it if its worker is lost while it runs (default: rerun)");
  add("--label", task.labels, "KEY=VALUE", "Label; may be repeated")->allow_extra_args(false);
}

}  // namespace

void add_task_submit(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand(
      "submit", "Submit one task, or many from stdin or a file; a command stands after --");
  auto flags = std::make_shared<SubmitFlags>();
  add_task_flags(*app, flags->task);
  app->add_flag("--each", flags->each,
                "One task for each line of stdin; {} in the command stands for the line");
  app->add_flag("-0,--null", flags->null, "With --each: lines end in NUL (find -print0)");
  app->add_option("--file", flags->file, "One JSON task on each line of this file; - is stdin")
      ->type_name("FILE");
  app->add_flag("--wait", flags->wait,
                "Wait for the end; exit as the task did, or 1 if any of several failed");
  app->add_option("--wait-timeout", flags->wait_timeout, "Like --wait, but give up after this and exit 124")
      ->type_name("DURATION");
  app->footer(
      "Prints the id of each accepted task. Ctrl-C ends the wait, not the tasks.\n\n"
      "Examples:\n"
      "  ringctl task submit --wait -- sha256sum /etc/hostname\n"
      "  find /usr/include -type f | ringctl task submit --each --wait -- sha256sum {}\n"
      "  ringctl task submit --run-at +10m --max-attempts 3 --label team=ops -- ./backup.sh\n"
      "  ringctl task submit --file tasks.jsonl      # {\"spec\":{\"argv\":[\"true\"]},\"priority\":9}");
  app->callback([&ctl, flags] { ctl.action = [&ctl, flags] { return submit(ctl, *flags); }; });
}

}  // namespace ringmaster

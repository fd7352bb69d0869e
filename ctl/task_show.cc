#include "ctl/task_show.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/task_json.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/option_values.h"
#include "ctl/task_filter.h"
#include "ctl/task_follow.h"
#include "ctl/task_ids.h"

namespace ringmaster {
namespace {

constexpr std::uint32_t kPage = 100;
constexpr Duration kMaxWait = std::chrono::seconds(60);

struct ListFlags {
  TaskFilter filter;
  std::uint64_t limit = 100;
  bool limited = false;  // by whoever typed it, who need not be told
  bool all = false, quiet = false;
};

int get(Ctl& ctl, const std::string& text, const std::string& wait_text) {
  const auto id = read_id(text);
  if (!id) return ctl.failed(id.error());
  GetRequest request{*id, Duration{0}, false};
  if (!wait_text.empty()) {
    const auto wait = parse_duration(wait_text);
    if (!wait) return ctl.failed({ErrorCode::invalid_argument, wait.error().message, "wait"});
    if (*wait > kMaxWait)
      return ctl.failed({ErrorCode::invalid_argument, "at most 60s; `task wait` has no bound", "wait"});
    request.wait = *wait;
  }
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->get(request);
  if (!reply) return ctl.failed(reply.error());
  if (ctl.json()) ctl.print(task_view_to_json(reply->view));
  if (!ctl.json()) ctl.out() << describe(reply->view, read_wall_clock(), ctl.style());
  return request.wait > Duration{0} && !is_terminal(reply->view.row.state) ? kExitTimedOut : kExitOk;
}

// Prints pages as they come; the first one fixes the columns of the table.
class ListPrinter {
 public:
  ListPrinter(Ctl& ctl, bool quiet) : ctl_(ctl), quiet_(quiet), table_(task_table()), documents_(ctl) {}

  void page(const std::vector<TaskView>& views) {
    const WallTime now = read_wall_clock();
    for (const TaskView& view : views) {
      if (quiet_) {
        ctl_.out() << to_string(view.row.id) << '\n';
      } else if (ctl_.json()) {
        documents_.add(task_view_to_json(view));
      } else {
        add_row(table_, view, ctl_.time(view.row.created_at, now));
      }
    }
    any_ |= !views.empty();
    if (!table_.empty()) ctl_.out() << table_.next_piece(ctl_.style());
    ctl_.out() << std::flush;
  }
  void end() {
    if (!quiet_ && ctl_.json()) documents_.end();
    if (!quiet_ && !ctl_.json() && !any_) ctl_.err() << "no tasks\n";
  }

 private:
  Ctl& ctl_;
  bool quiet_, any_ = false;
  TextTable table_;
  JsonList documents_;
};

int list(Ctl& ctl, const ListFlags& flags) {
  auto request = list_request(flags.filter, read_wall_clock());
  if (!request) return ctl.failed(request.error());
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  ListPrinter printer(ctl, flags.quiet);
  std::uint64_t left = flags.limit;
  bool more = true;
  while (more && (flags.all || left > 0)) {
    request->limit = flags.all ? kPage : static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kPage));
    const auto reply = (*client)->list(*request);
    if (!reply) return ctl.failed(reply.error());
    printer.page(reply->views);
    left -= std::min<std::uint64_t>(left, reply->views.size());
    request->after = reply->next;
    more = reply->next.has_value();
  }
  printer.end();
  if (more && !flags.limited) ctl.err() << "there are more: give --limit or --all\n";
  return kExitOk;
}

int wait(Ctl& ctl, const std::vector<std::string>& words, const std::string& limit_text) {
  FollowOptions options{.print_each = ctl.json()};
  if (!limit_text.empty()) {
    const auto limit = parse_duration(limit_text);
    if (!limit) return ctl.failed({ErrorCode::invalid_argument, limit.error().message, "timeout"});
    options.limit = *limit;
  }
  const auto ids = read_ids(words);
  if (!ids) return ctl.failed(ids.error());
  if (ids->empty()) {
    ctl.err() << "nothing to wait for: the input is empty\n";
    return kExitOk;
  }
  return follow_and_report(ctl, *ids, options);
}

}  // namespace

void add_task_get(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("get", "Show one task with its attempts and the tail of its output");
  auto id = std::make_shared<std::string>();
  auto wait_text = std::make_shared<std::string>();
  app->add_option("id", *id, "Task id, as submit printed it")->required()->type_name("ID");
  app->add_option("--wait", *wait_text,
                  "Wait for its end this long, at most 60s; exit 124 if it has not ended")
      ->type_name("DURATION");
  app->footer(
      "Examples:\n  ringctl task get task_00000000001g0\n  ringctl task get --wait 30s -o json "
      "task_00000000001g0");
  app->callback(
      [&ctl, id, wait_text] { ctl.action = [&ctl, id, wait_text] { return get(ctl, *id, *wait_text); }; });
}

void add_task_list(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("list", "List tasks, oldest first");
  auto flags = std::make_shared<ListFlags>();
  add_filter_options(*app, flags->filter);
  auto* limit = app->add_option("--limit", flags->limit, "At most so many (default: 100)")
                    ->check(positive_number())
                    ->type_name("N");
  app->add_flag("--all", flags->all, "All of them, page by page")->excludes(limit);
  app->add_flag("-q,--quiet", flags->quiet, "Only their ids");
  app->footer(
      "Examples:\n  ringctl task list --state failed --since 1h\n"
      "  ringctl task list --group nightly --state ready,delayed --all -q | ringctl task cancel -\n"
      "  ringctl task list --all -o jsonl | jq -r .result.output_tail");
  app->callback([&ctl, flags, limit] {
    flags->limited = limit->count() > 0;
    ctl.action = [&ctl, flags] { return list(ctl, *flags); };
  });
}

void add_task_wait(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("wait", "Wait until tasks have ended");
  auto ids = std::make_shared<std::vector<std::string>>();
  auto limit = std::make_shared<std::string>();
  app->add_option("id", *ids, "Task ids; - reads them from stdin, one a line")->required()->type_name("ID");
  app->add_option("--timeout", *limit, "Give up after this and exit 124")->type_name("DURATION");
  app->footer(
      "Exits as the task did; for several 1 if any has failed. Ctrl-C ends the wait, not the tasks.\n\n"
      "Examples:\n  ringctl task submit --each -- ./job < list > ids; ringctl task wait - < ids");
  app->callback([&ctl, ids, limit] { ctl.action = [&ctl, ids, limit] { return wait(ctl, *ids, *limit); }; });
}

}  // namespace ringmaster

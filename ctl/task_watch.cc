#include "ctl/task_watch.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/task_json.h"
#include "ctl/asking.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/option_values.h"
#include "ctl/task_filter.h"
#include "ctl/task_follow.h"
#include "ctl/task_ids.h"
#include "ctl/terminal.h"
#include "ctl/watch_board.h"

namespace ringmaster {
namespace {

constexpr std::uint32_t kMaxWatched = 1000;
constexpr std::uint32_t kPage = 100;
constexpr Duration kShortestInterval = std::chrono::milliseconds(100);
constexpr Duration kLongestInterval = std::chrono::seconds(60);

struct WatchFlags {
  std::vector<std::string> words;
  TaskFilter filter;
  std::string interval = "1s", timeout;
  std::uint32_t limit = 100;
};

struct WatchPlan {
  std::vector<TaskId> ids;  // empty: those that the filter finds, now and later
  ListRequest filter;
  std::uint32_t limit = 0;
  Duration interval{};
  std::optional<Duration> timeout;
};

Result<WatchPlan> plan_of(const WatchFlags& flags) {
  WatchPlan plan;
  plan.limit = flags.limit;
  if (flags.limit > kMaxWatched)
    return fail(ErrorCode::invalid_argument, "at most " + std::to_string(kMaxWatched) + " tasks are watched",
                "limit");
  const auto interval = parse_duration(flags.interval);
  if (!interval || *interval < kShortestInterval || *interval > kLongestInterval)
    return fail(ErrorCode::invalid_argument, "between 100ms and 60s, for example 2s", "interval");
  plan.interval = *interval;
  if (!flags.timeout.empty()) {
    const auto timeout = parse_duration(flags.timeout);
    if (!timeout) return fail(ErrorCode::invalid_argument, timeout.error().message, "timeout");
    plan.timeout = *timeout;
  }
  if (!flags.words.empty()) {
    if (!flags.filter.empty()) return fail(ErrorCode::invalid_argument, "give task ids or filters, not both");
    auto ids = read_ids(flags.words);
    if (!ids) return std::unexpected(ids.error());
    if (ids->size() > kMaxWatched) {
      return fail(ErrorCode::invalid_argument, "at most " + std::to_string(kMaxWatched) +
                                                   " tasks are watched; `task wait` takes any number");
    }
    plan.ids = std::move(*ids);
    return plan;
  }
  auto filter = list_request(flags.filter, read_wall_clock());
  if (!filter) return std::unexpected(filter.error());
  plan.filter = std::move(*filter);
  if (plan.filter.states.empty()) {
    using enum TaskState;
    plan.filter.states = {delayed, ready, running, cancelling, quarantined};
  }
  return plan;
}

class Watch {
 public:
  Watch(Ctl& ctl, Client& client, WatchPlan plan)
      : ctl_(ctl), client_(client), plan_(std::move(plan)), changes_(ctl) {}

  int run() {
    const MonoTime began = read_mono_clock();
    std::vector<TaskId> wanted = plan_.ids;
    while (true) {
      if (auto looked = look(wanted); !looked) return ctl_.failed(looked.error());
      if (interrupt_.signal() != 0) break;
      if (redraws()) draw();
      ctl_.out() << std::flush;
      wanted = board_.open();
      const Duration left = plan_.timeout ? *plan_.timeout - (read_mono_clock() - began) : plan_.interval;
      if (wanted.empty() || left <= Duration{0}) return ended();
      pause(wanted, std::min(left, plan_.interval));
    }
    const bool seen = board_.size() > 0;
    return ctl_.interrupted(interrupt_.signal(), goes_on(seen ? board_.open() : plan_.ids,
                                                         seen ? board_.size() : plan_.ids.size()));
  }

 private:
  bool redraws() const { return !ctl_.json() && ctl_.out_is_terminal(); }

  // What the filter finds now, then each open task as its owner sees it.
  Result<> look(std::vector<TaskId> wanted) {
    if (plan_.ids.empty()) {
      auto found = find(wanted);
      if (!found || interrupt_.signal() != 0) return found;
    }
    Result<> looked;
    get_each(client_, wanted, ctl_.options.request_timeout, interrupt_,
             [&](TaskId id, Result<GetReply> reply) {
               if (interrupt_.signal() != 0) return false;
               if (!reply && reply.error().code == ErrorCode::not_found) {
                 board_.missing(id);
                 ctl_.err() << "ringctl: " << to_string(id) << ": there is no such task\n";
                 return true;
               }
               if (!reply) looked = std::unexpected(reply.error());
               if (reply && board_.note(std::move(reply->view))) tell(board_.view(id));
               return looked.has_value();
             });
    return looked;
  }

  // Adds to `wanted` what was not watched yet.
  Result<> find(std::vector<TaskId>& wanted) {
    ListRequest request = plan_.filter;
    std::size_t room = plan_.limit - std::min<std::size_t>(plan_.limit, wanted.size());
    while (room > 0) {
      request.limit = kPage;
      auto reply = ask_for<ListReply>(client_, request, ctl_.options.request_timeout, interrupt_);
      if (interrupt_.signal() != 0) return {};
      if (!reply) return std::unexpected(reply.error());
      for (const TaskView& view : reply->views) {
        if (board_.knows(view.row.id) || room == 0) continue;
        wanted.push_back(view.row.id);
        --room;
      }
      if (!reply->next) break;
      request.after = reply->next;
    }
    return {};
  }

  void tell(const TaskView& view) {
    if (redraws()) return;
    if (ctl_.json()) return changes_.add(task_view_to_json(view));
    ctl_.out() << change_line(view, read_wall_clock(), ctl_.colour());
  }

  // Over what was drawn before: up so many lines, then all below is wiped.
  void draw() {
    const TerminalSize size = terminal_size(STDOUT_FILENO).value_or(TerminalSize{});
    const std::string text = board_.draw(read_wall_clock(), ctl_.style(), size.rows - 1);
    if (drawn_lines_ > 0) ctl_.out() << "\x1b[" << drawn_lines_ << 'A';
    ctl_.out() << "\r\x1b[J" << text;
    drawn_lines_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }

  // Until the next look; over at once if the last one ends.
  void pause(const std::vector<TaskId>& open, Duration time) {
    const MonoTime began = read_mono_clock();
    const auto reply = ask_for<WaitReply>(client_, WaitRequest{open, time, false},
                                          ctl_.options.request_timeout + time, interrupt_);
    const bool all_ended =
        reply && std::ranges::all_of(reply->items, [](const auto& item) { return is_terminal(item.state); });
    const Duration took = read_mono_clock() - began;
    if (!all_ended && took < time) interrupt_.sleep(time - took);
  }

  int ended() {
    if (ctl_.json()) changes_.end();
    const TaskTally tally = board_.tally();
    if (tally.total() == 0) ctl_.err() << "no tasks to watch\n";
    if (tally.total() > 1 && !redraws()) ctl_.err() << tally.counts() << '\n';
    if (tally.total() != 1) return tally.exit_code();
    return board_.size() == 1 ? exit_code_of(board_.only()) : kExitOwnError;
  }

  Ctl& ctl_;
  Client& client_;
  WatchPlan plan_;
  Interrupt interrupt_;
  WatchBoard board_;
  JsonList changes_;
  std::size_t drawn_lines_ = 0;
};

int watch(Ctl& ctl, const WatchFlags& flags) {
  auto plan = plan_of(flags);
  if (!plan) return ctl.failed(plan.error());
  if (!flags.words.empty() && plan->ids.empty()) {
    ctl.err() << "nothing to watch: the input is empty\n";
    return kExitOk;
  }
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  return Watch(ctl, **client, std::move(*plan)).run();
}

}  // namespace

void add_task_watch(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("watch", "Show tasks live until they have ended");
  auto flags = std::make_shared<WatchFlags>();
  app->add_option("id", flags->words, "Task ids; - reads them from stdin; none: those that the filters find")
      ->type_name("ID");
  add_filter_options(*app, flags->filter);
  app->add_option("--limit", flags->limit, "At most so many at a time, up to 1000 (default: 100)")
      ->check(positive_number())
      ->type_name("N");
  app->add_option("--interval", flags->interval, "How often to look (default: 1s)")->type_name("DURATION");
  app->add_option("--timeout", flags->timeout, "Give up after this and exit 124")->type_name("DURATION");
  app->footer(
      "On a terminal a table is drawn again and again; elsewhere each change is a line, or with -o jsonl a "
      "document. Without ids and --state: whatever has not ended, also what is submitted meanwhile. Exits as "
      "`task wait` does. Ctrl-C ends the watch, not the tasks.\n\n"
      "Examples:\n  ringctl task watch --group nightly\n  ringctl task watch task_00000000001g0\n"
      "  ringctl task watch --label team=ops -o jsonl | jq -r .state");
  app->callback([&ctl, flags] { ctl.action = [&ctl, flags] { return watch(ctl, *flags); }; });
}

}  // namespace ringmaster

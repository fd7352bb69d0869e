#include "ctl/task_follow.h"

#include <algorithm>
#include <utility>

#include <boost/json/object.hpp>

#include "base/task_json.h"
#include "ctl/asking.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/progress_line.h"
#include "ctl/relative_time.h"
#include "ctl/task_show.h"
#include "ctl/text_table.h"

namespace ringmaster {
namespace {

constexpr std::size_t kAskedAtOnce = 10'000;
// A wait ends early when everything asked for has ended; on a terminal it also ends to redraw the progress.
constexpr Duration kRedraw = std::chrono::milliseconds(250);
constexpr Duration kLongWait = std::chrono::seconds(30);
// A master that answers early, with nothing ended, is not asked again at once.
constexpr Duration kPause = std::chrono::milliseconds(100);

boost::json::object end_of(const WaitReply::Item& item) {
  boost::json::object line{{"id", to_string(item.id)}};
  if (item.found) {
    line["state"] = std::string(to_string(item.state));
    line["exit_code"] = item.exit_code;
    line["worker"] = item.worker;
  } else {
    line["error"] = "not_found";
  }
  return line;
}

// `task_… RUNNING on w1`, then how long it took or how far it is.
std::string status_line(const TaskView& view, WallTime now) {
  const TaskRow& row = view.row;
  std::string text = to_string(row.id) + " " + std::string(to_string(row.state));
  if (!row.worker.empty()) text += " on " + row.worker;
  if (view.result) {
    // One that ended before it ran took no time.
    if (to_unix_micros(view.result->started_at) > 0)
      text += " after " + short_duration(view.result->finished_at - view.result->started_at);
    if (const std::string why = why_of(*view.result); !why.empty()) text += ": " + why;
    return text;
  }
  if (row.state == TaskState::delayed) text += ", due " + relative_time(row.run_at, now);
  if (row.state == TaskState::running && row.started_at)
    text += "  " + rough_duration(std::max(now - *row.started_at, Duration{0}));
  if (view.progress) text += "  " + progress_bar(*view.progress);
  return text;
}

// The task as it is when it has ended, the limit has passed, or the interrupt has come (`cancelled`, if
// nothing was seen of it before).
Result<TaskView> await_one(Ctl& ctl, Client& client, TaskId id, const FollowOptions& options,
                           const Interrupt& interrupt) {
  ProgressLine line(ctl);
  const MonoTime began = read_mono_clock();
  Result<TaskView> seen = fail(ErrorCode::cancelled, "interrupted");
  while (true) {
    const Duration elapsed = read_mono_clock() - began;
    Duration wait = ctl.err_is_terminal() ? kRedraw : kLongWait;
    if (options.limit) wait = std::min(wait, std::max(*options.limit - elapsed, Duration{0}));
    auto reply =
        ask_for<GetReply>(client, GetRequest{id, wait, false}, ctl.options.request_timeout + wait, interrupt);
    if (interrupt.signal() != 0) return seen;
    if (!reply) return std::unexpected(reply.error());
    seen = std::move(reply->view);
    const Duration now = read_mono_clock() - began;
    if (is_terminal(seen->row.state) || (options.limit && now >= *options.limit)) return seen;
    line.show(status_line(*seen, read_wall_clock()));
    if (now - elapsed < std::min(wait, kPause)) interrupt.sleep(kPause - (now - elapsed));
  }
}

int follow_one(Ctl& ctl, TaskId id, const FollowOptions& options, const Interrupt& interrupt) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto view = await_one(ctl, **client, id, options, interrupt);
  if (interrupt.signal() != 0) {
    const bool over = view && is_terminal(view->row.state);
    return ctl.interrupted(interrupt.signal(), goes_on(over ? std::vector<TaskId>{} : std::vector{id}, 1));
  }
  if (!view) return ctl.failed(view.error());
  if (options.print_each && options.whole_view) {
    ctl.print(task_view_to_json(*view));
  } else if (options.print_each) {
    JsonList ends(ctl);
    if (is_terminal(view->row.state)) {
      const std::int32_t code = view->result ? view->result->exit_code : 0;
      ends.add(end_of({id, true, view->row.state, code, view->row.worker}));
    }
    ends.end();
  }
  ctl.out() << std::flush;
  ctl.err() << one_line(status_line(*view, read_wall_clock()), 2000) << '\n';
  return exit_code_of(*view);
}

}  // namespace

Result<Followed> follow(Ctl& ctl, std::vector<TaskId> ids, const FollowOptions& options,
                        const Interrupt& interrupt) {
  auto client = ctl.client();
  if (!client) return std::unexpected(client.error());
  Followed followed{TaskTally(ids.size()), std::move(ids)};
  std::vector<TaskId>& open = followed.open;
  JsonList ends(ctl);
  ProgressLine line(ctl);
  const MonoTime began = read_mono_clock();
  while (!open.empty()) {
    const Duration elapsed = read_mono_clock() - began;
    line.show(followed.tally.progress(elapsed, line.width()));
    Duration wait = ctl.err_is_terminal() ? kRedraw : kLongWait;
    if (options.limit) wait = std::min(wait, std::max(*options.limit - elapsed, Duration{0}));
    const auto part = open.begin() + static_cast<std::ptrdiff_t>(std::min(open.size(), kAskedAtOnce));
    auto reply = ask_for<WaitReply>(**client, WaitRequest{{open.begin(), part}, wait, false},
                                    ctl.options.request_timeout + wait, interrupt);
    if (interrupt.signal() != 0) return followed;
    if (!reply) return std::unexpected(reply.error());

    std::vector<TaskId> still;
    for (const WaitReply::Item& item : reply->items) {
      if (item.found && !is_terminal(item.state)) {
        still.push_back(item.id);
        continue;
      }
      item.found ? followed.tally.ended(item.state) : followed.tally.missing();
      if (!options.print_each) continue;
      if (ctl.out_is_terminal()) line.hide();
      ends.add(end_of(item));
    }
    if (options.print_each) ctl.out() << std::flush;
    still.insert(still.end(), part, open.end());
    const bool none_ended = still.size() == open.size();
    open = std::move(still);
    const Duration took = read_mono_clock() - began - elapsed;
    if (none_ended && took < std::min(wait, kPause)) interrupt.sleep(kPause - took);
    if (options.limit && read_mono_clock() - began >= *options.limit) break;
  }
  if (options.print_each) ends.end();
  return followed;
}

std::string goes_on(const std::vector<TaskId>& open, std::size_t total) {
  if (total > 1) {
    const std::size_t ended = total - open.size();
    return std::to_string(ended) + " of " + std::to_string(total) +
           " tasks have ended, the others go on; `ringctl task wait` waits again, `ringctl task cancel` ends "
           "them";
  }
  if (total == 0) return "no task was seen yet";
  if (open.empty()) return "the task has ended";
  const std::string id = to_string(open.front());
  return id + " goes on; wait again with `ringctl task wait " + id + "`, end it with `ringctl task cancel " +
         id + "`";
}

int follow_and_report(Ctl& ctl, const std::vector<TaskId>& ids, const FollowOptions& options) {
  const MonoTime began = read_mono_clock();
  const Interrupt interrupt;
  if (ids.size() == 1) return follow_one(ctl, ids.front(), options, interrupt);
  const auto followed = follow(ctl, ids, options, interrupt);
  if (!followed) return ctl.failed(followed.error());
  if (interrupt.signal() != 0)
    return ctl.interrupted(interrupt.signal(), goes_on(followed->open, ids.size()));
  ctl.err() << followed->tally.summary(read_mono_clock() - began) << '\n';
  return followed->tally.exit_code();
}

}  // namespace ringmaster

#include "ctl/task_follow.h"

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include <boost/json/object.hpp>

#include "base/task_json.h"
#include "ctl/exit_code.h"
#include "ctl/relative_time.h"
#include "ctl/task_show.h"
#include "ctl/text_table.h"

namespace ringmaster {
namespace {

constexpr std::size_t kAskedAtOnce = 10'000;
constexpr std::size_t kProgressWidth = 79;
// A wait ends early when everything asked for has ended; on a terminal it also ends to redraw the progress.
constexpr Duration kRedraw = std::chrono::milliseconds(250);
constexpr Duration kLongWait = std::chrono::seconds(30);
// A master that answers early, with nothing ended, is not asked again at once.
constexpr Duration kPause = std::chrono::milliseconds(100);

class ProgressLine {
 public:
  explicit ProgressLine(Ctl& ctl) : ctl_(ctl) {}
  ~ProgressLine() {
    if (shown_) ctl_.err() << "\r\x1b[K" << std::flush;
  }
  void show(const std::string& text) {
    if (!ctl_.err_is_terminal()) return;
    ctl_.err() << '\r' << text << "\x1b[K" << std::flush;
    shown_ = true;
  }

 private:
  Ctl& ctl_;
  bool shown_ = false;
};

void print_end(Ctl& ctl, const WaitReply::Item& item) {
  boost::json::object line{{"id", to_string(item.id)}};
  if (item.found) {
    line["state"] = std::string(to_string(item.state));
    line["exit_code"] = item.exit_code;
    line["worker"] = item.worker;
  } else {
    line["error"] = "not_found";
  }
  ctl.print(line);
}

std::string worker_part(const TaskView& view) {
  return view.row.worker.empty() ? "" : " on " + view.row.worker;
}

int report_one(Ctl& ctl, TaskId id, const FollowOptions& options) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  auto reply = (*client)->get(GetRequest{id, Duration{0}, false});
  if (!reply) return ctl.failed(reply.error());
  const TaskView& view = reply->view;
  if (options.print_each) ctl.print(task_view_to_json(view));
  std::string text = to_string(id) + " " + std::string(to_string(view.row.state)) + worker_part(view);
  if (view.result) {
    text += " after " + short_duration(view.result->finished_at - view.result->started_at);
    if (const std::string why = why_of(*view.result); !why.empty()) text += ": " + why;
  }
  ctl.err() << one_line(text, 2000) << '\n';
  return exit_code_of(view);
}

}  // namespace

Result<TaskTally> follow(Ctl& ctl, std::vector<TaskId> ids, const FollowOptions& options) {
  auto client = ctl.client();
  if (!client) return std::unexpected(client.error());
  TaskTally tally(ids.size());
  ProgressLine line(ctl);
  const MonoTime began = read_mono_clock();
  std::vector<TaskId> open = std::move(ids);
  while (!open.empty()) {
    const Duration elapsed = read_mono_clock() - began;
    line.show(tally.progress(elapsed, kProgressWidth));
    Duration wait = ctl.err_is_terminal() ? kRedraw : kLongWait;
    if (options.limit) wait = std::min(wait, std::max(*options.limit - elapsed, Duration{0}));
    const auto part = open.begin() + static_cast<std::ptrdiff_t>(std::min(open.size(), kAskedAtOnce));
    auto reply = (*client)->wait(WaitRequest{{open.begin(), part}, wait, false});
    if (!reply) return std::unexpected(reply.error());

    std::vector<TaskId> still;
    for (const WaitReply::Item& item : reply->items) {
      if (item.found && !is_terminal(item.state)) {
        still.push_back(item.id);
        continue;
      }
      item.found ? tally.ended(item.state) : tally.missing();
      if (options.print_each) print_end(ctl, item);
    }
    still.insert(still.end(), part, open.end());
    const bool none_ended = still.size() == open.size();
    open = std::move(still);
    const Duration took = read_mono_clock() - began - elapsed;
    if (none_ended && took < std::min(wait, kPause)) std::this_thread::sleep_for(kPause - took);
    if (options.limit && read_mono_clock() - began >= *options.limit) break;
  }
  return tally;
}

int follow_and_report(Ctl& ctl, const std::vector<TaskId>& ids, const FollowOptions& options) {
  const MonoTime began = read_mono_clock();
  const bool one = ids.size() == 1;
  FollowOptions quiet = options;
  quiet.print_each = options.print_each && !one;  // of one task the whole view is printed
  const auto tally = follow(ctl, ids, quiet);
  if (!tally) return ctl.failed(tally.error());
  if (one) return report_one(ctl, ids.front(), options);
  ctl.err() << tally->summary(read_mono_clock() - began) << '\n';
  return tally->exit_code();
}

}  // namespace ringmaster

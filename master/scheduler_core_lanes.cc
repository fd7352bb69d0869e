// Lanes among one another: what each may take of the memory, and whose next page is read.
#include <algorithm>

#include "master/scheduler_core.h"

namespace ringmaster {

namespace {
constexpr std::size_t kLeastShare = 16;  // waiting tasks of a lane with workers
constexpr std::size_t kIdleShare = 16;   // without: for their deadlines
// Others want to read, too: so many whole pages at once, or more small ones with as many rows together.
constexpr int kMaxPagesAtOnce = 8, kMaxSmallPagesAtOnce = 64;
constexpr std::size_t kMaxLanesLookedAt = 64;  // in one turn, for their next page
}  // namespace

// Something happened to it: what can be is dispatched, what is too much goes, what is missing is read.
void SchedulerCore::settle(Lane& its) {
  pump(its);
  trim(its, options_.lane_window);
  count(its);
  feed(its);
  const bool wanted = its.size() > 0 || its.in_store();
  if (std::exchange(its.wanted, wanted) != wanted)
    demand_moved_.insert(its.workers.begin(), its.workers.end());
}

void SchedulerCore::count(Lane& its) {
  const std::size_t held = its.size() + its.delayed;
  waiting_ = waiting_ - std::exchange(its.counted, held) + held;
  const bool behind = its.in_store() && !its.workers.empty();
  if (std::exchange(its.counted_behind, behind) != behind) behind ? ++behind_ : --behind_;
}

std::size_t SchedulerCore::share_of(const Lane& its) const {
  const std::size_t fair =
      its.workers.empty()
          ? kIdleShare
          : std::max(options_.waiting_window / std::max(behind_, std::size_t{1}), kLeastShare);
  return std::min(fair, options_.lane_window);
}

bool SchedulerCore::wants_page(const Lane& its) const {
  return its.in_store() && !its.reading() && its.size() + its.delayed <= share_of(its) / 2;
}

// One that got workers, or lost them, changes its queue: its place in the former one is void.
void SchedulerCore::feed(Lane& its) {
  if (!wants_page(its)) return;
  const Lane::Queue queue = its.workers.empty() ? Lane::Queue::idle : Lane::Queue::served;
  if (std::exchange(its.queue, queue) != queue) hungry_[queue].push_back(&its);
}

void SchedulerCore::read_pages(Lane::Queue queue, Now now) {
  std::deque<Lane*>& lanes = hungry_[queue];
  const std::size_t most = std::min(lanes.size(), kMaxLanesLookedAt);
  const int most_pages = queue == Lane::Queue::served ? kMaxSmallPagesAtOnce : kMaxPagesAtOnce;
  const auto room = [&] {
    return pages_reading_ < most_pages && rows_reading_ < kMaxPagesAtOnce * options_.page_size;
  };
  for (std::size_t i = 0; i < most && room(); ++i) {
    Lane& its = *lanes.front();
    lanes.pop_front();
    if (its.queue != queue) continue;
    if (!wants_page(its)) {
      its.queue = Lane::Queue::none;
    } else if (!gate_open(its, now)) {
      lanes.push_back(&its);
    } else {
      its.queue = Lane::Queue::none;
      its.begin_read();
      ++pages_reading_;
      const int limit = std::min(options_.page_size, static_cast<int>(share_of(its)));
      rows_reading_ += limit;
      effects_.reads.push_back(PageRead{its.group(), its.cursor(), horizon_, limit, read_clock_});
    }
  }
}

// More lanes than memory has whole windows for.
void SchedulerCore::make_room() {
  const std::size_t fair = std::max(options_.waiting_window / lanes_.size(), kLeastShare);
  for (auto& [group, its] : lanes_) {
    trim(*its, its->workers.empty() ? kIdleShare : fair);
    count(*its);
    feed(*its);
  }
  // What cannot go, because it is due later or being read, is not looked for again at once.
  room_wanted_at_ = waiting_ + options_.waiting_window / 8;
}

void SchedulerCore::reload_all() {
  for (auto& [group, its] : lanes_) {
    its->reload();
    moved_.insert(its.get());
  }
  want_groups_ = true;
}

}  // namespace ringmaster

// Lane: one group's queue in this master's memory: what is ready, in rank order, and how much of the backlog
// is still only in the store. Pure.
//
// The window rule: every due task of the lane is in memory, or its key lies beyond `cursor` and `in_store` is
// true. Keys dropped from memory move the cursor back below them; nothing is dropped while a page is being
// read, because the page's snapshot may be older than the drop.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/hash_ring.h"
#include "base/transition.h"

namespace ringmaster {

class Lane {
 public:
  explicit Lane(std::string group) : group_(std::move(group)) {}

  const std::string& group() const { return group_; }

  // ---- ready tasks ----
  void push(PageKey key) { ready_.insert(key); }
  void erase(PageKey key);                       // ready or parked
  bool empty() const { return ready_.empty(); }  // nothing to decide about
  std::size_t size() const { return ready_.size() + parked_count_; }
  PageKey front() const { return *ready_.begin(); }
  PageKey back() const;  // of ready and parked ones; call only while size() > 0
  void pop_front() { ready_.erase(ready_.begin()); }

  // ---- strict tasks whose one worker has no credit ----
  void park(const std::string& worker, PageKey key);
  void unpark(const std::string& worker);  // back among the ready ones
  void unpark_all();

  // ---- the backlog in the store ----
  bool in_store() const { return in_store_; }
  bool reading() const { return reading_; }
  std::optional<PageKey> cursor() const { return cursor_; }
  void reload() {  // everything may be in the store again (shards were taken)
    in_store_ = true;
    cursor_.reset();
    reload_again_ = reading_;
  }
  void begin_read() { reading_ = true; }
  void abort_read() { reading_ = reload_again_ = false; }
  void end_read(PageKey last, bool exhausted);
  // `key` leaves memory though it is due: it must be read again. Not while reading().
  void drop(PageKey key);

  // ---- its workers ----
  HashRing ring;                  // over the registered workers that are not draining
  std::set<std::string> workers;  // the same, by name
  std::size_t workers_with_credit = 0;
  std::size_t delayed = 0;       // in memory, not due yet
  std::uint64_t dispatched = 0;  // sent and without a result

  // ---- what the scheduler has noted of it ----
  std::size_t counted = 0;      // its tasks in memory
  bool counted_behind = false;  // as one that has workers and more in the store
  bool wanted = false;          // it had something for its workers to do
  enum class Queue : std::uint8_t { none, served, idle };
  Queue queue = Queue::none;  // of those whose next page is wanted: with workers, or without

 private:
  std::string group_;
  std::set<PageKey> ready_;
  std::map<std::string, std::set<PageKey>> parked_;  // by worker
  std::size_t parked_count_ = 0;
  bool in_store_ = false;
  bool reading_ = false;
  bool reload_again_ = false;  // reload() came while a page was being read
  std::optional<PageKey> cursor_;
};

}  // namespace ringmaster

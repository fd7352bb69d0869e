// ShardKeeper: carries out what ShardTable asks for. It reads the shard table, takes free shards that this
// master should own, hands over those that another one should, and clears up after masters that are dead. One
// step at a time; PostgreSQL decides every one. Lives on the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "master/scheduler_core.h"
#include "master/suspicion.h"
#include "sql/task_store.h"

namespace ringmaster {

class ShardKeeper {
 public:
  struct Hooks {
    std::function<Now()> now;
    std::function<void()> changed;                              // the core has something to do
    std::function<void(bool)> hold_writes;                      // true: begin nothing new; false: go on
    std::function<bool()> registry_up;                          // its list is the present one
    std::function<bool()> writes_idle;                          // none under way
    std::function<void(const std::vector<ShardId>&)> released;  // drop what is queued for them
    std::function<void(const Error&)> fenced;
  };
  ShardKeeper(Loop& loop, TaskStore& store, SchedulerCore& core, std::string self, Incarnation incarnation,
              Duration dead_after, Hooks hooks);

  // The registry's list, whenever it changes; the first one starts the work.
  void on_masters(std::map<std::string, Incarnation> live);
  // At first hand: nobody listens at this master's address; a channel to it is up.
  void on_master_refused(const std::string& node);
  void on_master_reached(const std::string& node);
  void check_soon();  // somebody doubts what we believe
  // After a write or read has landed: a waiting hand-over may go on.
  void on_progress();
  // Gives every shard up, then `done`. Nothing is taken afterwards.
  void leave(std::function<void()> done);

  // Who owns a shard, as last read: empty when nobody does or it is not known.
  const std::string& owner_node(ShardId shard) const { return owners_[shard]; }
  std::uint32_t shards_of(const std::string& node) const;
  std::uint32_t unowned() const;

 private:
  enum class Step { idle, reading, taking, clearing, quiescing, releasing };

  void set_ring();
  void read();
  void on_rows(const std::vector<ShardRow>& rows);
  void believe(const std::vector<ShardRow>& rows);
  bool is_orphan(const ShardRow& row, MonoTime now);
  void clear_predecessors();
  void take_over(const Suspicion::Dead& dead);
  void take(std::vector<ShardId> wanted);
  void release(std::vector<ShardId> ids);
  void release_now();
  void end_release();
  void failed(const char* what, const Error& error);
  void again(Duration delay);
  template <class F>
  auto guard(F f);

  Loop& loop_;
  TaskStore& store_;
  SchedulerCore& core_;
  const std::string self_;
  const Incarnation incarnation_;
  Hooks hooks_;
  Step step_ = Step::idle;
  bool started_ = false;
  bool soon_ = false;  // asked for while a step was under way: the next read follows it at once
  bool leaving_ = false;
  std::function<void()> left_;
  std::vector<ShardId> releasing_;
  Suspicion suspicion_;
  std::array<std::optional<MonoTime>, kShardCount> unowned_since_;
  std::array<std::optional<MonoTime>, kShardCount> adopted_at_;  // orphans that we took for another master
  std::array<std::string, kShardCount> owners_;
  Timer timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster

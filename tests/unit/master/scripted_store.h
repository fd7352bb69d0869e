// ScriptedStore: a TaskStore whose accepts and look-ups wait until the test answers them, in any order and
// with any outcome. Ids come from the loop. Nothing else may be asked of it.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/loop.h"
#include "sql/task_store.h"

namespace ringmaster {

class ScriptedStore final : public TaskStore {
 public:
  struct Accept {
    std::vector<TaskRow> rows;
    StoreCallback<> done;
  };
  struct KeyedAccept {
    std::vector<TaskRow> rows;
    StoreCallback<std::vector<AcceptFate>> done;
  };
  struct Look {
    std::vector<TaskId> ids;
    StoreCallback<std::vector<Lookup>> done;
  };

  explicit ScriptedStore(Loop& loop) : loop_(loop) {}

  // Not answered yet, oldest first.
  std::deque<Accept> accepts;
  std::deque<KeyedAccept> keyed;
  std::deque<Look> looks;

  // Answers the oldest; its rows or ids are for the test to look at.
  std::vector<TaskRow> answer_accept(Result<> answer) {
    Accept oldest = std::move(accepts.front());
    accepts.pop_front();
    oldest.done(std::move(answer));
    return std::move(oldest.rows);
  }
  std::vector<TaskRow> answer_keyed(Result<std::vector<AcceptFate>> answer) {
    KeyedAccept oldest = std::move(keyed.front());
    keyed.pop_front();
    oldest.done(std::move(answer));
    return std::move(oldest.rows);
  }
  std::vector<TaskId> answer_look(Result<std::vector<Lookup>> answer) {
    Look oldest = std::move(looks.front());
    looks.pop_front();
    oldest.done(std::move(answer));
    return std::move(oldest.ids);
  }

  void next_ids(std::int64_t count, StoreCallback<IdBlock> done) override {
    const IdBlock block{std::exchange(next_sequence_, next_sequence_ + count), count};
    loop_.post([block, done = std::move(done)]() mutable { done(block); });
  }
  void accept(std::vector<TaskRow> rows, StoreCallback<> done) override {
    accepts.push_back({std::move(rows), std::move(done)});
  }
  void accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) override {
    keyed.push_back({std::move(rows), std::move(done)});
  }
  void lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) override {
    looks.push_back({std::move(ids), std::move(done)});
  }

  void open(MasterIdentity, StoreCallback<std::string>) override { not_in_the_script(); }
  void resign(StoreCallback<>) override { not_in_the_script(); }
  void close() override {}
  void shards(StoreCallback<std::vector<ShardRow>>) override { not_in_the_script(); }
  void take_shards(std::vector<ShardId>, StoreCallback<std::vector<ShardEpoch>>) override {
    not_in_the_script();
  }
  void release_shards(std::vector<ShardId>, StoreCallback<>) override { not_in_the_script(); }
  void predecessors(StoreCallback<std::vector<Incarnation>>) override { not_in_the_script(); }
  void take_over(Incarnation, StoreCallback<>) override { not_in_the_script(); }
  void complete(std::vector<Completion>, StoreCallback<std::vector<WriteFate>>) override {
    not_in_the_script();
  }
  void retry(std::vector<Retry>, StoreCallback<std::vector<WriteFate>>) override { not_in_the_script(); }
  void mark_running(std::vector<RunningMark>, StoreCallback<std::vector<WriteFate>>) override {
    not_in_the_script();
  }
  void control(std::vector<Control>, StoreCallback<std::vector<WriteFate>>) override { not_in_the_script(); }
  void keep_late(std::vector<LateResult>, StoreCallback<std::vector<WriteFate>>) override {
    not_in_the_script();
  }
  void prove(StoreCallback<>) override { not_in_the_script(); }
  void groups(StoreCallback<std::vector<std::string>>) override { not_in_the_script(); }
  void page(std::string, std::optional<PageKey>, WallTime, std::vector<bool>, int,
            StoreCallback<Page>) override {
    not_in_the_script();
  }
  void page_due(std::vector<std::string>, WallTime, WallTime, std::vector<bool>, int,
                StoreCallback<std::vector<TaskRow>>) override {
    not_in_the_script();
  }
  void get(TaskId, StoreCallback<TaskView>) override { not_in_the_script(); }
  void list(ListRequest, StoreCallback<ListReply>) override { not_in_the_script(); }
  void audit_masters(StoreCallback<std::vector<AuditMasterRow>>) override { not_in_the_script(); }
  void audit_lane(std::string, std::optional<PageKey>, WallTime, int,
                  StoreCallback<std::vector<AuditRow>>) override {
    not_in_the_script();
  }
  void audit_tasks(TaskId, int, StoreCallback<std::vector<AuditRow>>) override { not_in_the_script(); }
  void audit_history(TaskId, int, StoreCallback<AuditHistory>) override { not_in_the_script(); }
  void database_time(StoreCallback<WallTime>) override { not_in_the_script(); }
  void maintain(int, Duration, StoreCallback<>) override { not_in_the_script(); }

 private:
  static void not_in_the_script() { ADD_FAILURE() << "only ids, accepts and look-ups are scripted"; }

  Loop& loop_;
  std::int64_t next_sequence_ = 1;
};

}  // namespace ringmaster

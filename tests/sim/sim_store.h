// SimStore: a master's way to the shared in-memory database, made slow and unreliable. Each call travels for
// a random time, is applied (or not), and its answer travels back (or is lost: `unknown_outcome`, which is
// answered only once the statement can no longer apply, as task_store.h promises). A crashed master's
// statements may still apply. A write has a fence row of its own, made when it is sent: it counts as sent on
// a connection of its own, under the generation of then.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "sql/memory_task_store.h"
#include "tests/sim/manual_loop.h"
#include "tests/sim/statement_gate.h"

namespace ringmaster {

struct StoreFaults {
  Duration min_delay = std::chrono::microseconds(100);
  Duration max_delay = std::chrono::milliseconds(3);
  double slow = 0;                  // share of calls that take up to a second
  double unavailable = 0;           // not applied, and it is known
  double unknown = 0;               // applied or not, and it is not known
  bool down = false;                // everything is unavailable
  std::set<std::string> cut_off{};  // to these masters, by node id
  // Planted bugs.
  bool answers_before_commit = false;  // accept() is answered at once and applied later, or never if we crash
  bool reuses_attempts = false;        // a retry keeps the attempt number
  bool proves_anything = false;        // a fence check always holds
  bool hides_records = false;          // rows are read without their recorded dispatch, and records too
  bool records_blindly = false;        // a record does not compare with what was recorded before
  bool ignores_generations = false;    // what a release has overtaken still applies
  bool settles_nothing = false;        // an unknown write may still apply after that was said
  bool forgets_completions = false;    // complete() sometimes says `applied` and does nothing
  // Told of each statement that changed a task whose shard its master did not own (invariant 3).
  std::function<void(const std::string&)> trespass;
  TaskStore* unfenced = nullptr;  // what the fence refuses is done through this one instead
};

class SimStore final : public TaskStore {
 public:
  // `loop` is the cluster's: what was sent travels on when the master is dead. Answers go to `node_loop`.
  // `writes` counts the statements that were applied.
  SimStore(ManualLoop& loop, Loop& node_loop, MemoryDatabase& database, const StoreFaults& faults,
           StatementGate& gate, std::uint64_t& writes);
  ~SimStore() override;

  void open(MasterIdentity self, StoreCallback<std::string> done) override;
  void resign(StoreCallback<> done) override;
  void close() override;
  void shards(StoreCallback<std::vector<ShardRow>> done) override;
  void take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) override;
  void release_shards(std::vector<ShardId> ids, StoreCallback<> done) override;
  void predecessors(StoreCallback<std::vector<Incarnation>> done) override;
  void take_over(Incarnation dead, StoreCallback<> done) override;
  void next_ids(std::int64_t count, StoreCallback<IdBlock> done) override;
  void accept(std::vector<TaskRow> rows, StoreCallback<> done) override;
  void accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) override;
  void complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) override;
  void retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) override;
  void mark_running(std::vector<RunningMark> items, StoreCallback<std::vector<WriteFate>> done) override;
  void control(std::vector<Control> items, StoreCallback<std::vector<WriteFate>> done) override;
  void keep_late(std::vector<LateResult> items, StoreCallback<std::vector<WriteFate>> done) override;
  void prove(StoreCallback<> done) override;  // never answered well unless the fence held when it arrived
  void groups(StoreCallback<std::vector<std::string>> done) override;
  void page(std::string group, std::optional<PageKey> after, WallTime due_before, std::vector<bool> owned,
            int limit, StoreCallback<Page> done) override;
  void page_due(std::vector<std::string> groups, WallTime after, WallTime until, std::vector<bool> owned,
                int limit, StoreCallback<std::vector<TaskRow>> done) override;
  void lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) override;
  void get(TaskId id, StoreCallback<TaskView> done) override;
  void list(ListRequest request, StoreCallback<ListReply> done) override;

  void audit_masters(StoreCallback<std::vector<AuditMasterRow>> done) override;
  void audit_lane(std::string group, std::optional<PageKey> after, WallTime due_before, int limit,
                  StoreCallback<std::vector<AuditRow>> done) override;
  void audit_tasks(TaskId after, int limit, StoreCallback<std::vector<AuditRow>> done) override;
  void audit_history(TaskId from, int limit, StoreCallback<AuditHistory> done) override;
  void database_time(StoreCallback<WallTime> done) override;
  void maintain(int days_ahead, Duration retention, StoreCallback<> done) override;

 private:
  enum class Kind {
    read,
    write,
    take_over,  // a write that proves its incarnation only
  };
  // Hands the statement to the store that it is given, with the callback that it is given.
  template <class T>
  using Call = std::function<void(TaskStore&, StoreCallback<T>)>;
  template <class T>
  void travel(Kind kind, const char* name, Call<T> call, StoreCallback<T> done);
  // The same, of a write to these tasks: whoever changes them must own them at that instant.
  template <class T>
  void travel_as_owner(const char* name, std::vector<TaskId> ids, Call<T> call, StoreCallback<T> done);
  template <class T>
  struct Statement;
  Duration delay();
  double chance();

  ManualLoop& loop_;
  Loop& node_loop_;
  const StoreFaults& faults_;
  StatementGate& gate_;
  std::uint64_t& writes_;
  MemoryDatabase& database_;
  MasterIdentity self_;
  // Shared with statements under way: they may apply after we are gone.
  std::shared_ptr<MemoryTaskStore> inner_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster

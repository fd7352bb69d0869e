// StoreWorld: a database of either kind and the masters' stores on it, driven from a test: calls wait for
// their answer with a deadline. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/asio_loop.h"
#include "sql/memory_task_store.h"
#include "sql/migrate.h"
#include "sql/pg_task_store.h"
#include "tests/servers/postgres_server.h"

namespace ringmaster {

class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  virtual std::unique_ptr<TaskStore> make_store() = 0;
  AsioLoop& loop() { return loop_; }

  // A call's answer. The test ends if there is none in time.
  template <class T>
  Result<T> wait(const std::function<void(StoreCallback<T>)>& call) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    call([answer](Result<T> result) { *answer = std::move(result); });
    if (!run_until([&] { return answer->has_value(); })) throw std::runtime_error("a store did not answer");
    return std::move(**answer);
  }
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds(20)) {
    const MonoTime end = loop_.now() + limit;
    while (!done()) {
      if (loop_.now() > end) return false;
      loop_.context().run_one_for(std::chrono::milliseconds(100));
    }
    return true;
  }

 private:
  AsioLoop loop_;
};

class MemoryWorld final : public StoreWorld {
 public:
  std::unique_ptr<TaskStore> make_store() override {
    return std::make_unique<MemoryTaskStore>(loop(), database_);
  }

 private:
  MemoryDatabase database_;
};

class PgWorld final : public StoreWorld {
 public:
  explicit PgWorld(PostgresServer& server = PostgresServer::shared())
      : server_(server), database_(server_.make_database()) {
    const auto migrated = migrate(conninfo());
    if (!migrated) throw std::runtime_error(migrated.error().message);
  }
  std::unique_ptr<TaskStore> make_store() override { return make_store(2); }
  std::unique_ptr<TaskStore> make_store(std::size_t connections) {
    return std::make_unique<PgTaskStore>(loop(),
                                         PgStoreOptions{.conninfo = conninfo(), .connections = connections});
  }
  std::string conninfo() const { return server_.conninfo(database_); }
  std::string query(const std::string& sql) const { return server_.query(database_, sql); }
  PostgresServer& server() { return server_; }
  const std::string& database() const { return database_; }

 private:
  PostgresServer& server_;
  std::string database_;
};

// A store whose calls wait.
class Master {
 public:
  using Fates = std::vector<WriteFate>;

  Master(StoreWorld& world, std::int64_t incarnation, std::string node = "m1")
      : Master(world, world.make_store(), incarnation, std::move(node)) {}
  Master(StoreWorld& world, std::unique_ptr<TaskStore> store, std::int64_t incarnation,
         std::string node = "m1")
      : world_(world),
        store_(std::move(store)),
        self_{std::move(node), {incarnation}, "r:1", "h:1", "1.0", "test"} {}

  TaskStore& store() { return *store_; }
  Incarnation incarnation() const { return self_.incarnation; }

  Result<std::string> open() {
    return world_.wait<std::string>([&](auto done) { store_->open(self_, std::move(done)); });
  }
  Result<> resign() {
    return world_.wait<void>([&](auto done) { store_->resign(std::move(done)); });
  }
  std::vector<ShardRow> shards() {
    return world_.wait<std::vector<ShardRow>>([&](auto done) { store_->shards(std::move(done)); }).value();
  }
  Result<std::vector<ShardEpoch>> take(std::vector<ShardId> ids) {
    return world_.wait<std::vector<ShardEpoch>>(
        [&](auto done) { store_->take_shards(ids, std::move(done)); });
  }
  Result<> release(std::vector<ShardId> ids) {
    return world_.wait<void>([&](auto done) { store_->release_shards(ids, std::move(done)); });
  }
  Result<> take_over(Incarnation dead) {
    return world_.wait<void>([&](auto done) { store_->take_over(dead, std::move(done)); });
  }
  Result<std::vector<Incarnation>> predecessors() {
    return world_.wait<std::vector<Incarnation>>([&](auto done) { store_->predecessors(std::move(done)); });
  }
  Result<IdBlock> next_ids(std::int64_t count) {
    return world_.wait<IdBlock>([&](auto done) { store_->next_ids(count, std::move(done)); });
  }
  Result<> accept(std::vector<TaskRow> rows) {
    return world_.wait<void>([&](auto done) { store_->accept(std::move(rows), std::move(done)); });
  }
  Result<std::vector<AcceptFate>> accept_keyed(std::vector<TaskRow> rows) {
    return world_.wait<std::vector<AcceptFate>>(
        [&](auto done) { store_->accept_keyed(std::move(rows), std::move(done)); });
  }
  Result<Fates> complete(std::vector<Completion> items) {
    return world_.wait<Fates>([&](auto done) { store_->complete(std::move(items), std::move(done)); });
  }
  Result<Fates> retry(std::vector<Retry> items) {
    return world_.wait<Fates>([&](auto done) { store_->retry(std::move(items), std::move(done)); });
  }
  Result<Fates> mark(std::vector<RunningMark> items) {
    return world_.wait<Fates>([&](auto done) { store_->mark_running(std::move(items), std::move(done)); });
  }
  Result<Fates> control(std::vector<Control> items) {
    return world_.wait<Fates>([&](auto done) { store_->control(std::move(items), std::move(done)); });
  }
  Result<Fates> keep_late(std::vector<LateResult> items) {
    return world_.wait<Fates>([&](auto done) { store_->keep_late(std::move(items), std::move(done)); });
  }
  Result<> prove() {
    return world_.wait<void>([&](auto done) { store_->prove(std::move(done)); });
  }
  Result<std::vector<std::string>> groups() {
    return world_.wait<std::vector<std::string>>([&](auto done) { store_->groups(std::move(done)); });
  }
  TaskStore::Page page(std::optional<PageKey> after, WallTime due, std::vector<bool> owned, int limit) {
    return world_
        .wait<TaskStore::Page>(
            [&](auto done) { store_->page("default", after, due, owned, limit, std::move(done)); })
        .value();
  }
  // Of all groups.
  std::vector<TaskRow> page_due(WallTime after, WallTime until, std::vector<bool> owned, int limit) {
    const std::vector<std::string> named = groups().value();
    return world_
        .wait<std::vector<TaskRow>>(
            [&](auto done) { store_->page_due(named, after, until, owned, limit, std::move(done)); })
        .value();
  }
  std::vector<Lookup> lookup(std::vector<TaskId> ids) {
    return world_.wait<std::vector<Lookup>>([&](auto done) { store_->lookup(ids, std::move(done)); }).value();
  }
  Result<TaskView> get(TaskId id) {
    return world_.wait<TaskView>([&](auto done) { store_->get(id, std::move(done)); });
  }
  ListReply list(ListRequest request) {
    return world_.wait<ListReply>([&](auto done) { store_->list(request, std::move(done)); }).value();
  }
  Result<> maintain(int days, Duration retention) {
    return world_.wait<void>([&](auto done) { store_->maintain(days, retention, std::move(done)); });
  }

 private:
  StoreWorld& world_;
  std::unique_ptr<TaskStore> store_;
  MasterIdentity self_;
};

// ---- sample values ----

inline const WallTime kStart = from_unix_micros(1'767'225'600'000'000);  // 2026-01-01T00:00:00Z

inline TaskRow make_row(std::int64_t id, WallTime run_at = kStart, int priority = kDefaultPriority) {
  TaskRow row;
  row.id = TaskId{id};
  row.task.priority = priority;
  row.task.spec = R"({"n":)" + std::to_string(id) + "}";
  row.run_at = run_at;
  row.created_at = kStart;
  row.rank = rank_of(run_at, priority, kDefaultAgeingStep);
  return row;
}

inline Completion make_completion(std::int64_t id, Attempt attempt = 1,
                                  TaskState state = TaskState::succeeded) {
  Completion item{{TaskId{id}, 1, attempt}, state, "w1", {}};
  item.result.outcome = state == TaskState::succeeded ? Outcome::succeeded : Outcome::failed;
  item.result.started_at = kStart + std::chrono::seconds(1);
  item.result.finished_at = kStart + std::chrono::seconds(2);
  return item;
}

inline Retry make_retry(std::int64_t id, Attempt attempt = 1) {
  Retry item{{TaskId{id}, 1, attempt}, "w1", {}, attempt + 1, attempt};
  item.run_at = kStart + std::chrono::minutes(1);
  item.result.outcome = Outcome::failed;
  item.result.exit_code = 7;
  item.rank = rank_of(item.run_at, kDefaultPriority, kDefaultAgeingStep);
  return item;
}

inline void expect_equal(const TaskRow& got, const TaskRow& want) {
  EXPECT_EQ(got.id, want.id);
  EXPECT_EQ(got.task.ns, want.task.ns);
  EXPECT_EQ(got.task.kind, want.task.kind);
  EXPECT_EQ(got.task.group, want.task.group);
  EXPECT_EQ(got.task.spec, want.task.spec);
  EXPECT_EQ(got.task.routing_key, want.task.routing_key);
  EXPECT_EQ(got.task.routing, want.task.routing);
  EXPECT_EQ(got.task.priority, want.task.priority);
  EXPECT_EQ(got.task.timeout, want.task.timeout);
  EXPECT_EQ(got.task.start_deadline, want.task.start_deadline);
  EXPECT_EQ(got.task.retry, want.task.retry);
  EXPECT_EQ(got.task.on_worker_lost, want.task.on_worker_lost);
  EXPECT_EQ(got.task.labels, want.task.labels);
  EXPECT_EQ(got.task.traceparent, want.task.traceparent);
  EXPECT_EQ(got.task.created_by, want.task.created_by);
  EXPECT_EQ(got.rank, want.rank);
  EXPECT_EQ(got.run_at, want.run_at);
  EXPECT_EQ(got.created_at, want.created_at);
  EXPECT_EQ(got.attempt, want.attempt);
  EXPECT_EQ(got.failures, want.failures);
  EXPECT_EQ(got.crashes, want.crashes);
  EXPECT_EQ(got.state, want.state);
  EXPECT_EQ(got.worker, want.worker);
  EXPECT_EQ(got.worker_incarnation, want.worker_incarnation);
  EXPECT_EQ(got.epoch, want.epoch);
  EXPECT_EQ(got.started_at, want.started_at);
  EXPECT_EQ(got.cancel_requested, want.cancel_requested);
}

inline std::vector<bool> all_shards() {
  return std::vector<bool>(kShardCount, true);
}

inline std::vector<TaskId> ids_of(const std::vector<TaskRow>& rows) {
  std::vector<TaskId> ids;
  for (const TaskRow& row : rows) ids.push_back(row.id);
  return ids;
}

}  // namespace ringmaster

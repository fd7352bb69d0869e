#include "tests/sim/sim_store.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace ringmaster {

namespace {
std::vector<TaskId> ids_of(const std::vector<TaskRow>& rows) {
  std::vector<TaskId> ids;
  for (const TaskRow& row : rows) ids.push_back(row.id);
  return ids;
}
template <class Item>
std::vector<TaskId> ids_of(const std::vector<Item>& items) {
  std::vector<TaskId> ids;
  for (const Item& item : items) ids.push_back(item.token.task);
  return ids;
}
}  // namespace

SimStore::SimStore(ManualLoop& loop, Loop& node_loop, MemoryDatabase& database, const StoreFaults& faults,
                   std::uint64_t& writes)
    : loop_(loop),
      node_loop_(node_loop),
      faults_(faults),
      writes_(writes),
      database_(database),
      inner_(std::make_shared<MemoryTaskStore>(loop, database)) {}

SimStore::~SimStore() = default;

double SimStore::chance() {
  return static_cast<double>(loop_.random() >> 11) * 0x1.0p-53;
}

Duration SimStore::delay() {
  const Duration most = chance() < faults_.slow ? Duration{std::chrono::seconds(1)} : faults_.max_delay;
  return faults_.min_delay +
         Duration{static_cast<std::int64_t>(loop_.random() % static_cast<std::uint64_t>(most.count()))};
}

template <class T>
void SimStore::travel(Kind kind, std::function<void(TaskStore&, StoreCallback<T>)> call,
                      StoreCallback<T> done) {
  auto answer = [this, alive = std::weak_ptr<int>(alive_), back = delay(),
                 done = std::move(done)](Result<T> r) mutable {
    if (alive.expired()) return;
    node_loop_.after(back, [alive, done = std::move(done), r = std::move(r)]() mutable {
      if (!alive.expired()) done(std::move(r));
    });
  };
  if (faults_.down || chance() < faults_.unavailable) {
    return answer(fail(ErrorCode::unavailable, "simulated: the database cannot be reached"));
  }
  const bool unknown = kind == Kind::write && chance() < faults_.unknown;
  if (unknown && chance() < 0.5) {
    return answer(fail(ErrorCode::unknown_outcome, "simulated: the link broke before the statement"));
  }
  loop_.after(delay(), [inner = inner_, unknown, &writes = writes_, unfenced = faults_.unfenced,
                        call = std::move(call), answer = std::move(answer)]() mutable {
    ++writes;
    call(*inner, [unknown, unfenced, call, answer = std::move(answer)](Result<T> result) mutable {
      if (unfenced != nullptr && !result && result.error().code == ErrorCode::fenced) {
        return call(*unfenced, std::move(answer));
      }
      if (unknown)
        return answer(fail(ErrorCode::unknown_outcome, "simulated: the link broke after the statement"));
      answer(std::move(result));
    });
  });
}

// Called just before the statement is applied, so that ownership is judged at that instant.
template <class T>
StoreCallback<T> SimStore::must_own(std::vector<TaskId> ids, StoreCallback<T> done) const {
  const std::vector<ShardRow> shards = database_.shards();
  std::vector<TaskId> foreign;
  for (const TaskId id : ids) {
    if (shards[id.shard()].owner != self_.incarnation) foreign.push_back(id);
  }
  return [foreign = std::move(foreign), ids = std::move(ids), who = self_.node_id, &faults = faults_,
          done = std::move(done)](Result<T> result) mutable {
    for (std::size_t i = 0; result && faults.trespass && i < ids.size(); ++i) {
      if (std::find(foreign.begin(), foreign.end(), ids[i]) == foreign.end()) continue;
      if constexpr (!std::is_void_v<T>) {
        if ((*result)[i] != WriteFate::applied) continue;
      }
      faults.trespass(who + " changed " + to_string(ids[i]) + " without owning its shard");
    }
    done(std::move(result));
  };
}

void SimStore::open(MasterIdentity self, StoreCallback<std::string> done) {
  self_ = self;
  travel<std::string>(
      Kind::read, [self](TaskStore& s, auto d) { s.open(self, std::move(d)); }, std::move(done));
}
void SimStore::resign(StoreCallback<> done) {
  travel<void>(Kind::read, [](TaskStore& s, auto d) { s.resign(std::move(d)); }, std::move(done));
}
void SimStore::close() {
  alive_ = std::make_shared<int>();
}
void SimStore::shards(StoreCallback<std::vector<ShardRow>> done) {
  travel<std::vector<ShardRow>>(
      Kind::read, [](TaskStore& s, auto d) { s.shards(std::move(d)); }, std::move(done));
}
void SimStore::take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) {
  travel<std::vector<ShardEpoch>>(
      Kind::write, [wanted](TaskStore& s, auto d) { s.take_shards(wanted, std::move(d)); }, std::move(done));
}
void SimStore::release_shards(std::vector<ShardId> ids, StoreCallback<> done) {
  travel<void>(
      Kind::write, [ids](TaskStore& s, auto d) { s.release_shards(ids, std::move(d)); }, std::move(done));
}
void SimStore::predecessors(StoreCallback<std::vector<Incarnation>> done) {
  travel<std::vector<Incarnation>>(
      Kind::read, [](TaskStore& s, auto d) { s.predecessors(std::move(d)); }, std::move(done));
}
void SimStore::take_over(Incarnation dead, StoreCallback<> done) {
  travel<void>(
      Kind::write, [dead](TaskStore& s, auto d) { s.take_over(dead, std::move(d)); }, std::move(done));
}
void SimStore::next_ids(std::int64_t count, StoreCallback<IdBlock> done) {
  travel<IdBlock>(
      Kind::read, [count](TaskStore& s, auto d) { s.next_ids(count, std::move(d)); }, std::move(done));
}
void SimStore::accept(std::vector<TaskRow> rows, StoreCallback<> done) {
  if (faults_.answers_before_commit) {
    done({});
    // Dies with the master, as a write that was only buffered does.
    node_loop_.after(std::chrono::milliseconds(30), [inner = inner_, rows = std::move(rows)]() mutable {
      inner->accept(std::move(rows), [](Result<>) {});
    });
    return;
  }
  travel<void>(
      Kind::write,
      [this, alive = std::weak_ptr<int>(alive_), ids = ids_of(rows), rows = std::move(rows)](
          TaskStore& s, StoreCallback<> d) {
        s.accept(rows, alive.expired() ? std::move(d) : must_own<void>(ids, std::move(d)));
      },
      std::move(done));
}
void SimStore::complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) {
  if (faults_.forgets_completions && chance() < 0.05) {
    return node_loop_.post([count = items.size(), done = std::move(done)]() mutable {
      done(std::vector<WriteFate>(count, WriteFate::applied));
    });
  }
  travel<std::vector<WriteFate>>(
      Kind::write,
      [this, alive = std::weak_ptr<int>(alive_), ids = ids_of(items), items = std::move(items)](
          TaskStore& s, StoreCallback<std::vector<WriteFate>> d) {
        s.complete(items,
                   alive.expired() ? std::move(d) : must_own<std::vector<WriteFate>>(ids, std::move(d)));
      },
      std::move(done));
}
void SimStore::retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) {
  if (faults_.reuses_attempts) {
    for (Retry& item : items) item.next_attempt = item.token.attempt;
  }
  travel<std::vector<WriteFate>>(
      Kind::write,
      [this, alive = std::weak_ptr<int>(alive_), ids = ids_of(items), items = std::move(items)](
          TaskStore& s, StoreCallback<std::vector<WriteFate>> d) {
        s.retry(items, alive.expired() ? std::move(d) : must_own<std::vector<WriteFate>>(ids, std::move(d)));
      },
      std::move(done));
}
void SimStore::mark_running(std::vector<RunningMark> items, StoreCallback<std::vector<WriteFate>> done) {
  travel<std::vector<WriteFate>>(
      Kind::write, [items = std::move(items)](TaskStore& s, auto d) { s.mark_running(items, std::move(d)); },
      std::move(done));
}
void SimStore::groups(StoreCallback<std::vector<std::string>> done) {
  travel<std::vector<std::string>>(
      Kind::read, [](TaskStore& s, auto d) { s.groups(std::move(d)); }, std::move(done));
}
void SimStore::page(std::string group, std::optional<PageKey> after, WallTime due_before,
                    std::vector<bool> owned, int limit, StoreCallback<Page> done) {
  travel<Page>(
      Kind::read, [=](TaskStore& s, auto d) { s.page(group, after, due_before, owned, limit, std::move(d)); },
      std::move(done));
}
void SimStore::page_due(WallTime after, WallTime until, std::vector<bool> owned, int limit,
                        StoreCallback<std::vector<TaskRow>> done) {
  travel<std::vector<TaskRow>>(
      Kind::read, [=](TaskStore& s, auto d) { s.page_due(after, until, owned, limit, std::move(d)); },
      std::move(done));
}
void SimStore::lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) {
  travel<std::vector<Lookup>>(
      Kind::read, [ids](TaskStore& s, auto d) { s.lookup(ids, std::move(d)); }, std::move(done));
}
void SimStore::get(TaskId id, StoreCallback<TaskView> done) {
  travel<TaskView>(Kind::read, [id](TaskStore& s, auto d) { s.get(id, std::move(d)); }, std::move(done));
}
void SimStore::list(ListRequest request, StoreCallback<ListReply> done) {
  travel<ListReply>(
      Kind::read, [request](TaskStore& s, auto d) { s.list(request, std::move(d)); }, std::move(done));
}
void SimStore::database_time(StoreCallback<WallTime> done) {
  travel<WallTime>(Kind::read, [](TaskStore& s, auto d) { s.database_time(std::move(d)); }, std::move(done));
}
void SimStore::maintain(int days_ahead, Duration retention, StoreCallback<> done) {
  travel<void>(
      Kind::read, [=](TaskStore& s, auto d) { s.maintain(days_ahead, retention, std::move(d)); },
      std::move(done));
}

}  // namespace ringmaster

#include "tests/sim/sim_store.h"

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
std::vector<TaskId> ids_of(const std::vector<Control>& items) {
  std::vector<TaskId> ids;
  for (const Control& item : items) ids.push_back(item.id);
  return ids;
}
void hide_records(std::vector<TaskRow>& rows) {
  for (TaskRow& row : rows) {
    row.worker.clear();
    row.worker_incarnation = {};
  }
}
}  // namespace

SimStore::SimStore(ManualLoop& loop, Loop& node_loop, MemoryDatabase& database, const StoreFaults& faults,
                   StatementGate& gate, std::uint64_t& writes)
    : loop_(loop),
      node_loop_(node_loop),
      faults_(faults),
      gate_(gate),
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

// One statement on its way: what applying it means, whoever sent it may be gone by then.
template <class T>
struct SimStore::Statement {
  std::shared_ptr<MemoryTaskStore> inner;
  MemoryDatabase& database;
  const StoreFaults& faults;
  std::uint64_t& writes;
  Call<T> call;
  std::optional<MemoryDatabase::Fence> fence;  // its connection's row; none: a read, or its master was fenced
  bool settled = false;

  // Nothing of it applies from now on.
  void settle() {
    if (!fence || faults.settles_nothing) return;
    database.settle(*fence);
    settled = true;
  }
  void apply(StoreCallback<T> done) const {
    ++writes;
    const bool holds = !fence || database.holds(*fence) || (faults.ignores_generations && !settled);
    if (fence) database.settle(*fence);
    auto judged = [call = call, unfenced = faults.unfenced, done = std::move(done)](Result<T> r) mutable {
      const bool refused = !r && r.error().code == ErrorCode::fenced;
      if (refused && unfenced != nullptr) return call(*unfenced, std::move(done));
      done(std::move(r));
    };
    if (!holds) return judged(fail(ErrorCode::fenced, "simulated: its fence row is another one, or gone"));
    call(*inner, std::move(judged));
  }
};

template <class T>
void SimStore::travel(Kind kind, const char* name, Call<T> call, StoreCallback<T> done) {
  auto answer = [this, alive = std::weak_ptr<int>(alive_), back = delay(),
                 done = std::move(done)](Result<T> r) mutable {
    if (alive.expired()) return;
    node_loop_.after(back, [alive, done = std::move(done), r = std::move(r)]() mutable {
      if (!alive.expired()) done(std::move(r));
    });
  };
  if (faults_.down || faults_.cut_off.contains(self_.node_id) || chance() < faults_.unavailable) {
    return answer(fail(ErrorCode::unavailable, "simulated: the database cannot be reached"));
  }
  Statement<T> statement{inner_, database_, faults_, writes_, std::move(call), std::nullopt};
  if (kind == Kind::write) {
    if (const auto fence = database_.make_fence(self_.incarnation)) statement.fence = *fence;
  }
  using Stop = StatementGate::Stop;
  if (const auto order = gate_.meet(self_.node_id, name); order.ticket != 0) {
    if (order.how == Stop::lose) statement.settle();
    const bool lost = order.how != Stop::hold;
    StoreCallback<T> heard = lost ? StoreCallback<T>([](Result<T>) {}) : std::move(answer);
    auto apply = [statement = std::move(statement), heard = std::move(heard)]() mutable {
      statement.apply(std::move(heard));
    };
    gate_.keep(order.ticket, std::move(apply));
    if (lost) answer(fail(ErrorCode::unknown_outcome, "simulated: the link broke before the statement"));
    return;
  }
  const bool unknown = kind != Kind::read && chance() < faults_.unknown;
  if (unknown && chance() < 0.5) {  // it hangs somewhere
    statement.settle();
    loop_.after(std::chrono::seconds(2), [statement = std::move(statement)] {
      if (statement.fence) statement.apply([](Result<T>) {});
    });
    return answer(fail(ErrorCode::unknown_outcome, "simulated: the link broke before the statement"));
  }
  loop_.after(delay(), [unknown, statement = std::move(statement), answer = std::move(answer)]() mutable {
    statement.apply([unknown, answer = std::move(answer)](Result<T> result) mutable {
      if (unknown)
        return answer(fail(ErrorCode::unknown_outcome, "simulated: the link broke after the statement"));
      answer(std::move(result));
    });
  });
}

template <class T>
void SimStore::travel_as_owner(const char* name, std::vector<TaskId> ids, Call<T> call,
                               StoreCallback<T> done) {
  auto judged = [&database = database_, &faults = faults_, self = self_, ids = std::move(ids),
                 call = std::move(call)](TaskStore& store, StoreCallback<T> answer) {
    std::vector<bool> foreign;
    const std::vector<ShardRow> shards = database.shards();
    for (const TaskId id : ids) foreign.push_back(shards[id.shard()].owner != self.incarnation);
    call(store,
         [foreign, ids, who = self.node_id, &faults, answer = std::move(answer)](Result<T> result) mutable {
           for (std::size_t i = 0; result && faults.trespass && i < ids.size(); ++i) {
             if (!foreign[i]) continue;
             if constexpr (!std::is_void_v<T>) {
               if ((*result)[i] != WriteFate::applied) continue;
             }
             faults.trespass(who + " changed " + to_string(ids[i]) + " without owning its shard");
           }
           answer(std::move(result));
         });
  };
  travel<T>(Kind::write, name, std::move(judged), std::move(done));
}

void SimStore::open(MasterIdentity self, StoreCallback<std::string> done) {
  self_ = self;
  travel<std::string>(
      Kind::read, "open", [self](TaskStore& s, auto d) { s.open(self, std::move(d)); }, std::move(done));
}
void SimStore::resign(StoreCallback<> done) {
  travel<void>(Kind::read, "resign", [](TaskStore& s, auto d) { s.resign(std::move(d)); }, std::move(done));
}
void SimStore::close() {
  alive_ = std::make_shared<int>();
}
void SimStore::shards(StoreCallback<std::vector<ShardRow>> done) {
  travel<std::vector<ShardRow>>(
      Kind::read, "shards", [](TaskStore& s, auto d) { s.shards(std::move(d)); }, std::move(done));
}
void SimStore::take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) {
  travel<std::vector<ShardEpoch>>(
      Kind::write, "take_shards", [wanted](TaskStore& s, auto d) { s.take_shards(wanted, std::move(d)); },
      std::move(done));
}
void SimStore::release_shards(std::vector<ShardId> ids, StoreCallback<> done) {
  travel<void>(
      Kind::write, "release_shards", [ids](TaskStore& s, auto d) { s.release_shards(ids, std::move(d)); },
      std::move(done));
}
void SimStore::predecessors(StoreCallback<std::vector<Incarnation>> done) {
  travel<std::vector<Incarnation>>(
      Kind::read, "predecessors", [](TaskStore& s, auto d) { s.predecessors(std::move(d)); },
      std::move(done));
}
void SimStore::take_over(Incarnation dead, StoreCallback<> done) {
  travel<void>(
      Kind::take_over, "take_over", [dead](TaskStore& s, auto d) { s.take_over(dead, std::move(d)); },
      std::move(done));
}
void SimStore::next_ids(std::int64_t count, StoreCallback<IdBlock> done) {
  travel<IdBlock>(
      Kind::read, "next_ids", [count](TaskStore& s, auto d) { s.next_ids(count, std::move(d)); },
      std::move(done));
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
  std::vector<TaskId> ids = ids_of(rows);
  travel_as_owner<void>(
      "accept", std::move(ids),
      [rows = std::move(rows)](TaskStore& s, auto d) { s.accept(rows, std::move(d)); }, std::move(done));
}
void SimStore::accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) {
  travel<std::vector<AcceptFate>>(
      Kind::write, "accept_keyed",
      [rows = std::move(rows)](TaskStore& s, auto d) { s.accept_keyed(rows, std::move(d)); },
      std::move(done));
}
void SimStore::complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) {
  if (faults_.forgets_completions && chance() < 0.05) {
    return node_loop_.post([count = items.size(), done = std::move(done)]() mutable {
      done(std::vector<WriteFate>(count, WriteFate::applied));
    });
  }
  std::vector<TaskId> ids = ids_of(items);
  travel_as_owner<std::vector<WriteFate>>(
      "complete", std::move(ids),
      [items = std::move(items)](TaskStore& s, auto d) { s.complete(items, std::move(d)); }, std::move(done));
}
void SimStore::retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) {
  if (faults_.reuses_attempts) {
    for (Retry& item : items) item.next_attempt = item.token.attempt;
  }
  std::vector<TaskId> ids = ids_of(items);
  travel_as_owner<std::vector<WriteFate>>(
      "retry", std::move(ids),
      [items = std::move(items)](TaskStore& s, auto d) { s.retry(items, std::move(d)); }, std::move(done));
}
void SimStore::mark_running(std::vector<RunningMark> items, StoreCallback<std::vector<WriteFate>> done) {
  std::vector<TaskId> ids = ids_of(items);
  travel_as_owner<std::vector<WriteFate>>(
      "mark_running", std::move(ids),
      [items = std::move(items), &database = database_,
       blindly = faults_.records_blindly || faults_.hides_records](TaskStore& s, auto d) {
        std::vector<RunningMark> marks = items;
        for (RunningMark& mark : marks) {
          const auto task = database.tasks().find(mark.token.task);
          if (blindly && task != database.tasks().end()) mark.previous = task->second.row.worker_incarnation;
        }
        s.mark_running(std::move(marks), std::move(d));
      },
      std::move(done));
}
void SimStore::control(std::vector<Control> items, StoreCallback<std::vector<WriteFate>> done) {
  std::vector<TaskId> ids = ids_of(items);
  travel_as_owner<std::vector<WriteFate>>(
      "control", std::move(ids),
      [items = std::move(items)](TaskStore& s, auto d) { s.control(items, std::move(d)); }, std::move(done));
}
void SimStore::keep_late(std::vector<LateResult> items, StoreCallback<std::vector<WriteFate>> done) {
  travel<std::vector<WriteFate>>(
      Kind::write, "keep_late",
      [items = std::move(items)](TaskStore& s, auto d) { s.keep_late(items, std::move(d)); },
      std::move(done));
}
// Through our own fence even where a planted bug would take another store's.
void SimStore::prove(StoreCallback<> done) {
  if (faults_.proves_anything) return node_loop_.post([done = std::move(done)]() mutable { done({}); });
  travel<void>(
      Kind::write, "prove", [inner = inner_](TaskStore&, auto d) { inner->prove(std::move(d)); },
      std::move(done));
}
void SimStore::groups(StoreCallback<std::vector<std::string>> done) {
  travel<std::vector<std::string>>(
      Kind::read, "groups", [](TaskStore& s, auto d) { s.groups(std::move(d)); }, std::move(done));
}
void SimStore::page(std::string group, std::optional<PageKey> after, WallTime due_before,
                    std::vector<bool> owned, int limit, StoreCallback<Page> done) {
  travel<Page>(
      Kind::read, "page",
      [=](TaskStore& s, auto d) { s.page(group, after, due_before, owned, limit, std::move(d)); },
      [hides = faults_.hides_records, done = std::move(done)](Result<Page> page) mutable {
        if (page && hides) hide_records(page->rows);
        done(std::move(page));
      });
}
void SimStore::page_due(std::vector<std::string> groups, WallTime after, WallTime until,
                        std::vector<bool> owned, int limit, StoreCallback<std::vector<TaskRow>> done) {
  travel<std::vector<TaskRow>>(
      Kind::read, "page_due",
      [=](TaskStore& s, auto d) { s.page_due(groups, after, until, owned, limit, std::move(d)); },
      std::move(done));
}
void SimStore::lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) {
  travel<std::vector<Lookup>>(
      Kind::read, "lookup", [ids](TaskStore& s, auto d) { s.lookup(ids, std::move(d)); }, std::move(done));
}
void SimStore::get(TaskId id, StoreCallback<TaskView> done) {
  travel<TaskView>(
      Kind::read, "get", [id](TaskStore& s, auto d) { s.get(id, std::move(d)); }, std::move(done));
}
void SimStore::list(ListRequest request, StoreCallback<ListReply> done) {
  travel<ListReply>(
      Kind::read, "list", [request](TaskStore& s, auto d) { s.list(request, std::move(d)); },
      std::move(done));
}
void SimStore::audit_masters(StoreCallback<std::vector<AuditMasterRow>> done) {
  travel<std::vector<AuditMasterRow>>(
      Kind::read, "audit_masters", [](TaskStore& s, auto d) { s.audit_masters(std::move(d)); },
      std::move(done));
}
void SimStore::audit_lane(std::string group, std::optional<PageKey> after, WallTime due_before, int limit,
                          StoreCallback<std::vector<AuditRow>> done) {
  travel<std::vector<AuditRow>>(
      Kind::read, "audit_lane",
      [=](TaskStore& s, auto d) { s.audit_lane(group, after, due_before, limit, std::move(d)); },
      std::move(done));
}
void SimStore::audit_tasks(TaskId after, int limit, StoreCallback<std::vector<AuditRow>> done) {
  travel<std::vector<AuditRow>>(
      Kind::read, "audit_tasks", [=](TaskStore& s, auto d) { s.audit_tasks(after, limit, std::move(d)); },
      std::move(done));
}
void SimStore::audit_history(TaskId from, int limit, StoreCallback<AuditHistory> done) {
  travel<AuditHistory>(
      Kind::read, "audit_history", [=](TaskStore& s, auto d) { s.audit_history(from, limit, std::move(d)); },
      std::move(done));
}
void SimStore::database_time(StoreCallback<WallTime> done) {
  travel<WallTime>(
      Kind::read, "database_time", [](TaskStore& s, auto d) { s.database_time(std::move(d)); },
      std::move(done));
}
void SimStore::maintain(int days_ahead, Duration retention, StoreCallback<> done) {
  travel<void>(
      Kind::read, "maintain", [=](TaskStore& s, auto d) { s.maintain(days_ahead, retention, std::move(d)); },
      std::move(done));
}

}  // namespace ringmaster

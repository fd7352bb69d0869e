// PgTaskStore: the writes of tasks. A batch is one statement; how many rows it changed says whether the fence
// held and whether every item applied. Whatever is left open is read back afterwards, from committed rows
// only.
#include <unordered_map>
#include <utility>

#include "sql/pg_columns.h"
#include "sql/pg_statements.h"
#include "sql/pg_task_store.h"

namespace ringmaster {
namespace {

// What a row of `task` or `task_history` says of an item.
struct Fact {
  bool ended = false;
  Attempt attempt = 0;
  std::int32_t failures = 0, crashes = 0;
  WallTime run_at{};
  std::int64_t rank = 0;
  Epoch epoch = 0;
  Incarnation worker;
  TaskState state = TaskState::ready;
  WallTime started_at{};
  bool cancel_requested = false;
};

// What an item met. Whatever is true already comes first: an equal earlier item did it.
WriteFate fate_of(const Completion& item, const Fact& fact) {
  return fact.ended && fact.attempt == item.token.attempt ? WriteFate::applied : WriteFate::stale;
}

WriteFate fate_of(const Retry& item, const Fact& fact) {
  if (fact.ended) return WriteFate::stale;
  if (fact.attempt == item.next_attempt && fact.failures == item.failures && fact.crashes == item.crashes &&
      fact.run_at == item.run_at && fact.rank == item.rank) {
    return WriteFate::applied;
  }
  const bool cancelling = fact.attempt == item.token.attempt && fact.cancel_requested;
  return cancelling ? WriteFate::cancelling : WriteFate::stale;
}

WriteFate fate_of(const RunningMark& item, const Fact& fact) {
  if (fact.ended || fact.attempt != item.token.attempt || fact.epoch > item.token.epoch) {
    return WriteFate::stale;
  }
  if (fact.epoch == item.token.epoch && fact.worker == item.worker_incarnation &&
      (item.started_at == WallTime{} || item.started_at == fact.started_at)) {
    return WriteFate::applied;
  }
  return fact.cancel_requested ? WriteFate::cancelling : WriteFate::stale;
}

WriteFate fate_of(const Control& item, const Fact& fact) {
  if (fact.ended) return WriteFate::absent;
  if (item.action == ControlAction::cancel) {
    return fact.cancel_requested ? WriteFate::applied : WriteFate::absent;  // it came only after the call
  }
  const bool released = fact.state != TaskState::quarantined && fact.run_at == item.run_at;
  return released ? WriteFate::applied : WriteFate::stale;
}

std::unordered_map<TaskId, Fact> facts_of(const PgRows& rows) {
  std::unordered_map<TaskId, Fact> facts;
  for (int i = 0; i < rows.size(); ++i) {
    if (rows.is_null(i, 1)) continue;
    facts[TaskId{rows.integer(i, 1)}] = {rows.integer(i, 2) != 0,
                                         static_cast<Attempt>(rows.integer(i, 3)),
                                         static_cast<std::int32_t>(rows.integer(i, 4)),
                                         static_cast<std::int32_t>(rows.integer(i, 5)),
                                         rows.time(i, 6),
                                         rows.integer(i, 7),
                                         rows.integer(i, 8),
                                         Incarnation{rows.integer(i, 9)},
                                         static_cast<TaskState>(rows.integer(i, 10)),
                                         rows.time(i, 11),
                                         rows.integer(i, 12) != 0};
  }
  return facts;
}

void put_items(PgParams& params, const std::vector<Completion>& items, bool plain) {
  put_columns(params, complete_columns(), items, plain);
}
void put_items(PgParams& params, const std::vector<Retry>& items, bool plain) {
  put_columns(params, retry_columns(), items, plain);
}
void put_items(PgParams& params, const std::vector<RunningMark>& items, bool plain) {
  put_columns(params, mark_columns(), items, plain);
}
void put_items(PgParams& params, const std::vector<Control>& items, bool plain) {
  put_columns(params, control_columns(), merged(items), plain);
}

template <class Item>
TaskId id_of(const Item& item) {
  return item.token.task;
}
TaskId id_of(const Control& item) {
  return item.id;
}

template <class Item>
bool all_plain(const std::vector<Item>& items) {
  return std::ranges::all_of(items, [](const Item& item) { return is_plain(item); });
}

}  // namespace

template <class T>
void PgTaskStore::post(StoreCallback<T> done, Result<T> result) {
  loop_.post(
      [done = std::move(done), result = std::move(result), alive = std::weak_ptr<int>(alive_)]() mutable {
        if (!alive.expired()) done(std::move(result));
      });
}
template void PgTaskStore::post<void>(StoreCallback<> done, Result<> result);

void PgTaskStore::accept(std::vector<TaskRow> rows, StoreCallback<> done) {
  if (rows.empty()) return post<void>(std::move(done), {});
  const bool plain = all_plain(rows);
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    put_columns(params, accept_columns(), rows, plain);
    return params;
  };
  pool_.write(plain ? pg_statements().accept_plain : pg_statements().accept, build, rows.size(),
              [done = std::move(done)](const Stamp&, Result<PgRows> answer) mutable {
                if (!answer) return done(std::unexpected(answer.error()));
                if (answer->affected() == 0) return done(not_held());
                done({});
              });
}

void PgTaskStore::accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) {
  if (rows.empty()) return post<std::vector<AcceptFate>>(std::move(done), std::vector<AcceptFate>{});
  const auto shared = std::make_shared<std::vector<TaskRow>>(std::move(rows));
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    put_columns(params, accept_columns(), *shared, false);
    PgArray keys(PgType::text), payloads(PgType::int8);
    for (const TaskRow& row : *shared) {
      keys.text(row.task.idempotency_key);
      payloads.integer(static_cast<std::int64_t>(payload_hash(row.task)));
    }
    params.array(std::move(keys));
    params.array(std::move(payloads));
    return params;
  };
  pool_.write(pg_statements().accept_keyed, build, shared->size(),
              [this, shared, done = std::move(done)](const Stamp& stamp, Result<PgRows> answer) mutable {
                if (!answer) return done(std::unexpected(answer.error()));
                const auto inserted = static_cast<std::size_t>(answer->affected());
                if (inserted < shared->size())
                  return read_keys(stamp, inserted > 0, *shared, std::move(done));
                std::vector<AcceptFate> fates;
                for (const TaskRow& row : *shared) fates.push_back({row.id, true});
                done(std::move(fates));
              });
}

void PgTaskStore::read_keys(const Stamp& stamp, bool changed, const std::vector<TaskRow>& rows,
                            StoreCallback<std::vector<AcceptFate>> done) {
  PgParams params = stamp.params();
  PgArray namespaces(PgType::text), keys(PgType::text);
  std::vector<std::int64_t> payloads;
  for (const TaskRow& row : rows) {
    namespaces.text(row.task.ns);
    keys.text(row.task.idempotency_key);
    payloads.push_back(static_cast<std::int64_t>(payload_hash(row.task)));
  }
  params.array(std::move(namespaces));
  params.array(std::move(keys));
  auto answer = [changed, payloads = std::move(payloads),
                 done = std::move(done)](Result<PgRows> found) mutable {
    if (!found && found.error().code != ErrorCode::fenced)
      return done(fail(ErrorCode::unknown_outcome, found.error().message));
    if (!found) return done(std::unexpected(found.error()));
    if (!changed && found->integer(0, 0) == 0) return done(not_held());
    std::vector<AcceptFate> fates;
    for (int i = 0; i < found->size(); ++i) {
      if (found->is_null(i, 1))
        return done(fail(ErrorCode::unknown_outcome, "an idempotency key expired while it was looked up"));
      fates.push_back(
          {TaskId{found->integer(i, 1)}, found->integer(i, 2) == payloads[static_cast<std::size_t>(i)]});
    }
    done(std::move(fates));
  };
  pool_.read(pg_statements().keyed_fates, params, rows.size(), std::move(answer));
}

template <class Item>
void PgTaskStore::write_items(const PgStatement& statement, std::vector<Item> items, bool plain,
                              StoreCallback<std::vector<WriteFate>> done) {
  if (items.empty()) return post<std::vector<WriteFate>>(std::move(done), std::vector<WriteFate>{});
  const auto shared = std::make_shared<std::vector<Item>>(std::move(items));
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    put_items(params, *shared, plain);
    return params;
  };
  pool_.write(statement, build, shared->size(),
              [this, shared, done = std::move(done)](const Stamp& stamp, Result<PgRows> answer) mutable {
                if (!answer) return done(std::unexpected(answer.error()));
                const auto changed = static_cast<std::size_t>(answer->affected());
                if (changed == shared->size())
                  return done(std::vector<WriteFate>(changed, WriteFate::applied));
                read_fates(stamp, changed > 0, std::move(*shared), std::move(done));
              });
}

template <class Item>
void PgTaskStore::read_fates(Stamp stamp, bool changed, std::vector<Item> items,
                             StoreCallback<std::vector<WriteFate>> done) {
  PgParams params = stamp.params();
  PgArray ids(PgType::int8);
  for (const Item& item : items) ids.integer(id_of(item).value);
  params.array(std::move(ids));
  const std::size_t count = items.size();
  auto answer = [changed, items = std::move(items), done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) {
      // The batch has had its effect or none, once and for all; it is only not known which.
      if (rows.error().code == ErrorCode::fenced) return done(std::unexpected(rows.error()));
      return done(fail(ErrorCode::unknown_outcome, rows.error().message));
    }
    // A fence never holds again: if it does now, it did then.
    if (!changed && rows->integer(0, 0) == 0) return done(not_held());
    const auto facts = facts_of(*rows);
    std::vector<WriteFate> fates;
    for (const Item& item : items) {
      const auto fact = facts.find(id_of(item));
      fates.push_back(fact == facts.end() ? WriteFate::absent : fate_of(item, fact->second));
    }
    done(std::move(fates));
  };
  pool_.read(pg_statements().fates, params, count, std::move(answer));
}

void PgTaskStore::complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) {
  const bool plain = all_plain(items);
  write_items(plain ? pg_statements().complete_plain : pg_statements().complete, std::move(items), plain,
              std::move(done));
}

void PgTaskStore::retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) {
  write_items(pg_statements().retry, std::move(items), false, std::move(done));
}

void PgTaskStore::mark_running(std::vector<RunningMark> items, StoreCallback<std::vector<WriteFate>> done) {
  write_items(pg_statements().mark_running, std::move(items), false, std::move(done));
}

void PgTaskStore::control(std::vector<Control> items, StoreCallback<std::vector<WriteFate>> done) {
  write_items(pg_statements().control, std::move(items), false, std::move(done));
}

void PgTaskStore::keep_late(std::vector<LateResult> items, StoreCallback<std::vector<WriteFate>> done) {
  if (items.empty()) return post<std::vector<WriteFate>>(std::move(done), std::vector<WriteFate>{});
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    put_columns(params, late_columns(), items, false);
    return params;
  };
  const std::size_t count = items.size();
  pool_.write(pg_statements().keep_late, build, count,
              [count, done = std::move(done)](const Stamp&, Result<PgRows> held) mutable {
                if (!held) return done(std::unexpected(held.error()));
                if (held->size() == 0) return done(not_held());
                done(std::vector<WriteFate>(count, WriteFate::applied));
              });
}

void PgTaskStore::prove(StoreCallback<> done) {
  pool_.write(pg_statements().prove, &Stamp::params, 1,
              [done = std::move(done)](const Stamp&, Result<PgRows> held) mutable {
                if (!held) return done(std::unexpected(held.error()));
                if (held->size() == 0) return done(not_held());
                done({});
              });
}

}  // namespace ringmaster

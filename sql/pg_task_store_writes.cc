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
};

bool is_true_of(const Completion& item, const Fact& fact) {
  return fact.ended && fact.attempt == item.token.attempt;
}

bool is_true_of(const Retry& item, const Fact& fact) {
  return !fact.ended && fact.attempt == item.next_attempt && fact.failures == item.failures &&
         fact.crashes == item.crashes && fact.run_at == item.run_at && fact.rank == item.rank;
}

bool is_true_of(const RunningMark& item, const Fact& fact) {
  return !fact.ended && fact.attempt == item.token.attempt && fact.epoch == item.token.epoch &&
         fact.worker == item.worker_incarnation;
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
                                         Incarnation{rows.integer(i, 9)}};
  }
  return facts;
}

std::span<const PgColumn<Completion>> columns_of(const Completion&) {
  return complete_columns();
}
std::span<const PgColumn<Retry>> columns_of(const Retry&) {
  return retry_columns();
}
std::span<const PgColumn<RunningMark>> columns_of(const RunningMark&) {
  return mark_columns();
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

template <class Item>
void PgTaskStore::write_items(const PgStatement& statement, std::vector<Item> items, bool plain,
                              StoreCallback<std::vector<WriteFate>> done) {
  if (items.empty()) return post<std::vector<WriteFate>>(std::move(done), std::vector<WriteFate>{});
  const auto shared = std::make_shared<std::vector<Item>>(std::move(items));
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    put_columns(params, columns_of(shared->front()), *shared, plain);
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
  for (const Item& item : items) ids.integer(item.token.task.value);
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
      const auto fact = facts.find(item.token.task);
      if (fact == facts.end()) {
        fates.push_back(WriteFate::absent);
      } else {
        fates.push_back(is_true_of(item, fact->second) ? WriteFate::applied : WriteFate::stale);
      }
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

}  // namespace ringmaster

// PgTaskStore: a master's life, its shards, time and chores.
#include "sql/pg_task_store.h"

#include <utility>

#include "sql/pg_statements.h"

namespace ringmaster {
namespace {

constexpr std::int64_t kIdBlock = 16'384;  // the increment of ringmaster.task_seq
// Each waits at most 250 ms for a lock. Not for long: whoever holds it may have to be taken over first.
constexpr int kTakeOverAttempts = 8;
constexpr Duration kTakeOverPause = std::chrono::milliseconds(50);

PgArray shard_array(const std::vector<ShardId>& ids) {
  PgArray array(PgType::int2);
  for (const ShardId id : ids) array.integer(id);
  return array;
}

}  // namespace

PgTaskStore::PgTaskStore(AsioLoop& loop, PgStoreOptions options)
    : loop_(loop), options_(std::move(options)), pool_(loop, options_.connections) {}

// ---- this master's life ----

void PgTaskStore::open(MasterIdentity self, StoreCallback<std::string> done) {
  auto target = PgTarget::make(options_.conninfo, options_.statement_deadline);
  if (!target) {
    return loop_.post(
        [done = std::move(done), error = target.error(), alive = std::weak_ptr<int>(alive_)]() mutable {
          if (!alive.expired()) done(std::unexpected(std::move(error)));
        });
  }
  pool_.open(std::move(*target), std::move(self), std::move(done));
}

void PgTaskStore::resign(StoreCallback<> done) {
  pool_.write(pg_statements().resign, &Stamp::params, 1,
              [this, done = std::move(done)](const Stamp&, Result<PgRows> rows) mutable {
                if (!rows) return done(std::unexpected(rows.error()));
                pool_.end();
                if (rows->integer(0, 0) == 0) return done(not_held());
                done({});
              });
}

// ---- shards ----

void PgTaskStore::shards(StoreCallback<std::vector<ShardRow>> done) {
  pool_.read(pg_statements().shards, {}, kShardCount, [done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) return done(std::unexpected(rows.error()));
    std::vector<ShardRow> shards;
    for (int i = 0; i < rows->size(); ++i) {
      shards.push_back({static_cast<ShardId>(rows->integer(i, 0)), Incarnation{rows->integer(i, 1)},
                        std::string(rows->text(i, 3)), rows->integer(i, 2), rows->integer(i, 4) != 0});
    }
    done(std::move(shards));
  });
}

void PgTaskStore::take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) {
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    params.array(shard_array(wanted));
    return params;
  };
  pool_.write(pg_statements().take_shards, build, wanted.size(),
              [done = std::move(done)](const Stamp&, Result<PgRows> rows) mutable {
                if (!rows) return done(std::unexpected(rows.error()));
                if (rows->integer(0, 0) == 0) return done(not_held());
                std::vector<ShardEpoch> taken;
                for (int i = 0; i < rows->size(); ++i) {
                  if (rows->is_null(i, 1)) continue;
                  taken.push_back({static_cast<ShardId>(rows->integer(i, 1)), rows->integer(i, 2)});
                }
                done(std::move(taken));
              });
}

void PgTaskStore::release_shards(std::vector<ShardId> ids, StoreCallback<> done) {
  const auto build = [&](const Stamp& stamp) {
    PgParams params = stamp.params();
    params.array(shard_array(ids));
    return params;
  };
  pool_.write(pg_statements().release_shards, build, ids.size(),
              [this, done = std::move(done)](const Stamp&, Result<PgRows> rows) mutable {
                if (!rows) return done(std::unexpected(rows.error()));
                if (rows->is_null(0, 0)) return done(not_held());
                pool_.set_generation(rows->integer(0, 0));
                done({});
              });
}

void PgTaskStore::predecessors(StoreCallback<std::vector<Incarnation>> done) {
  PgParams params;
  params.integer(pool_.incarnation().value);
  pool_.read(pg_statements().predecessors, params, 1, [done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) return done(std::unexpected(rows.error()));
    std::vector<Incarnation> found;
    for (int i = 0; i < rows->size(); ++i) found.push_back(Incarnation{rows->integer(i, 0)});
    done(std::move(found));
  });
}

void PgTaskStore::take_over(Incarnation dead, StoreCallback<> done) {
  if (dead == pool_.incarnation()) {
    return post<void>(std::move(done),
                      fail(ErrorCode::invalid_argument, "a master cannot take over from itself"));
  }
  take_over_again(dead, kTakeOverAttempts, std::move(done));
}

// The dead one's backends were told to end; until they have, its locks may be held.
void PgTaskStore::take_over_again(Incarnation dead, int attempts, StoreCallback<> done) {
  const auto build = [&](const Stamp& stamp) {
    PgParams params;
    params.integer(stamp.incarnation.value);
    params.small(stamp.connection);
    params.integer(dead.value);
    return params;
  };
  pool_.write(
      pg_statements().take_over, build, 1,
      [this, dead, attempts, done = std::move(done)](const Stamp&, Result<PgRows> rows) mutable {
        if (rows) return rows->integer(0, 0) != 0 ? done({}) : done(not_held());
        if (rows.error().code != ErrorCode::unavailable || attempts <= 1 || pool_.ready_connections() == 0) {
          return done(std::unexpected(rows.error()));
        }
        loop_.after(kTakeOverPause, [this, dead, attempts, done = std::move(done),
                                     alive = std::weak_ptr<int>(alive_)]() mutable {
          if (!alive.expired()) take_over_again(dead, attempts - 1, std::move(done));
        });
      });
}

// ---- time and chores ----

void PgTaskStore::next_ids(std::int64_t count, StoreCallback<IdBlock> done) {
  pool_.read(pg_statements().next_ids, {}, 1, [count, done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) return done(std::unexpected(rows.error()));
    done(IdBlock{rows->integer(0, 0), std::clamp<std::int64_t>(count, 1, kIdBlock)});
  });
}

void PgTaskStore::database_time(StoreCallback<WallTime> done) {
  pool_.read(pg_statements().database_time, {}, 1, [done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) return done(std::unexpected(rows.error()));
    done(rows->time(0, 0));
  });
}

void PgTaskStore::maintain(int days_ahead, Duration retention, StoreCallback<> done) {
  PgParams params;
  params.small(days_ahead);
  params.integer(retention.count());
  params.integer(kKeyRetention.count());
  pool_.read(pg_statements().maintain, params, 1,
             [this, done = std::move(done)](Result<PgRows> made) mutable {
               if (!made) return done(std::unexpected(made.error()));
               pool_.chore(pg_statements().vacuum, [done = std::move(done)](Result<PgRows> vacuumed) mutable {
                 if (!vacuumed) return done(std::unexpected(vacuumed.error()));
                 done({});
               });
             });
}

}  // namespace ringmaster

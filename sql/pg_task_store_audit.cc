// PgTaskStore: what an audit reads.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "sql/pg_statements.h"
#include "sql/pg_task_store.h"

namespace ringmaster {
namespace {

std::vector<AuditRow> audit_rows_of(const PgRows& rows) {
  std::vector<AuditRow> out;
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) {
    int column = 0;
    const auto integer = [&] { return rows.integer(i, column++); };
    const auto small = [&] { return static_cast<std::int32_t>(rows.integer(i, column++)); };
    AuditRow& row = out.emplace_back();
    row.id = TaskId{integer()};
    row.rank = integer();
    row.group = rows.text(i, column++);
    row.run_at = rows.time(i, column++);
    row.attempt = small();
    row.failures = small();
    row.crashes = small();
    row.state = small();
    row.worker = rows.text(i, column++);
    row.worker_incarnation = Incarnation{integer()};
    row.epoch = integer();
    if (!rows.is_null(i, column)) row.cancel_requested_at = rows.time(i, column);
  }
  return out;
}

// A row of what was found; one without a state says how many were looked at, or which was the last.
AuditHistory history_of(const PgRows& rows, int limit) {
  AuditHistory found;
  for (int i = 0; i < rows.size(); ++i) {
    const auto small = [&](int column) { return static_cast<std::int32_t>(rows.integer(i, column)); };
    if (!rows.is_null(i, 1)) {
      found.odd.push_back({TaskId{rows.integer(i, 0)}, small(1), small(2), small(3), small(4),
                           rows.integer(i, 5) != 0, rows.integer(i, 6) != 0});
    } else if (!rows.is_null(i, 4)) {
      found.looked_at = static_cast<std::uint64_t>(rows.integer(i, 4));
    } else if (!rows.is_null(i, 0)) {
      found.last = TaskId{rows.integer(i, 0)};
    }
  }
  if (found.looked_at < static_cast<std::uint64_t>(limit)) found.last.reset();
  return found;
}

}  // namespace

void PgTaskStore::audit_masters(StoreCallback<std::vector<AuditMasterRow>> done) {
  pool_.read(pg_statements().audit_masters, {}, kShardCount,
             [done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               std::map<Incarnation, AuditMasterRow> found;  // fence rows of nobody come one by one
               for (int i = 0; i < rows->size(); ++i) {
                 const Incarnation incarnation{rows->integer(i, 0)};
                 AuditMasterRow& row = found[incarnation];
                 row.incarnation = incarnation;
                 row.node_id = rows->text(i, 1);
                 row.living = rows->integer(i, 2) != 0;
                 row.fences += static_cast<std::uint32_t>(rows->integer(i, 3));
                 row.started_at = rows->time(i, 4);
               }
               std::vector<AuditMasterRow> out;
               for (auto& [incarnation, row] : found) out.push_back(std::move(row));
               done(std::move(out));
             });
}

void PgTaskStore::audit_lane(std::string group, std::optional<PageKey> after, WallTime due_before, int limit,
                             StoreCallback<std::vector<AuditRow>> done) {
  const PageKey start = after.value_or(PageKey{std::numeric_limits<std::int64_t>::min(), {}});
  PgParams params;
  params.text(group);
  params.integer(start.rank);
  params.integer(start.id.value);
  params.integer(std::min(to_unix_micros(due_before), kQuarantineRank - 1));
  params.integer(limit);
  pool_.read(pg_statements().audit_lane, params, static_cast<std::size_t>(limit),
             [done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               done(audit_rows_of(*rows));
             });
}

void PgTaskStore::audit_tasks(TaskId after, int limit, StoreCallback<std::vector<AuditRow>> done) {
  PgParams params;
  params.integer(after.value);
  params.integer(limit);
  pool_.read(pg_statements().audit_tasks, params, static_cast<std::size_t>(limit),
             [done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               done(audit_rows_of(*rows));
             });
}

void PgTaskStore::audit_history(TaskId from, int limit, StoreCallback<AuditHistory> done) {
  PgParams params;
  params.integer(from.value);
  params.integer(limit);
  pool_.read(pg_statements().audit_history, params, static_cast<std::size_t>(limit),
             [limit, done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               done(history_of(*rows, limit));
             });
}

}  // namespace ringmaster

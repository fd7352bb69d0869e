// PgTaskStore: reading the backlog, single tasks and lists.
#include <algorithm>
#include <limits>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "sql/pg_columns.h"
#include "sql/pg_statements.h"
#include "sql/pg_task_store.h"

namespace ringmaster {
namespace {

constexpr WallTime kEarliest = std::chrono::sys_days(std::chrono::year(1970) / 1 / 1);
constexpr WallTime kLatest = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);

// For get_bit(): bit n is bit n % 8 of byte n / 8.
std::string bits_of(const std::vector<bool>& owned) {
  std::string bits(kShardCount / 8, '\0');
  for (std::size_t i = 0; i < owned.size() && i < kShardCount; ++i) {
    if (owned[i]) bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
  }
  return bits;
}

std::vector<TaskRow> rows_of(const PgRows& rows) {
  std::vector<TaskRow> out;
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) out.push_back(read_row(rows, i));
  return out;
}

// A task that ended while the two tables were read cannot be in both: one statement sees one moment.
std::unordered_map<TaskId, Lookup> lookups_of(const PgRows& rows) {
  std::unordered_map<TaskId, Lookup> found;
  for (int i = 0; i < rows.size(); ++i) {
    const TaskId id{rows.integer(i, 0)};
    if (id == TaskId{}) continue;
    TaskView view = read_view(rows, i).value();  // without attempts there is nothing to misread
    TaskRow& row = view.row;
    Lookup& entry = found[id];
    entry.id = id;
    if (view.result) {
      entry.end = {{id, row.epoch, row.attempt}, row.state, std::move(row.worker), std::move(*view.result)};
    } else {
      entry.row = std::move(row);
    }
  }
  return found;
}

// The task and the late results of it, which read_view() has put into views of their own.
Result<TaskView> view_of(TaskId id, const PgRows& rows) {
  std::optional<TaskView> view;
  std::vector<TaskView> late;
  for (int i = 0; i < rows.size(); ++i) {
    auto part = read_view(rows, i);
    if (!part) return part;
    if (rows.is_null(i, kStateColumn)) {
      late.push_back(std::move(*part));
    } else {
      view = std::move(*part);
    }
  }
  if (!view) return fail(ErrorCode::not_found, "there is no task " + to_string(id));
  std::ranges::sort(late, {},
                    [](const TaskView& v) { return std::tuple(*v.finished_at, v.row.epoch, v.row.attempt); });
  for (TaskView& v : late) {
    view->late.push_back({v.row.attempt, v.row.epoch, std::move(v.row.worker), std::move(*v.result)});
  }
  return std::move(*view);
}

}  // namespace

void PgTaskStore::groups(StoreCallback<std::vector<std::string>> done) {
  pool_.read(pg_statements().groups, {}, 1, [done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) return done(std::unexpected(rows.error()));
    std::vector<std::string> groups;
    groups.reserve(static_cast<std::size_t>(rows->size()));
    for (int i = 0; i < rows->size(); ++i) groups.emplace_back(rows->text(i, 0));
    done(std::move(groups));
  });
}

void PgTaskStore::page(std::string group, std::optional<PageKey> after, WallTime due_before,
                       std::vector<bool> owned, int limit, StoreCallback<Page> done) {
  const PageKey start = after.value_or(PageKey{std::numeric_limits<std::int64_t>::min(), {}});
  PgParams params;
  params.text(group);
  params.integer(start.rank);
  params.integer(start.id.value);
  params.integer(std::min(to_unix_micros(due_before), kQuarantineRank - 1));
  params.time(due_before);
  params.bytes(bits_of(owned));
  params.integer(limit);
  pool_.read(pg_statements().page, params, static_cast<std::size_t>(limit),
             [start, limit, done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               Page page{rows_of(*rows), rows->size() < limit, start};
               if (!page.rows.empty()) page.last = {page.rows.back().rank, page.rows.back().id};
               done(std::move(page));
             });
}

void PgTaskStore::page_due(std::vector<std::string> groups, WallTime after, WallTime until,
                           std::vector<bool> owned, int limit, StoreCallback<std::vector<TaskRow>> done) {
  PgParams params;
  params.integer(to_unix_micros(after));
  params.integer(to_unix_micros(until));
  params.integer(options_.ageing_step.count());
  params.bytes(bits_of(owned));
  params.integer(limit);
  PgArray names(PgType::text);
  for (const std::string& group : groups) names.text(group);
  params.array(std::move(names));
  pool_.read(pg_statements().page_due, params, static_cast<std::size_t>(limit),
             [done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               done(rows_of(*rows));
             });
}

void PgTaskStore::lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) {
  PgArray array(PgType::int8);
  for (const TaskId id : ids) array.integer(id.value);
  PgParams params;
  params.array(std::move(array));
  const std::size_t count = ids.size();
  pool_.read(pg_statements().lookup, params, count,
             [ids = std::move(ids), done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               const auto found = lookups_of(*rows);
               std::vector<Lookup> out;
               for (const TaskId id : ids) {
                 const auto it = found.find(id);
                 out.push_back(it == found.end() ? Lookup{.id = id} : it->second);
               }
               done(std::move(out));
             });
}

void PgTaskStore::get(TaskId id, StoreCallback<TaskView> done) {
  PgParams params;
  params.integer(id.value);
  pool_.read(pg_statements().get, params, 1, [id, done = std::move(done)](Result<PgRows> rows) mutable {
    if (!rows) return done(std::unexpected(rows.error()));
    done(view_of(id, *rows));
  });
}

void PgTaskStore::list(ListRequest request, StoreCallback<ListReply> done) {
  PgParams params;
  params.integer(request.after ? request.after->value : -1);
  for (const std::string* text : {&request.ns, &request.group, &request.kind}) params.text(*text);
  PgArray states(PgType::int2);
  for (const TaskState state : request.states) states.integer(static_cast<int>(state));
  params.array(std::move(states));
  params.integer(static_cast<std::int64_t>(request.limit) + 1);  // one more tells whether there is more
  params.text(request.labels);
  params.time(request.created_from.value_or(kEarliest));
  params.time(request.created_before.value_or(kLatest));
  const auto limit = static_cast<int>(request.limit);
  pool_.read(pg_statements().list, params, request.limit,
             [limit, done = std::move(done)](Result<PgRows> rows) mutable {
               if (!rows) return done(std::unexpected(rows.error()));
               ListReply reply;
               for (int i = 0; i < std::min(rows->size(), limit); ++i) {
                 auto view = read_view(*rows, i);
                 if (!view) return done(std::unexpected(view.error()));
                 reply.views.push_back(std::move(*view));
               }
               if (rows->size() > limit && limit > 0) reply.next = reply.views.back().row.id;
               done(std::move(reply));
             });
}

}  // namespace ringmaster

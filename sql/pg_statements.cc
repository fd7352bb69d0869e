#include "sql/pg_statements.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "sql/attempt_log.h"
#include "sql/pg_columns.h"

namespace ringmaster {
namespace {

using std::string;

// Materialized and used in every WHERE: a CTE that nothing refers to never runs.
const string kFence =
    "WITH f AS MATERIALIZED (SELECT 1 FROM ringmaster.fence WHERE incarnation = $1::int8 AND connection = "
    "$2::int4"
    " AND generation = $3::int8 FOR SHARE)";
constexpr int kFirstFree = 4;

// A record in the journal: with a synchronous standby the answer waits for it, and so for all that was
// committed before it. A transaction that only took an id is answered at once: PostgreSQL waits for what
// wrote.
const string kWaitForStandby = "pg_logical_emit_message(true, 'ringmaster', '')";

// Of the rows `t` that of the item `u`. A plain t.id = u.id may be joined from either side, and where the
// planner takes `task` for empty, as after a vacuum of a burst that is over, it scans all of it for each
// batch. This can only be looked up: there is no order to merge by, and no other index that it could use.
const string kItsRow = "t.id = ANY (ARRAY[u.id])";

struct Batch {
  string arrays;   // $4::int8[], $5::text[] …
  string columns;  // id, rank …
};

template <class Item>
Batch batch(std::span<const PgColumn<Item>> columns, bool plain) {
  Batch out;
  int number = kFirstFree;
  for (const auto& column : columns) {
    if (plain && column.rare) continue;
    const string comma = out.columns.empty() ? "" : ", ";
    out.arrays += comma + "$" + std::to_string(number++) + "::" + string(array_type(column.type));
    out.columns += comma + string(column.name);
  }
  return out;
}

string accept_sql(bool plain) {
  const Batch rows = batch(accept_columns(), plain);
  return kFence + " INSERT INTO ringmaster.task (" + rows.columns + ") SELECT u.* FROM f, unnest(" +
         rows.arrays + ") AS u(" + rows.columns + ")";
}

string prefixed(const string& columns, const string& prefix) {
  string out = prefix;
  for (const char c : columns) {
    out += c;
    if (c == ' ') out += prefix;
  }
  return out;
}

// Keys are inserted in their order, so that two such statements cannot wait for each other. Who finds a key
// taken, by a statement that it had to wait for perhaps, inserts no row. IS TRUE keeps the planner from a
// join, for which hashing is switched off.
string accept_keyed_sql() {
  const Batch rows = batch(accept_columns(), false);
  const auto keys = kFirstFree + accept_columns().size();
  return kFence + ", u AS MATERIALIZED (SELECT u.* FROM f, unnest(" + rows.arrays + ", $" +
         std::to_string(keys) + "::text[], $" + std::to_string(keys + 1) + "::int8[]) AS u(" + rows.columns +
         ", key, payload)), k AS (INSERT INTO ringmaster.task_key (ns, key, task, payload)"
         " SELECT u.ns, u.key, u.id, u.payload FROM u ORDER BY u.ns, u.key, u.id"
         " ON CONFLICT DO NOTHING RETURNING task)"
         " INSERT INTO ringmaster.task (" +
         rows.columns + ") SELECT " + prefixed(rows.columns, "u.") +
         " FROM u WHERE (u.id IN (SELECT task FROM k)) IS TRUE";
}

// Whose the keys are, and whether the fence still holds; see kFates.
const string kKeyedFates =
    "SELECT EXISTS (SELECT FROM ringmaster.fence WHERE incarnation = $1::int8 AND connection = $2::int4"
    " AND generation = $3::int8), k.task, k.payload, (SELECT " +
    kWaitForStandby +
    ")::text"
    " FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS u(ns, key, ord)"
    " LEFT JOIN ringmaster.task_key k ON k.ns = ANY (ARRAY[u.ns]) AND k.key = ANY (ARRAY[u.key]) ORDER BY "
    "u.ord";

// The row leaves `task` and enters `task_history` in one statement, or neither.
string complete_sql(bool plain) {
  const Batch items = batch(complete_columns(), plain);
  const string kept =
      "rank, run_at, created_at, worker_incarnation, timeout_us, start_deadline_us, retry_of, "
      "cancel_requested_at,"
      " failures, crashes, priority, on_worker_lost, routing, ns, kind, grp, spec, routing_key, retry, "
      "labels,"
      " traceparent, created_by, attempts";
  return kFence + ", d AS (DELETE FROM ringmaster.task t USING f, unnest(" + items.arrays + ") AS u(" +
         items.columns + ") WHERE " + kItsRow + " AND t.attempt = u.attempt RETURNING " +
         prefixed(items.columns, "u.") + ", " + prefixed(kept, "t.") +
         ") INSERT INTO ringmaster.task_history (" + items.columns + ", " + kept +
         ", finished_at) SELECT d.*, now() FROM d";
}

string retry_sql() {
  const Batch items = batch(retry_columns(), false);
  const string bound = std::to_string(kMaxLoggedAttempts);
  return kFence +
         " UPDATE ringmaster.task t SET attempt = u.next_attempt, failures = u.failures, crashes = u.crashes,"
         " run_at = u.run_at, rank = u.rank, state = u.state, worker = NULL, worker_incarnation = NULL,"
         " epoch = NULL,"
         " started_at = NULL, attempts = CASE WHEN t.attempts IS NULL THEN '[]'::jsonb"
         " WHEN jsonb_array_length(t.attempts) >= " +
         bound + " THEN t.attempts - 0 ELSE t.attempts END || u.record::jsonb FROM f, unnest(" +
         items.arrays + ") AS u(" + items.columns + ") WHERE " + kItsRow +
         " AND t.attempt = u.attempt AND t.cancel_requested_at IS NULL";
}

// Touches no indexed column: a HOT update. A life that is recorded already may add when it started, but a
// repeated dispatch record never takes that away.
string mark_sql() {
  const Batch items = batch(mark_columns(), false);
  return kFence +
         " UPDATE ringmaster.task t SET worker = u.worker, worker_incarnation = u.worker_incarnation,"
         " epoch = u.epoch, started_at = u.started_at, state = CASE WHEN u.started_at IS NULL THEN 1 ELSE 2 "
         "END"
         " FROM f, unnest(" +
         items.arrays + ") AS u(" + items.columns + ") WHERE " + kItsRow +
         " AND t.attempt = u.attempt AND coalesce(t.epoch, 0) <= u.epoch"
         " AND t.cancel_requested_at IS NULL AND (coalesce(t.worker_incarnation, 0) = u.previous OR"
         " (t.worker_incarnation = u.worker_incarnation AND t.epoch = u.epoch AND u.started_at IS NOT NULL))";
}

// One row of `u` for each task, whatever is wanted of it: an UPDATE joins a row only once. A cancel of what
// is due leaves every indexed value as it is: a HOT update.
string control_sql() {
  const Batch items = batch(control_columns(), false);
  // Out of quarantine; and nobody would read a late row for a long time, though its end is wanted now.
  const string due =
      "CASE WHEN t.state = 4 THEN least(u.release_at, u.cancel_at) WHEN t.run_at > u.cancel_at THEN "
      "u.cancel_at END";
  return kFence +
         " UPDATE ringmaster.task t SET cancel_requested_at = CASE WHEN u.cancel_at IS NULL THEN"
         " t.cancel_requested_at ELSE coalesce(t.cancel_requested_at, now()) END,"
         " crashes = CASE WHEN u.release_at IS NOT NULL AND t.state = 4 THEN NULL ELSE t.crashes END,"
         " state = CASE WHEN " +
         due + " IS NULL THEN t.state ELSE 1 END, run_at = coalesce(" + due +
         ", t.run_at), rank = coalesce(" + "(extract(epoch FROM " + due +
         ") * 1000000)::int8 - t.priority * u.step, t.rank) FROM f, unnest(" + items.arrays + ") AS u(" +
         items.columns + ") WHERE " + kItsRow + " AND (u.cancel_at IS NOT NULL OR t.state = 4)";
}

// Answers a row if the fence held: that some were there already says nothing of it.
string keep_late_sql() {
  const Batch items = batch(late_columns(), false);
  return kFence + ", i AS (INSERT INTO ringmaster.late_result (" + items.columns +
         ") SELECT u.* FROM f, unnest(" + items.arrays + ") AS u(" + items.columns +
         ") ON CONFLICT DO NOTHING) SELECT 1 FROM f";
}

// What a batch of writes met, as committed facts, and whether the fence still holds. A fence that held no
// more stays so: hence `held` here says that it held before, too. The answer waits for a
// standby.
const string kFates =
    "SELECT EXISTS (SELECT FROM ringmaster.fence WHERE incarnation = $1::int8 AND connection = $2::int4"
    " AND generation = $3::int8), x.*, one.lsn FROM (SELECT " +
    kWaitForStandby +
    "::text AS lsn) one LEFT JOIN ("
    "SELECT id, false AS ended, attempt, coalesce(failures, 0), coalesce(crashes, 0), run_at, rank, epoch,"
    " worker_incarnation, state, started_at, cancel_requested_at IS NOT NULL"
    " FROM ringmaster.task WHERE id = ANY ($4::int8[])"
    " UNION ALL SELECT id, true, attempt, 0, 0, run_at, rank, epoch, worker_incarnation, state, started_at,"
    " cancel_requested_at IS NOT NULL FROM ringmaster.task_history WHERE id = ANY ($4::int8[])) x ON true";

// What task_lane covers; who does not say so cannot use it.
const string kInALane = "t.rank < " + std::to_string(kQuarantineRank);

// A loose index scan: one probe of the lane index for each group. From behind: at a lane's head lie the rows
// of ended tasks, for as long as a transaction that somebody forgot keeps them, at its tail those that wait.
const string kGroups = "WITH RECURSIVE g(grp) AS ((SELECT t.grp FROM ringmaster.task t WHERE " + kInALane +
                       " ORDER BY t.grp DESC LIMIT 1) UNION ALL SELECT (SELECT t.grp FROM ringmaster.task t "
                       "WHERE t.grp < g.grp AND " +
                       kInALane + " ORDER BY t.grp DESC LIMIT 1) FROM g WHERE g.grp IS NOT NULL) ";

string page_sql() {
  return "SELECT " + string(kRowColumns) +
         " FROM ringmaster.task t WHERE grp = $1::text AND (rank, id) > ($2::int8, $3::int8) AND rank <= "
         "$4::int8 AND " +
         kInALane +
         " AND run_at <= $5::timestamptz AND get_bit($6::bytea, id & 255) = 1 ORDER BY rank, id LIMIT "
         "$7::int8";
}

// rank = run_at - priority * step: for each group and priority, a time span is one range of the lane index.
string page_due_sql() {
  return "SELECT r.* FROM unnest($6::text[]) g(grp) CROSS JOIN generate_series(0, 9) p CROSS JOIN LATERAL "
         "(SELECT " +
         string(kRowColumns) +
         " FROM ringmaster.task t WHERE t.grp = g.grp AND t.rank > $1::int8 - p * $3::int8"
         " AND t.rank <= $2::int8 - p * $3::int8 AND " +
         kInALane +
         " AND t.priority = p AND get_bit($4::bytea, t.id & 255) = 1"
         " LIMIT $5::int8) r LIMIT $5::int8";
}

string both(const string& condition, std::string_view task_columns, std::string_view history_columns) {
  return "SELECT " + string(kRowColumns) + ", " + string(task_columns) + " FROM ringmaster.task WHERE " +
         condition + " UNION ALL SELECT " + string(kRowColumns) + ", " + string(history_columns) +
         " FROM ringmaster.task_history WHERE " + condition;
}

// A last row with id 0. It writes: what was read as committed is on a standby when this is answered, and a
// deposed primary cannot answer at all.
string lookup_marker() {
  string out = " UNION ALL SELECT (" + kWaitForStandby + " - '0/0'::pg_lsn)::int8 * 0, ";
  const auto nulls = std::ranges::count(kRowColumns, ',') + std::ranges::count(kHistoryBriefColumns, ',') + 1;
  for (std::ptrdiff_t i = 0; i < nulls; ++i) out += i == 0 ? "NULL" : ", NULL";
  return out;
}

string list_sql() {
  const string condition =
      "id > $1::int8 AND ($2::text = '' OR ns = $2) AND ($3::text = '' OR grp = $3) AND ($4::text = '' OR "
      "kind = $4)"
      " AND (cardinality($5::int2[]) = 0 OR state = ANY ($5)) AND ($7::text = '' OR labels::jsonb @> "
      "$7::text::jsonb) AND created_at >= $8::timestamptz AND created_at < $9::timestamptz ORDER BY id LIMIT "
      "$6::int8";
  const string row(kRowColumns);
  return "(SELECT " + row + ", " + string(kTaskViewColumns) + " FROM ringmaster.task WHERE " + condition +
         ") UNION ALL (SELECT " + row + ", " + string(kHistoryViewColumns) +
         " FROM ringmaster.task_history WHERE " + condition + ") ORDER BY id LIMIT $6";
}

// What an audit reads of a row: no spec, no label, nothing that is large.
const string kAuditRow =
    "SELECT t.id, t.rank, t.grp, t.run_at, t.attempt, coalesce(t.failures, 0), coalesce(t.crashes, 0), "
    "t.state,"
    " t.worker, t.worker_incarnation, t.epoch, t.cancel_requested_at FROM ringmaster.task t WHERE ";

// The last row has no id: how many rows were read, and where they end. Only look-ups by id, never a join: a
// vacuum may have made the planner believe that `task` is empty.
const string kAuditHistory =
    "WITH h AS MATERIALIZED (SELECT id, state, attempt, coalesce(failures, 0) AS failures, coalesce(crashes, "
    "0) AS crashes FROM ringmaster.task_history WHERE id <= $1::int8 ORDER BY id DESC LIMIT $2::int8),"
    " j AS MATERIALIZED (SELECT h.*, coalesce(lag(h.id) OVER () = h.id, false) AS twice,"
    " EXISTS (SELECT FROM ringmaster.task t WHERE t.id = ANY (ARRAY[h.id])) AS in_task FROM h)"
    " SELECT id, state, attempt, failures, crashes, twice, in_task FROM j WHERE twice OR in_task"
    " OR state NOT BETWEEN 10 AND 14 OR attempt < 1 OR failures >= attempt OR crashes >= attempt"
    " UNION ALL SELECT NULL, NULL, NULL, NULL, (SELECT count(*) FROM h)::int4, NULL, NULL"
    " UNION ALL SELECT (SELECT min(id) FROM h), NULL, NULL, NULL, NULL, NULL, NULL";

PgStatements make() {
  PgStatements s;
  s.schema_version = {"schema_version",
                      "SELECT coalesce(max(version), 0)::int4 FROM ringmaster.schema_migration"};
  s.register_master = {
      "register_master",
      // The update, unlike a read, sees whose cluster was first while it waited.
      "WITH claim AS (UPDATE ringmaster.meta SET cluster = coalesce(cluster, $6::text)"
      " RETURNING store_id, cluster),"
      " m AS (INSERT INTO ringmaster.master (incarnation, node_id, rpc_address, http_address, version)"
      " SELECT $1::int8, $2::text, $3::text, $4::text, $5::text FROM claim WHERE cluster = $6::text"
      " ON CONFLICT DO NOTHING)"
      " SELECT store_id::text, cluster FROM claim"};
  s.make_fence = {"make_fence", "SELECT ringmaster.make_fence($1::int8, $2::int4)"};
  // What it deletes may be gone already, by a statement of a lost connection that no standby has got.
  s.settle = {"settle", "SELECT ringmaster.settle($1::int8, $2::int4), " + kWaitForStandby};
  s.resign = {"resign", "SELECT ringmaster.resign($1::int8, $2::int4, $3::int8)"};
  s.no_deadline = {"no_deadline", "SET statement_timeout = 0"};
  s.usual_deadline = {"usual_deadline", "RESET statement_timeout"};

  s.shards = {"shards",
              "SELECT s.id, s.owner, s.epoch, m.node_id, m.state = 'living' FROM ringmaster.shard s"
              " LEFT JOIN ringmaster.master m ON m.incarnation = s.owner ORDER BY s.id"};
  // What another master is taking at this moment is its own, or free again soon: a frozen one is not waited
  // for.
  s.take_shards = {
      "take_shards",
      kFence +
          ", l AS MATERIALIZED (SELECT s.id FROM ringmaster.shard s WHERE s.id = ANY ($4::int2[])"
          " AND s.owner IS NULL AND EXISTS (SELECT FROM f) ORDER BY s.id FOR UPDATE OF s SKIP LOCKED),"
          " u AS (UPDATE ringmaster.shard s SET owner = $1, epoch = s.epoch + 1 FROM l"
          " WHERE s.id = l.id RETURNING s.id, s.epoch)"
          " SELECT (SELECT count(*) FROM f), u.id, u.epoch FROM (SELECT) one LEFT JOIN u ON true"};
  s.release_shards = {"release_shards",
                      "SELECT ringmaster.release_shards($1::int8, $2::int4, $3::int8, $4::int2[])"};
  s.predecessors = {
      "predecessors",
      "SELECT o.incarnation FROM ringmaster.master s, ringmaster.master o WHERE s.incarnation = $1::int8"
      " AND o.node_id = s.node_id AND o.incarnation <> s.incarnation AND o.state = 'living' ORDER BY 1"};
  s.take_over = {"take_over", "SELECT ringmaster.take_over($1::int8, $2::int4, $3::int8)"};

  // One value in 32 is journalled; ids that only a lost primary knew of would be given out again.
  s.next_ids = {"next_ids", "SELECT nextval('ringmaster.task_seq'), " + kWaitForStandby};
  s.accept = {"accept", accept_sql(false)};
  s.accept_plain = {"accept_plain", accept_sql(true)};
  s.complete = {"complete", complete_sql(false)};
  s.complete_plain = {"complete_plain", complete_sql(true)};
  s.retry = {"retry", retry_sql()};
  s.mark_running = {"mark_running", mark_sql()};
  s.control = {"control", control_sql()};
  s.keep_late = {"keep_late", keep_late_sql()};
  // The lock makes it a write: a standby or a deposed primary cannot answer it.
  s.prove = {"prove", kFence + " SELECT 1 FROM f"};
  s.fates = {"fates", kFates};
  s.accept_keyed = {"accept_keyed", accept_keyed_sql()};
  s.keyed_fates = {"keyed_fates", kKeyedFates};

  s.groups = {"groups", kGroups + "SELECT grp FROM g WHERE grp IS NOT NULL"};
  s.page = {"page", page_sql()};
  s.page_due = {"page_due", page_due_sql()};
  s.lookup = {"lookup",
              both("id = ANY ($1::int8[])", kTaskBriefColumns, kHistoryBriefColumns) + lookup_marker()};
  s.get = {"get", both("id = $1::int8", kTaskViewColumns, kHistoryViewColumns) + " UNION ALL SELECT " +
                      string(kLateViewColumns) + " FROM ringmaster.late_result WHERE task = $1::int8"};
  s.list = {"list", list_sql()};
  // A life of a master is a row for ever, but there are few: all are walked, by their key.
  s.audit_masters = {
      "audit_masters",
      "SELECT m.incarnation, m.node_id, m.state = 'living', (SELECT count(*) FROM ringmaster.fence f"
      " WHERE f.incarnation = m.incarnation)::int4, m.started_at FROM ringmaster.master m"
      " WHERE m.incarnation > 0 AND (m.state = 'living' OR EXISTS (SELECT FROM ringmaster.fence f"
      " WHERE f.incarnation = ANY (ARRAY[m.incarnation]))) UNION ALL SELECT f.incarnation, NULL, false, 1, "
      "NULL"
      " FROM ringmaster.fence f WHERE NOT EXISTS (SELECT FROM ringmaster.master m"
      " WHERE m.incarnation = ANY (ARRAY[f.incarnation]))"};
  s.audit_lane = {"audit_lane",
                  kAuditRow +
                      "grp = $1::text AND (rank, id) > ($2::int8, $3::int8) AND rank <= $4::int8"
                      " AND " +
                      kInALane + " ORDER BY rank, id LIMIT $5::int8"};
  s.audit_tasks = {"audit_tasks", kAuditRow + "id > $1::int8 ORDER BY id LIMIT $2::int8"};
  s.audit_history = {"audit_history", kAuditHistory};
  s.durability = {"durability",
                  "SELECT CASE WHEN current_setting('fsync') = 'off' THEN 'fsync'"
                  " WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes' END,"
                  " CASE WHEN current_setting('synchronous_commit') = 'off'"
                  " THEN set_config('synchronous_commit', 'on', false) END"};
  s.database_time = {"database_time", "SELECT clock_timestamp()"};
  s.maintain = {"maintain",
                "WITH d AS (DELETE FROM ringmaster.late_result"
                " WHERE received_at < now() - $2::int8 * interval '1 microsecond'),"
                " k AS (DELETE FROM ringmaster.task_key"
                " WHERE created_at < now() - $3::int8 * interval '1 microsecond')"
                " SELECT ringmaster.maintain_history($1::int4, $2::int8 * interval '1 microsecond')"};
  s.vacuum = {"vacuum", "VACUUM (SKIP_LOCKED, TRUNCATE false) ringmaster.task"};
  return s;
}

}  // namespace

const PgStatements& pg_statements() {
  static const PgStatements statements = make();
  return statements;
}

}  // namespace ringmaster

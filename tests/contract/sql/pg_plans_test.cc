// How PostgreSQL carries our statements out over tables of millions: it reads what it needs and no more.
#include <gmock/gmock.h>

#include "sql/pg_columns.h"
#include "sql/pg_statements.h"
#include "tests/contract/sql/pg_store_fixture.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// The plan of a statement as the store's sessions make it, over a million waiting and as many ended tasks.
class PgPlans : public PgTaskStoreTest {
 protected:
  static std::string session_options() {
    const auto target = PgTarget::make("dbname=x", 15s);
    for (std::size_t i = 0; i < target->keywords.size(); ++i) {
      if (target->keywords[i] == "options") return target->values[i];
    }
    return {};
  }
  std::string plan(const PgStatement& statement, const std::string& arguments,
                   const std::string& options = "COSTS OFF") {
    const std::string conninfo = world_.conninfo() + " options='" + session_options() + "'";
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(conninfo.c_str()), &PQfinish);
    const auto run = [&](const std::string& sql) {
      const std::unique_ptr<PGresult, decltype(&PQclear)> rows(PQexec(connection.get(), sql.c_str()),
                                                               &PQclear);
      std::string text;
      for (int i = 0; i < PQntuples(rows.get()); ++i)
        text += PQgetvalue(rows.get(), i, 0) + std::string("\n");
      const auto status = PQresultStatus(rows.get());
      EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
          << statement.name << ": " << PQerrorMessage(connection.get());
      return text;
    };
    run("PREPARE s AS " + statement.sql);
    return run("EXPLAIN (" + options + ") EXECUTE s" + arguments);
  }
  // How many pages it looks at.
  int pages(const PgStatement& statement, const std::string& arguments) {
    const std::string text = plan(statement, arguments, "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF");
    int sum = 0;
    for (const std::string_view what : {"hit=", "read="}) {
      // The first line that has it is that of the whole.
      const auto line = text.find("Buffers: shared");
      const auto at = text.find(what, line);
      if (line != std::string::npos && at < text.find('\n', line))
        sum += std::stoi(text.substr(at + what.size()));
    }
    return sum;
  }
  static std::string arguments(const std::string& first, std::size_t count, const std::string& rest) {
    std::string out = "(" + first;
    for (std::size_t i = 0; i < count; ++i) out += (out.size() > 1 ? ", " : "") + rest;
    return out + ")";
  }
};

TEST_F(PgPlans, NoStatementScansATableOrSortsOverAMillionTasks) {
  query(
      "INSERT INTO ringmaster.task (id, rank, run_at, created_at, state, priority, ns, kind, grp, spec)"
      " SELECT n * 256, n, now(), now(), 1, 5, 'default', 'process', 'g' || n % 7, '{}'"
      " FROM generate_series(1, 1000000) n");
  query(
      "INSERT INTO ringmaster.task_history (id, rank, run_at, created_at, finished_at, attempt, state, "
      "outcome,"
      " priority, ns, kind, grp, spec) SELECT n * 256, n, now(), now(), now(), 1, 10, 0, 5, 'default', "
      "'process',"
      " 'g', '{}' FROM generate_series(1000001, 1300000) n");
  query(
      "INSERT INTO ringmaster.task_key (ns, key, task, payload)"
      " SELECT 'default', 'k' || n, n * 256, n FROM generate_series(1, 300000) n");
  query("ANALYZE ringmaster.task, ringmaster.task_history, ringmaster.task_key");
  const auto& s = pg_statements();
  const auto width = [](auto columns, bool plain) {
    return static_cast<std::size_t>(
        std::ranges::count_if(columns, [=](const auto& c) { return !plain || !c.rare; }));
  };
  const std::string empty = "'{}'", stamp = "1, 1, 1";
  const std::vector<std::pair<const PgStatement*, std::string>> statements = {
      {&s.accept, arguments(stamp, width(accept_columns(), false), empty)},
      {&s.accept_plain, arguments(stamp, width(accept_columns(), true), empty)},
      {&s.complete, arguments(stamp, width(complete_columns(), false), empty)},
      {&s.complete_plain, arguments(stamp, width(complete_columns(), true), empty)},
      {&s.retry, arguments(stamp, width(retry_columns(), false), empty)},
      {&s.mark_running, arguments(stamp, width(mark_columns(), false), empty)},
      {&s.control, arguments(stamp, width(control_columns(), false), empty)},
      {&s.keep_late, arguments(stamp, width(late_columns(), false), empty)},
      {&s.prove, "(1, 1, 1)"},
      {&s.fates, "(1, 1, 1, '{}')"},
      {&s.groups, ""},
      {&s.page, "('g1', 0, 0, 1000, now(), '', 1000)"},
      {&s.page_due, "(1, 2, 60000000, '', 1000, '{g1,g2}')"},
      {&s.lookup, "('{}')"},
      {&s.get, "(1)"},
      {&s.list, "(0, '', '', '', '{}', 101, '', '1970-01-01Z', '9999-12-31Z')"},
      {&s.maintain, "(1, 1, 1)"},
      {&s.audit_masters, ""},
      {&s.audit_lane, "('g1', 0, 0, 1000, 1000)"},
      {&s.audit_tasks, "(0, 1000)"},
      {&s.audit_history, "(9000000000, 1000)"},
  };
  // These sort what they are given.
  const std::vector<std::pair<const PgStatement*, std::string>> of_keys = {
      {&s.accept_keyed, arguments(stamp, width(accept_columns(), false) + 2, empty)},
      {&s.keyed_fates, "(1, 1, 1, '{}', '{}')"},
  };
  for (const auto& [statement, values] : of_keys) {
    const std::string text = plan(*statement, values);
    EXPECT_THAT(text, testing::Not(HasSubstr("Seq Scan"))) << statement->name << "\n" << text;
  }
  for (const auto& [statement, values] : statements) {
    const std::string text = plan(*statement, values);
    EXPECT_THAT(text, testing::Not(HasSubstr("Seq Scan"))) << statement->name << "\n" << text;
    EXPECT_THAT(text, testing::Not(HasSubstr("Sort\n"))) << statement->name << "\n" << text;
    EXPECT_THAT(text, testing::Not(HasSubstr("Hash Join"))) << statement->name << "\n" << text;
  }
}

// A transaction that somebody forgot keeps the rows of ended tasks; they lie at the heads of the lanes.
TEST_F(PgPlans, NobodyWalksTheRowsOfEndedTasksAgainAndAgain) {
  const auto insert = [&](const std::string& numbers, const std::string& run_at) {
    query(
        "INSERT INTO ringmaster.task (id, rank, run_at, created_at, state, priority, ns, kind, grp, spec)"
        " SELECT n * 256, (extract(epoch FROM r) * 1000000)::int8 - 4 * 60000000, r, now(), 1, 4, 'default',"
        " 'noop', 'g' || n % 2, '{}' FROM generate_series(" +
        numbers + ") n, (SELECT " + run_at + " AS r) x");
  };
  insert("1, 100000", "now() - interval '1 hour'");
  Session forgotten(world_);
  forgotten.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ringmaster.task");
  query("DELETE FROM ringmaster.task");
  insert("100001, 100010", "now() + interval '3 s'");
  const std::string now = query("SELECT (extract(epoch FROM now()) * 1000000)::int8");
  const std::string span = "(" + now + ", " + now + " + 5000000, 60000000, ";
  const std::string every_shard = "decode(repeat('ff', 32), 'hex')";
  EXPECT_LT(pages(pg_statements().page_due, span + every_shard + ", 1000, '{g0,g1}')"), 500);
  EXPECT_LT(pages(pg_statements().groups, ""), 500);
}

// A vacuum that finds the table empty tells the planner that it has no rows, and it believes that until the
// next one. To scan all of it then looks free, and for each of its rows the whole batch.
TEST_F(PgPlans, NoBatchIsComparedWithTheWholeTableAfterAVacuumOfTheEmptyOne) {
  query(
      "INSERT INTO ringmaster.task (id, rank, run_at, created_at, state, priority, ns, kind, grp, spec)"
      " SELECT n * 256, n, now(), now(), 1, 5, 'default', 'process', 'g', '{}' FROM generate_series(1, "
      "100000) n");
  query("DELETE FROM ringmaster.task");
  query("VACUUM (TRUNCATE false) ringmaster.task");
  ASSERT_EQ(query("SELECT reltuples FROM pg_class WHERE oid = 'ringmaster.task'::regclass"), "0");
  const auto& s = pg_statements();
  const auto count = [](auto columns) { return columns.size(); };
  const std::string empty = "'{}'", stamp = "1, 1, 1";
  const std::vector<std::pair<const PgStatement*, std::string>> statements = {
      {&s.complete, arguments(stamp, count(complete_columns()), empty)},
      {&s.retry, arguments(stamp, count(retry_columns()), empty)},
      {&s.mark_running, arguments(stamp, count(mark_columns()), empty)},
      {&s.control, arguments(stamp, count(control_columns()), empty)},
  };
  for (const auto& [statement, values] : statements) {
    const std::string text = plan(*statement, values);
    EXPECT_THAT(text, HasSubstr("Index Scan using task_pkey")) << statement->name << "\n" << text;
    EXPECT_THAT(text, HasSubstr("Index Cond: (id = ANY")) << statement->name << "\n" << text;
    EXPECT_THAT(text, testing::Not(HasSubstr("Join Filter"))) << statement->name << "\n" << text;
  }
}
}  // namespace
}  // namespace ringmaster

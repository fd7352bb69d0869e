// One master's store on a PostgreSQL, and sessions beside it.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/contract/sql/store_world.h"

namespace ringmaster {

// A session of the test's own that keeps its transaction open.
class Session {
 public:
  explicit Session(const PgWorld& world) : connection_(PQconnectdb(world.conninfo().c_str()), &PQfinish) {}
  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> rows(PQexec(connection_.get(), sql.c_str()),
                                                             &PQclear);
    const auto status = PQresultStatus(rows.get());
    ASSERT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

class PgTaskStoreTest : public testing::Test {
 protected:
  void SetUp() override { open(2); }
  void open(std::size_t connections) {
    master_.reset();
    master_ = std::make_unique<Master>(world_, world_.make_store(connections), ++incarnation_);
    const auto opened = master_->open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  std::string query(const std::string& sql) { return world_.query(sql); }
  // Runs the loop until the database answers this question so.
  bool becomes(const std::string& question, const std::string& answer) {
    return world_.run_until([&] { return query(question) == answer; });
  }
  bool a_statement_waits_for_a_lock() {
    return becomes(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'ringmaster'"
        " AND datname = current_database() AND wait_event_type = 'Lock'",
        "t");
  }
  void kill_backends() {
    query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ringmaster'"
        " AND datname = current_database()");
  }

  PgWorld world_;
  std::unique_ptr<Master> master_;
  std::int64_t incarnation_ = 0;
};

}  // namespace ringmaster

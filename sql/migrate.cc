#include "sql/migrate.h"

#include <array>
#include <memory>
#include <utility>

#include <libpq-fe.h>

#include "base/hash.h"

namespace ringmaster {
namespace {

constexpr Migration kMigrations[] = {
#include "embedded_migrations.inc"
};
constexpr int kPartitionDaysAhead = 3;

// Any number that nothing else uses; all migrators take the same lock.
constexpr const char* kLock = "SELECT pg_advisory_lock(7236450127)";
constexpr const char* kBootstrap =
    "CREATE SCHEMA IF NOT EXISTS ringmaster;"
    "CREATE TABLE IF NOT EXISTS ringmaster.schema_migration ("
    "  version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
    "  applied_at timestamptz NOT NULL DEFAULT now());"
    "COMMENT ON TABLE ringmaster.schema_migration IS 'The migrations that this database has seen.'";

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Rows = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string checksum_of(const Migration& migration) {
  return std::to_string(murmur64(migration.sql));
}

Result<Rows> run(PGconn* connection, const std::string& sql) {
  Rows rows(PQexec(connection, sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(rows.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return rows;
  const char* state = PQresultErrorField(rows.get(), PG_DIAG_SQLSTATE);
  return fail(state == nullptr ? ErrorCode::unavailable : ErrorCode::internal,
              std::string(state == nullptr ? "" : state) + " " + PQerrorMessage(connection));
}

// The names and checksums are those of this binary: nothing in them needs quoting.
Result<> apply(PGconn* connection, const Migration& migration) {
  const std::string record = "INSERT INTO ringmaster.schema_migration (version, name, checksum) VALUES (" +
                             std::to_string(migration.version) + ", '" + std::string(migration.name) +
                             "', '" + checksum_of(migration) + "')";
  for (const std::string& sql :
       {std::string("BEGIN"), std::string(migration.sql), record, std::string("COMMIT")}) {
    if (auto done = run(connection, sql); !done) {
      const Error error = done.error();
      (void)run(connection, "ROLLBACK");
      return fail(error.code, "migration " + std::string(migration.name) + ": " + error.message);
    }
  }
  return {};
}

// How many migrations of ours the database has seen.
Result<int> applied_version(PGconn* connection) {
  auto rows = run(connection, "SELECT version, checksum FROM ringmaster.schema_migration ORDER BY version");
  if (!rows) return std::unexpected(rows.error());
  const int count = PQntuples(rows->get());
  if (count > schema_version()) {
    return fail(ErrorCode::invalid_argument, "the schema is at version " + std::to_string(count) +
                                                 ", this binary knows " + std::to_string(schema_version()) +
                                                 ": use the newer binary");
  }
  for (int i = 0; i < count; ++i) {
    const Migration& migration = kMigrations[i];
    if (PQgetvalue(rows->get(), i, 0) == std::to_string(migration.version) &&
        PQgetvalue(rows->get(), i, 1) == checksum_of(migration)) {
      continue;
    }
    return fail(ErrorCode::invalid_argument,
                "migration " + std::string(migration.name) + " is not the one that this database has seen");
  }
  return count;
}

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

int schema_version() {
  return kMigrations[std::size(kMigrations) - 1].version;
}

Result<MigrateReport> migrate(const std::string& conninfo) {
  Connection connection(PQconnectdb(conninfo.c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return fail(ErrorCode::unavailable, PQerrorMessage(connection.get()));
  }
  PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
  // The lock goes with the session, whatever happens below.
  if (auto locked = run(connection.get(), kLock); !locked) return std::unexpected(locked.error());
  if (auto made = run(connection.get(), kBootstrap); !made) return std::unexpected(made.error());
  const auto before = applied_version(connection.get());
  if (!before) return std::unexpected(before.error());
  MigrateReport report{*before, *before, {}};
  for (const Migration& migration : migrations().subspan(static_cast<std::size_t>(*before))) {
    if (auto done = apply(connection.get(), migration); !done) return std::unexpected(done.error());
    report.version_after = migration.version;
    report.applied.emplace_back(migration.name);
  }
  const std::string partitions =
      "SELECT ringmaster.maintain_history(" + std::to_string(kPartitionDaysAhead) + ", NULL)";
  if (auto made = run(connection.get(), partitions); !made) return std::unexpected(made.error());
  return report;
}

}  // namespace ringmaster

// Parameters and results of statements, in PostgreSQL's binary format (network byte order; times as
// microseconds since 2000). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include "base/time.h"

namespace ringmaster {

enum class PgType : std::uint32_t {
  boolean = 16,
  bytea = 17,
  int8 = 20,
  int2 = 21,
  int4 = 23,
  text = 25,
  timestamptz = 1184,
};

// One array parameter, of a single dimension.
class PgArray {
 public:
  explicit PgArray(PgType element);
  void null();
  void integer(std::int64_t value);  // int2, int4, int8, boolean: by the element type
  void text(std::string_view bytes);
  void time(WallTime value);
  // For columns where null means the default.
  void integer_or_null(std::int64_t value) { value == 0 ? null() : integer(value); }
  void text_or_null(std::string_view bytes) { bytes.empty() ? null() : text(bytes); }
  void time_or_null(WallTime value) { value == WallTime{} ? null() : time(value); }
  std::string take();

 private:
  PgType element_;
  std::uint32_t count_ = 0;
  std::string bytes_;
};

class PgParams {
 public:
  void integer(std::int64_t value);  // an int8 parameter
  void small(std::int32_t value);    // an int4 parameter
  void text(std::string_view value) { values_.emplace_back(value); }
  void bytes(std::string_view value) { values_.emplace_back(value); }
  void time(WallTime value);
  void array(PgArray value) { values_.push_back(value.take()); }

  const std::vector<std::string>& values() const { return values_; }
  std::size_t size_bytes() const;

 private:
  std::vector<std::string> values_;
};

// Rows of one statement, in binary. Columns are numbered from 0; the caller knows their types.
class PgRows {
 public:
  PgRows() : result_(nullptr, &PQclear) {}
  explicit PgRows(PGresult* result) : result_(result, &PQclear) {}

  int size() const { return PQntuples(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::int64_t integer(int row, int column) const;   // int2, int4, int8 or boolean; null: 0
  std::string_view text(int row, int column) const;  // null: empty
  WallTime time(int row, int column) const;          // null: WallTime{}
  std::int64_t affected() const;                     // rows that the statement changed

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

}  // namespace ringmaster

#include "sql/pg_values.h"

#include <charconv>
#include <cstring>

namespace ringmaster {
namespace {

// 2000-01-01T00:00:00Z, from where PostgreSQL counts.
constexpr std::int64_t kEpoch = 946'684'800'000'000;

template <class T>
void append(std::string& out, T value) {
  if constexpr (sizeof(T) == 8) {
    value = static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    value = static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else if constexpr (sizeof(T) == 2) {
    value = static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  }
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <class T>
T load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  return value;
}

constexpr std::size_t kHeader = 20;  // dimensions, has nulls, element type, count, lower bound

}  // namespace

PgArray::PgArray(PgType element) : element_(element), bytes_(kHeader, '\0') {}

void PgArray::null() {
  ++count_;
  append(bytes_, std::int32_t{-1});
}

void PgArray::integer(std::int64_t value) {
  ++count_;
  switch (element_) {
    case PgType::boolean:
      append(bytes_, std::int32_t{1});
      append(bytes_, static_cast<std::int8_t>(value));
      break;
    case PgType::int2:
      append(bytes_, std::int32_t{2});
      append(bytes_, static_cast<std::int16_t>(value));
      break;
    case PgType::int4:
      append(bytes_, std::int32_t{4});
      append(bytes_, static_cast<std::int32_t>(value));
      break;
    default:
      append(bytes_, std::int32_t{8});
      append(bytes_, value);
  }
}

void PgArray::text(std::string_view bytes) {
  ++count_;
  append(bytes_, static_cast<std::int32_t>(bytes.size()));
  bytes_ += bytes;
}

void PgArray::time(WallTime value) {
  integer(to_unix_micros(value) - kEpoch);
}

std::string PgArray::take() {
  std::string header;
  append(header, std::uint32_t{1});
  append(header, std::uint32_t{1});
  append(header, static_cast<std::uint32_t>(element_));
  append(header, count_);
  append(header, std::uint32_t{1});
  bytes_.replace(0, kHeader, header);
  return std::move(bytes_);
}

void PgParams::integer(std::int64_t value) {
  append(values_.emplace_back(), value);
}
void PgParams::small(std::int32_t value) {
  append(values_.emplace_back(), value);
}
void PgParams::time(WallTime value) {
  integer(to_unix_micros(value) - kEpoch);
}

std::size_t PgParams::size_bytes() const {
  std::size_t sum = 0;
  for (const std::string& value : values_) sum += value.size();
  return sum;
}

std::int64_t PgRows::integer(int row, int column) const {
  const char* bytes = PQgetvalue(result_.get(), row, column);
  switch (PQgetlength(result_.get(), row, column)) {
    case 8:
      return load<std::int64_t>(bytes);
    case 4:
      return load<std::int32_t>(bytes);
    case 2:
      return load<std::int16_t>(bytes);
    case 1:
      return *bytes;
    default:
      return 0;
  }
}

std::string_view PgRows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

WallTime PgRows::time(int row, int column) const {
  return is_null(row, column) ? WallTime{} : from_unix_micros(integer(row, column) + kEpoch);
}

std::int64_t PgRows::affected() const {
  const std::string_view count = PQcmdTuples(result_.get());
  std::int64_t value = 0;
  std::from_chars(count.data(), count.data() + count.size(), value);
  return value;
}

}  // namespace ringmaster

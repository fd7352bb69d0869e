// What this machine and its PostgreSQL can do at most, measured without Ringmaster's daemons: what the
// figures of a benchmark are held against. Each call measures for so many seconds, on the calling thread and
// its own.
#pragma once

#include <string>

#include "base/result.h"

namespace ringmaster {

// A task's life on the final schema: the two batched statements of a task, fence, partitions and index
// included, in batches of 1,000 on two connections. Tasks a second.
inline constexpr const char* kRawLife = "raw: a task's two statements, batches of 1,000";
Result<double> raw_life_cycles(const std::string& database, double seconds);

struct RawCommits {
  double rate = 0;        // a second
  double p50_micros = 0;  // of one commit
};
// One INSERT of one row, each in a transaction of its own, on one connection that waits for each.
Result<RawCommits> raw_commits(const std::string& database, double seconds);

// Median round trip of 200 bytes between two threads over TCP, both on plain Asio, in microseconds.
double raw_echo_micros(double seconds);

// `true` spawned and waited for, so many at the same time. Processes a second.
double raw_spawns(int at_once, double seconds);

}  // namespace ringmaster

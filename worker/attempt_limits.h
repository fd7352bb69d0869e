// What one attempt may use: the `limits` of a spec, the bounds that a worker sets itself, and what of it the
// kernel's per-process limits can hold. Pure. Any thread.
//
//   memory      a size such as "512MiB", at least 4MiB
//   cpu         cores, such as 1.5 or "1.5", from 0.01; needs a cgroup
//   cpu_time    a duration in whole seconds; of each process
//   processes   1 and up
//   open_files  16 and up; of each process
//   file_size   a size; of each file that it writes
#pragma once

#include <cstdint>
#include <vector>

#include <boost/json/fwd.hpp>
#include <sys/resource.h>

#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

inline constexpr std::int64_t kLeastMemory = 4 * 1024 * 1024;

// 0 of each: no limit.
struct AttemptLimits {
  std::int64_t memory_bytes = 0;
  std::int64_t cpu_millicores = 0;
  Duration cpu_time{0};
  std::int64_t processes = 0;
  std::int64_t open_files = 0;
  std::int64_t file_bytes = 0;

  bool operator==(const AttemptLimits&) const = default;
};

// Strict. Errors: invalid_argument, with `field` such as `spec.limits.memory`.
Result<AttemptLimits> parse_attempt_limits(const boost::json::value& value);

// A limit that the spec leaves out becomes the worker's. Errors: invalid_argument: it asks for more.
Result<> hold_to(const AttemptLimits& most, AttemptLimits& limits);

// One setrlimit(2) of an attempt.
struct ResourceLimit {
  int resource = 0;
  rlim_t soft = 0, hard = 0;
};

// What a cgroup of the attempt's own holds it to; the rest is for setrlimit.
struct HeldByCgroup {
  bool memory = false, cpu = false, processes = false;
};

// `open_files` is the limit of attempts whose spec names none. Errors: invalid_argument: nothing here can
// hold one of them, a user `is_root` in particular.
Result<std::vector<ResourceLimit>> resource_limits(const AttemptLimits& limits, HeldByCgroup held,
                                                   const rlimit& open_files, bool is_root);

// The field of `limits` that this stands for, or the kernel's name for it.
const char* limit_name(int resource);

}  // namespace ringmaster

#include "worker/attempt_limits.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/setting_value.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

constexpr std::int64_t kLeastOpenFiles = 16;
constexpr std::int64_t kMost = std::int64_t{1} << 50;  // of anything: what the kernel's arithmetic bears
constexpr double kLeastCpu = 0.01, kMostCpu = 4096;
constexpr rlim_t kCpuGraceSeconds = 1;  // from SIGXCPU to SIGKILL

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  const std::string field = "spec.limits" + (name.empty() ? std::string() : "." + std::string(name));
  return fail(ErrorCode::invalid_argument, field + ": " + std::string(why), field);
}

Result<> read_size(std::string_view name, const json::value& value, std::int64_t least, std::int64_t& into) {
  const Setting wanted{std::string(name), SettingType::size, "1", "", least, kMost};
  if (value.is_string() && !value.get_string().empty()) {
    if (const auto size = parse_setting(wanted, std::string_view(value.get_string()))) {
      into = std::get<std::int64_t>(*size);
      return {};
    }
  }
  return refuse(name, "must be a string with " + allowed_values(wanted));
}

Result<> read_count(std::string_view name, const json::value& value, std::int64_t least, std::int64_t& into) {
  if (!value.is_int64() || value.get_int64() < least || value.get_int64() > kMost)
    return refuse(name, "must be a number from " + std::to_string(least) + " up");
  into = value.get_int64();
  return {};
}

std::optional<double> cores_of(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_double()) return value.get_double();
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = value.get_string();
  double cores = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), cores, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return cores;
}

Result<> read_cpu(const json::value& value, AttemptLimits& limits) {
  const auto cores = cores_of(value);
  if (!cores || !(*cores >= kLeastCpu && *cores <= kMostCpu))
    return refuse("cpu", "must be a number of cores from 0.01 to 4096, for example 1.5");
  limits.cpu_millicores = std::llround(*cores * 1000);
  return {};
}

Result<> read_cpu_time(const json::value& value, AttemptLimits& limits) {
  if (!value.is_string()) return refuse("cpu_time", "must be a duration such as \"10m\"");
  const auto time = parse_duration(std::string_view(value.get_string()));
  if (!time) return refuse("cpu_time", time.error().message);
  if (*time < std::chrono::seconds(1) || *time % std::chrono::seconds(1) != Duration::zero())
    return refuse("cpu_time", "must be at least 1s, in whole seconds: the kernel counts no finer");
  limits.cpu_time = *time;
  return {};
}

Result<> read_limit(std::string_view name, const json::value& value, AttemptLimits& limits) {
  if (name == "memory") return read_size(name, value, kLeastMemory, limits.memory_bytes);
  if (name == "cpu") return read_cpu(value, limits);
  if (name == "cpu_time") return read_cpu_time(value, limits);
  if (name == "processes") return read_count(name, value, 1, limits.processes);
  if (name == "open_files") return read_count(name, value, kLeastOpenFiles, limits.open_files);
  if (name == "file_size") return read_size(name, value, 1, limits.file_bytes);
  return refuse(name, "unknown field; known are memory, cpu, cpu_time, processes, open_files, file_size");
}

}  // namespace

Result<AttemptLimits> parse_attempt_limits(const json::value& value) {
  if (!value.is_object()) return refuse("", "must be an object");
  AttemptLimits limits;
  for (const auto& entry : value.get_object()) {
    if (auto read = read_limit(entry.key(), entry.value(), limits); !read)
      return std::unexpected(read.error());
  }
  return limits;
}

Result<> hold_to(const AttemptLimits& most, AttemptLimits& limits) {
  if (most.memory_bytes > 0) {
    if (limits.memory_bytes > most.memory_bytes)
      return refuse("memory", "this worker gives an attempt at most " +
                                  format_setting(SettingType::size, most.memory_bytes) + " (max_memory)");
    if (limits.memory_bytes == 0) limits.memory_bytes = most.memory_bytes;
  }
  if (most.processes > 0) {
    if (limits.processes > most.processes)
      return refuse("processes", "this worker gives an attempt at most " + std::to_string(most.processes) +
                                     " (max_processes)");
    if (limits.processes == 0) limits.processes = most.processes;
  }
  return {};
}

Result<std::vector<ResourceLimit>> resource_limits(const AttemptLimits& limits, HeldByCgroup held,
                                                   const rlimit& open_files, bool is_root) {
  if (limits.cpu_millicores > 0 && !held.cpu)
    return refuse("cpu", "needs a cgroup, and this worker has none for it (cgroup_root)");
  if (limits.processes > 0 && !held.processes && is_root) {
    return refuse(
        "processes",
        "without a cgroup (cgroup_root) the kernel holds root to no number of processes; set run_as");
  }
  std::vector<ResourceLimit> all{{RLIMIT_NOFILE, open_files.rlim_cur, open_files.rlim_max}};
  const auto add = [&](int resource, std::int64_t value) {
    if (value > 0) all.push_back({resource, static_cast<rlim_t>(value), static_cast<rlim_t>(value)});
  };
  if (limits.open_files > 0) all.clear();
  add(RLIMIT_NOFILE, limits.open_files);
  add(RLIMIT_FSIZE, limits.file_bytes);
  if (!held.memory) add(RLIMIT_AS, limits.memory_bytes);
  if (!held.processes) add(RLIMIT_NPROC, limits.processes);
  if (limits.cpu_time > Duration::zero()) {
    const auto seconds =
        static_cast<rlim_t>(std::chrono::duration_cast<std::chrono::seconds>(limits.cpu_time).count());
    all.push_back({RLIMIT_CPU, seconds, seconds + kCpuGraceSeconds});
  }
  return all;
}

const char* limit_name(int resource) {
  switch (resource) {
    case RLIMIT_AS:
      return "memory";
    case RLIMIT_CPU:
      return "cpu_time";
    case RLIMIT_NPROC:
      return "processes";
    case RLIMIT_NOFILE:
      return "open_files";
    case RLIMIT_FSIZE:
      return "file_size";
    case RLIMIT_CORE:
      return "RLIMIT_CORE";
    default:
      return "?";
  }
}

}  // namespace ringmaster

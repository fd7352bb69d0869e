#include "worker/attempt_cgroups.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

namespace ringmaster {
namespace {

constexpr std::int64_t kCpuPeriodUs = 100'000;
constexpr auto kLeftoverLimit = std::chrono::seconds(10);

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

// 0, or errno.
int write_file(const std::string& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return errno;
  const int error = ::write(file, text.data(), text.size()) < 0 ? errno : 0;
  ::close(file);
  return error;
}

// A mounted hierarchy, as a line of /proc/self/mountinfo tells it.
struct Mount {
  std::string root, point, type, options;
};

std::optional<Mount> parse_mount(const std::string& line) {
  const auto fields = split(line, ' ');
  const auto dash = std::ranges::find(fields, "-");
  if (fields.size() < 6 || fields.end() - dash < 4) return std::nullopt;
  return Mount{fields[3], fields[4], dash[1], dash[3]};
}

// Where the cgroup `path` of a hierarchy is seen through a mount of it; empty: not there.
std::string seen_through(const Mount& mount, std::string_view path) {
  if (mount.root != "/") {
    if (!path.starts_with(mount.root)) return {};
    path.remove_prefix(mount.root.size());
  }
  return mount.point + (path == "/" ? "" : std::string(path));
}

bool has_option(const std::string& options, std::string_view name) {
  return std::ranges::count(split(options, ','), name) > 0;
}

std::vector<pid_t> processes_of(const std::string& directory) {
  std::vector<pid_t> pids;
  std::istringstream in(read_file(directory + "/cgroup.procs"));
  for (pid_t pid = 0; in >> pid;) {
    if (pid > 0) pids.push_back(pid);  // 0: of a PID namespace outside this one
  }
  return pids;
}

// Kills and removes what is in this directory, within some time.
void clear(const std::string& base) {
  const MonoTime end = read_mono_clock() + kLeftoverLimit;
  while (true) {
    std::error_code error;
    std::vector<std::string> left;
    for (const auto& entry : std::filesystem::directory_iterator(base, error)) {
      if (entry.is_directory(error) && ::rmdir(entry.path().c_str()) != 0) left.push_back(entry.path());
    }
    if (left.empty() || read_mono_clock() >= end) return;
    for (const auto& directory : left) kill_cgroup(directory);
    const timespec pause{0, 2'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

// Of this worker's below `root`; empty: it cannot be made.
std::string make_base(const std::string& root, const std::string& name) {
  if (root.empty()) return {};
  auto base = root + "/ringworker-" + name;
  if (::mkdir(base.c_str(), 0755) != 0 && errno != EEXIST) return {};
  clear(base);
  return base;
}

// True: the attempts' own cgroups below `base` will have this controller.
bool enable(const std::string& root, const std::string& base, const std::string& controller) {
  const auto plus = "+" + controller;
  return write_file(root + "/cgroup.subtree_control", plus) == 0 &&
         write_file(base + "/cgroup.subtree_control", plus) == 0;
}

std::unexpected<Error> cannot(const std::string& what, int error) {
  return fail(ErrorCode::unavailable, what + ": " + std::strerror(error));
}

// What is written to hold one limit. `optional`: the file is not on every machine.
struct CgroupFile {
  std::string file, value;
  bool optional = false;
};

std::vector<CgroupFile> memory_files(std::int64_t bytes, bool unified) {
  const auto value = std::to_string(bytes);
  if (unified)
    return {{"memory.max", value}, {"memory.swap.max", "0", true}, {"memory.oom.group", "1", true}};
  return {{"memory.limit_in_bytes", value}, {"memory.memsw.limit_in_bytes", value, true}};
}

std::vector<CgroupFile> cpu_files(std::int64_t millicores, bool unified) {
  const auto quota = std::to_string(millicores * kCpuPeriodUs / 1000);
  const auto period = std::to_string(kCpuPeriodUs);
  if (unified) return {{"cpu.max", quota + " " + period}};
  return {{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", quota}};
}

Result<> write_files(const std::string& directory, const std::vector<CgroupFile>& files) {
  for (const auto& [file, value, optional] : files) {
    const int error = write_file(directory + "/" + file, value);
    if (error != 0 && !(optional && (error == ENOENT || error == EOPNOTSUPP)))
      return cannot("cannot set " + file + " of its cgroup", error);
  }
  return {};
}

}  // namespace

CgroupRoots own_cgroups(std::string_view cgroup, std::string_view mountinfo) {
  std::vector<Mount> mounts;
  for (const auto& line : split(mountinfo, '\n')) {
    if (auto mount = parse_mount(line)) mounts.push_back(*std::move(mount));
  }
  CgroupRoots roots;
  for (const auto& line : split(cgroup, '\n')) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const auto path = std::string_view(line).substr(second + 1);
    for (const auto& mount : mounts) {
      if (controllers.empty() && mount.type == "cgroup2") roots.unified = seen_through(mount, path);
      for (auto [name, into] :
           {std::pair{"memory", &roots.memory}, {"cpu", &roots.cpu}, {"pids", &roots.pids}}) {
        if (has_option(controllers, name) && mount.type == "cgroup" && has_option(mount.options, name))
          *into = seen_through(mount, path);
      }
    }
  }
  return roots;
}

Result<CgroupRoots> find_cgroup_roots(const std::string& setting) {
  if (setting == "off") return CgroupRoots{};
  if (setting == "auto")
    return own_cgroups(read_file("/proc/self/cgroup"), read_file("/proc/self/mountinfo"));
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::invalid_argument, "cgroup_root " + setting + ": " + why, "cgroup_root");
  };
  if (!setting.starts_with('/')) return refuse("must be off, auto or the path of a cgroup");
  struct statfs status{};
  if (::statfs(setting.c_str(), &status) != 0) return refuse(std::strerror(errno));
  if (status.f_type != CGROUP2_SUPER_MAGIC) return refuse("not a cgroup of version 2");
  if (!processes_of(setting).empty()) return refuse("has processes of its own; give the worker an empty one");
  if (::access(setting.c_str(), W_OK) != 0) return refuse("the worker's user may not make cgroups there");
  return CgroupRoots{setting, {}, {}, {}};
}

void kill_cgroup(const std::string& directory) {
  if (write_file(directory + "/cgroup.kill", "1") == 0) return;
  for (const pid_t pid : processes_of(directory)) ::kill(pid, SIGKILL);
}

AttemptCgroup::~AttemptCgroup() {
  close_entries();
  for (const auto& directory : directories_) ::rmdir(directory.c_str());
}

void AttemptCgroup::close_entries() {
  for (const int entry : entries_) ::close(entry);
  entries_.clear();
}

void AttemptCgroup::kill() const {
  if (!unified_.empty()) kill_cgroup(unified_);
}

bool AttemptCgroup::empty() const {
  return unified_.empty() || read_file(unified_ + "/cgroup.events").contains("populated 0");
}

bool AttemptCgroup::ran_out_of_memory() const {
  if (memory_events_.empty()) return false;
  for (const auto& line : split(read_file(memory_events_), '\n')) {
    if (line.starts_with("oom_kill ")) return line != "oom_kill 0";
  }
  return false;
}

AttemptCgroups::AttemptCgroups(const CgroupRoots& roots, const std::string& name) {
  bases_.unified = make_base(roots.unified, name);
  bases_.memory = make_base(roots.memory, name);
  bases_.cpu = make_base(roots.cpu, name);
  bases_.pids = make_base(roots.pids, name);
  if (bases_.unified.empty()) return;
  unified_holds_.memory = enable(roots.unified, bases_.unified, "memory");
  unified_holds_.cpu = enable(roots.unified, bases_.unified, "cpu");
  unified_holds_.processes = enable(roots.unified, bases_.unified, "pids");
}

AttemptCgroups::~AttemptCgroups() {
  for (const auto* base : {&bases_.unified, &bases_.memory, &bases_.cpu, &bases_.pids}) {
    if (base->empty()) continue;
    clear(*base);
    ::rmdir(base->c_str());
  }
}

Result<std::unique_ptr<AttemptCgroup>> AttemptCgroups::make(std::uint64_t id, const AttemptLimits& limits) {
  std::unique_ptr<AttemptCgroup> cgroup(new AttemptCgroup);
  const auto name = "/" + std::to_string(id);
  // The unified one is for killing too: each attempt has it.
  if (!bases_.unified.empty()) {
    if (auto added = add(*cgroup, bases_.unified, name); !added) return std::unexpected(added.error());
    cgroup->unified_ = bases_.unified + name;
  }
  const auto hold = [&](std::int64_t limit, const std::string& own_base, bool unified, bool& held,
                        const std::vector<CgroupFile>& files) -> Result<> {
    if (limit == 0 || (!unified && own_base.empty())) return {};
    if (!unified) {
      if (auto added = add(*cgroup, own_base, name); !added) return added;
    }
    held = true;
    return write_files((unified ? bases_.unified : own_base) + name, files);
  };
  const auto [memory, cpu, processes] = unified_holds_;
  auto set = hold(limits.memory_bytes, bases_.memory, memory, cgroup->held_.memory,
                  memory_files(limits.memory_bytes, memory));
  if (set)
    set = hold(limits.cpu_millicores, bases_.cpu, cpu, cgroup->held_.cpu,
               cpu_files(limits.cpu_millicores, cpu));
  if (set)
    set = hold(limits.processes, bases_.pids, processes, cgroup->held_.processes,
               {{"pids.max", std::to_string(limits.processes)}});
  if (!set) return std::unexpected(set.error());
  if (cgroup->held_.memory)
    cgroup->memory_events_ =
        memory ? bases_.unified + name + "/memory.events" : bases_.memory + name + "/memory.oom_control";
  if (cgroup->directories_.empty()) return nullptr;
  return cgroup;
}

Result<> AttemptCgroups::add(AttemptCgroup& cgroup, const std::string& base, const std::string& name) const {
  const auto directory = base + name;
  if (::mkdir(directory.c_str(), 0755) != 0) return cannot("cannot make its cgroup", errno);
  cgroup.directories_.push_back(directory);
  const int entry = ::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (entry < 0) return cannot("cannot enter its cgroup", errno);
  cgroup.entries_.push_back(entry);
  return {};
}

std::string AttemptCgroups::describe() const {
  std::string all;
  const auto add = [&](bool does, const char* what) {
    if (does) all += (all.empty() ? "" : ", ") + std::string(what);
  };
  add(!bases_.unified.empty(), "kill");
  add(unified_holds_.memory || !bases_.memory.empty(), "memory");
  add(unified_holds_.cpu || !bases_.cpu.empty(), "cpu");
  add(unified_holds_.processes || !bases_.pids.empty(), "processes");
  return all.empty() ? "nothing" : all;
}

void AttemptCgroups::kill() const {
  if (bases_.unified.empty() || write_file(bases_.unified + "/cgroup.kill", "1") == 0) return;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(bases_.unified, error)) {
    if (entry.is_directory(error)) kill_cgroup(entry.path());
  }
}

}  // namespace ringmaster

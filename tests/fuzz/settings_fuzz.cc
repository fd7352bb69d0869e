// The configuration of both daemons: a YAML file, the environment and flags with any text. What is taken is
// printed by --check-config in a form that would be taken again; times, sizes, addresses and ids alike.
//
// Input: a byte (its low bit: master or worker), then a YAML file; its lines `name: value` are also given as
// flags and environment, and their values to the parsers of single values.
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "base/address.h"
#include "base/ids.h"
#include "base/settings.h"
#include "master/master_settings.h"
#include "tests/fuzz/fuzz_input.h"
#include "worker/worker_settings.h"

namespace {

using namespace ringmaster;

// A file in memory, with a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(::memfd_create("settings", MFD_CLOEXEC)) {
    fuzz_check(
        fd_ >= 0 && ::write(fd_, content.data(), content.size()) == static_cast<ssize_t>(content.size()),
        "a file in memory");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void check_refusal(const Result<>& result) {
  fuzz_check(
      result || (result.error().code == ErrorCode::invalid_argument && !result.error().message.empty()),
      "a refusal says why");
}

void check_values(std::string_view text) {
  if (const auto duration = parse_duration(text)) {
    const auto again = parse_duration(format_duration(*duration));
    fuzz_check(*duration >= Duration::zero() && again && *again == *duration, "a duration reads back");
  }
  if (const auto time = parse_time(text)) {
    const auto again = parse_time(format_time(*time));
    fuzz_check(again && *again == *time, "a time reads back");
  }
  if (const auto id = parse_task_id(text)) fuzz_check(to_string(*id) == text, "an id reads back");
  (void)parse_incarnation(text);
  (void)parse_address(text);
  (void)is_loopback(text);
}

// Each printed value, given as a flag, is taken and printed again.
void check_lines(const Settings& settings) {
  Settings again(settings.declared());
  const auto lines = settings.describe();
  for (const auto& line : lines) {
    if (line.value.empty()) continue;
    fuzz_check(again.set_flag(line.name, line.value).has_value(),
               "what --check-config prints is taken again");
  }
  const auto second = again.describe();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    fuzz_check(lines[i].value.empty() || second[i].value == lines[i].value, "and means the same");
  }
}

void check_settings(std::vector<Setting> declared, std::string_view text, bool master) {
  Settings settings(std::move(declared));
  check_refusal(settings.load_file(MemoryFile(text).path()));
  check_lines(settings);
  FuzzInput lines(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  while (!lines.empty()) {
    const auto line = lines.line();
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string name(line.substr(0, colon)), value(line.substr(colon + 2));
    check_refusal(settings.set_flag(name, value));
    check_refusal(settings.load_environment([&](const char* variable) {
      return Settings::variable_of(name) == variable ? value.c_str() : nullptr;
    }));
    check_values(value);
  }
  check_lines(settings);
  if (master) {
    (void)read_master_settings(settings);
  } else {
    (void)read_worker_settings(settings);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const bool master = (input.byte() & 1) == 0;
  check_settings(master ? declare_master_settings() : declare_worker_settings(), input.rest(), master);
  return 0;
}

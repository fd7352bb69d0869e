// FakeClock: the wall clock of the processes that are started with its environment; it jumps when it is told
// (libfaketime). Their other clocks, and their waits, are left alone. Gone with its file at the end.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

namespace ringmaster {

class FakeClock {
 public:
  FakeClock() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-clock-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    directory_ = pattern;
    // Whoever it is for.
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
    set(std::chrono::seconds(0));
  }
  ~FakeClock() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  FakeClock(const FakeClock&) = delete;
  FakeClock& operator=(const FakeClock&) = delete;

  static bool is_installed() { return std::filesystem::exists(kLibrary); }

  std::map<std::string, std::string> environment() const {
    return {{"LD_PRELOAD", kLibrary},
            {"FAKETIME_TIMESTAMP_FILE", file()},
            {"FAKETIME_NO_CACHE", "1"},
            {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
  }
  // From now on it is so much ahead of the right time, or behind.
  void set(std::chrono::seconds offset) const {
    std::ofstream(file() + ".new") << (offset.count() < 0 ? "" : "+") << offset.count() << "\n";
    std::filesystem::rename(file() + ".new", file());
  }

 private:
  static constexpr const char* kLibrary = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
  std::string file() const { return directory_ / "offset"; }

  std::filesystem::path directory_;
};

}  // namespace ringmaster

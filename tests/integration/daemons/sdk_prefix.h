// SdkPrefix: the build installed elsewhere, and examples/ configured and built against that alone, once for
// the whole program. Ends with it.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/servers/child_process.h"

namespace ringmaster {

class SdkPrefix {
 public:
  // Throws each time if it could not be built.
  static const SdkPrefix& shared() {
    static SdkPrefix prefix;
    if (!prefix.trouble_.empty()) throw std::runtime_error(prefix.trouble_);
    return prefix;
  }
  ~SdkPrefix() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  SdkPrefix(const SdkPrefix&) = delete;
  SdkPrefix& operator=(const SdkPrefix&) = delete;

  std::filesystem::path prefix() const { return directory_ / "installed"; }
  // `word_count/word_count_client`
  std::string example(const std::string& name) const { return directory_ / "examples" / name; }
  // The output; throws if it does not end with 0.
  std::string run(const std::vector<std::string>& argv) const {
    const auto output = directory_ / ("run-" + std::to_string(++runs_));
    ChildProcess process(argv, {.output = output});
    const auto code = process.wait(std::chrono::minutes(10));
    if (code != 0) throw std::runtime_error(argv[0] + " " + argv[1] + " failed:\n" + process.output());
    return process.output();
  }

 private:
  SdkPrefix() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-sdk-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    try {
      build();
    } catch (const std::runtime_error& error) {
      trouble_ = error.what();
    }
  }

  void build() const {
    const std::string tree = std::filesystem::path(BINARY_ROOT).parent_path();
    const auto first = directory_ / "first";
    run({"cmake", "--install", tree, "--prefix", first});
    std::filesystem::rename(first, prefix());  // it must not depend on where it was installed
    for (const char* example : {"word_count", "long_job"}) {
      const std::string source = std::string(SOURCE_ROOT) + "/examples/" + example;
      const std::string binary = directory_ / "examples" / example;
      run({"cmake", "-S", source, "-B", binary, "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + prefix().string(),
           "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror"});
      run({"cmake", "--build", binary});
    }
  }

  std::filesystem::path directory_;
  std::string trouble_;
  mutable int runs_ = 0;
};

}  // namespace ringmaster

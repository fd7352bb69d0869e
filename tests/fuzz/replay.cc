// Runs a fuzz target over its committed corpus, and over damaged copies of each input: what continuous
// integration runs in place of libFuzzer. The damage comes from fixed seeds, so a failure repeats.
//
//   fuzz_<target> FILE_OR_DIRECTORY…
#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr unsigned kDamagedCopies = 32;

// What runs now, for the handler of a crash.
std::array<char, 512> current{};

void on_crash(int signal_number) {
  const auto end = std::find(current.begin(), current.end(), '\0');
  (void)!::write(STDERR_FILENO, current.data(), static_cast<std::size_t>(end - current.begin()));
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void run(const std::string& name, unsigned copy, const std::string& bytes) {
  std::snprintf(current.data(), current.size(), "fuzz: in %s, copy %u (0: as it is)\n", name.c_str(), copy);
  // An exact allocation: AddressSanitizer sees a read behind its end.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

// Some bytes changed, removed, repeated or cut off.
std::string damaged(std::string bytes, unsigned seed) {
  std::mt19937 random(seed);
  for (unsigned changes = random() % 4 + 1; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random() % bytes.size();
    const std::size_t size = std::min<std::size_t>(random() % 16 + 1, bytes.size() - at);
    switch (random() % 5) {
      case 0:
        bytes.erase(at, size);
        break;
      case 1:
        bytes.insert(at, bytes.substr(at, size));
        break;
      case 2:
        bytes.resize(at);
        break;
      default:
        bytes[at] = static_cast<char>(random());
    }
  }
  return bytes;
}

std::vector<std::filesystem::path> inputs_of(int argc, char** argv) {
  std::vector<std::filesystem::path> inputs;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      inputs.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) inputs.push_back(entry.path());
  }
  std::ranges::sort(inputs);
  return inputs;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, &on_crash);
  std::signal(SIGSEGV, &on_crash);
  const auto inputs = inputs_of(argc, argv);
  for (const auto& path : inputs) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "fuzz: cannot read %s\n", path.c_str());
      return 1;
    }
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    run(path.string(), 0, bytes);
    for (unsigned copy = 1; copy <= kDamagedCopies; ++copy) run(path.string(), copy, damaged(bytes, copy));
  }
  std::printf("%zu inputs and %u damaged copies of each: nothing found\n", inputs.size(), kDamagedCopies);
  return inputs.empty() ? 1 : 0;
}

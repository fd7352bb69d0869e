// word_count_worker <node id> <data dir> <zookeeper> [cluster]: counts the words of files, by a blocking
// handler with a typed payload and a typed result. Stops on SIGTERM.
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <ringmaster/worker.h>

#include "word_count.h"

namespace rm = ringmaster::sdk;

namespace {

WordCount count_words(rm::Attempt& attempt, const CountWords& order) {
  std::error_code no_size;
  const auto size = std::filesystem::file_size(order.path, no_size);
  // Another attempt would find the same: it fails for good.
  if (no_size) throw rm::PermanentFailure(order.path + ": " + no_size.message());
  std::ifstream file(order.path, std::ios::binary);
  std::vector<char> block(64 * 1024);
  WordCount count;
  bool in_word = false;
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    if (attempt.stop_token().stop_requested()) throw std::runtime_error("stopped");
    const auto end = block.begin() + file.gcount();
    for (auto at = block.begin(); at != end; ++at) {
      const bool space = std::isspace(static_cast<unsigned char>(*at)) != 0;
      if (!space && !in_word) ++count.words;
      in_word = !space;
    }
    count.bytes += static_cast<std::uint64_t>(file.gcount());
    attempt.progress(static_cast<double>(count.bytes) / static_cast<double>(size), order.path);
  }
  if (file.bad()) throw std::runtime_error(order.path + ": cannot be read to its end");  // a retry may help
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: word_count_worker <node id> <data dir> <zookeeper> [cluster]\n");
    return 2;
  }
  rm::WorkerOptions options;
  options.node_id = argv[1];
  options.data_dir = argv[2];
  options.zookeeper = argv[3];
  if (argc > 4) options.cluster = argv[4];
  options.groups = {"words"};
  rm::Worker worker(options);
  worker.handle<CountWords>("count_words", count_words);
  const auto served = worker.run();
  if (!served) std::fprintf(stderr, "word_count_worker: %s\n", served.error().message.c_str());
  return served ? 0 : 1;
}

// word_count_client <master> <cluster> <file>...: has the words of all files counted, in one batch, and
// prints the counts in their order. Exit code 1 if any could not be counted.
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <ringmaster/client.h>

#include "word_count.h"

namespace rm = ringmaster::sdk;

namespace {

int complain(const rm::Error& error) {
  std::fprintf(stderr, "word_count_client: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: word_count_client <master> <cluster> <file>...\n");
    return 2;
  }
  auto client = rm::Client::connect({.addresses = {argv[1]}, .cluster = argv[2]});
  if (!client) return complain(client.error());

  std::vector<rm::NewTask> tasks;
  for (int i = 3; i < argc; ++i) {
    auto task = rm::NewTask::of("count_words", CountWords{argv[i]});
    task.group = "words";
    task.timeout = std::chrono::minutes(5);
    task.retry.max_attempts = 3;
    tasks.push_back(std::move(task));
  }
  const auto ids = client->submit_batch(std::move(tasks));
  if (!ids) return complain(ids.error());

  int failed = 0;
  for (const rm::TaskId id : *ids) {
    const auto view = client->wait(id, std::chrono::minutes(10));
    if (!view) return complain(view.error());
    if (view->state == rm::TaskState::succeeded) {
      const auto count = view->result_as<WordCount>();
      std::printf("%s %llu words %llu bytes\n", id.text().c_str(),
                  static_cast<unsigned long long>(count.words), static_cast<unsigned long long>(count.bytes));
    } else {
      const std::string why = view->result ? view->result->message : "";
      std::printf("%s %s %s\n", id.text().c_str(), std::string(to_string(view->state)).c_str(), why.c_str());
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}

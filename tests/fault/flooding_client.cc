// flooding_client ADDRESS SECRET REQUESTS: asks a master for so many large pages at once, says `asked`, and
// stops itself, so that it reads none of the answers.
#include <cstdio>
#include <cstdlib>

#include <signal.h>

#include "client/client.h"

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  ringmaster::ClientOptions options{.addresses = {argv[1]}, .cluster = "test", .secret = argv[2]};
  auto client = ringmaster::Client::connect(std::move(options));
  if (!client) {
    std::fprintf(stderr, "%s\n", client.error().message.c_str());
    return 1;
  }
  for (int i = std::atoi(argv[3]); i > 0; --i)
    (*client)->call(ringmaster::ListRequest{.limit = 1'000}, std::chrono::minutes(5), [](const auto&) {});
  // Its requests leave in their order: this one is answered when all of them are on their way.
  (void)(*client)->cluster();
  std::printf("asked\n");
  std::fflush(stdout);
  ::raise(SIGSTOP);
  return 0;
}

// Prints how fast attempts of `true` run beside what the machine does without any of this, in the same run.
#include <cstdio>

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include "tests/unit/worker/runner_fixture.h"

namespace ringmaster {
namespace {

constexpr int kProcesses = 1500;
constexpr int kSlots = 16;

double rate_since(std::chrono::steady_clock::time_point begin) {
  return kProcesses / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// A small process spawns and waits, `window` at a time. Answers processes a second.
double raw_rate(int window) {
  int result[2];
  if (::pipe(result) != 0) return 0;
  const pid_t small = ::fork();
  if (small == 0) {
    const auto begin = std::chrono::steady_clock::now();
    int running = 0;
    for (int i = 0; i < kProcesses; ++i) {
      if (running == window && ::wait(nullptr) > 0) --running;
      const pid_t child = ::vfork();
      if (child == 0) {
        ::execl("/bin/true", "true", nullptr);
        ::_exit(127);
      }
      ++running;
    }
    while (::wait(nullptr) > 0) {
    }
    const double rate = rate_since(begin);
    [[maybe_unused]] const ssize_t written = ::write(result[1], &rate, sizeof rate);
    ::_exit(0);
  }
  double rate = 0;
  EXPECT_EQ(::read(result[0], &rate, sizeof rate), static_cast<ssize_t>(sizeof rate));
  ::waitpid(small, nullptr, 0);
  ::close(result[0]);
  ::close(result[1]);
  return rate;
}

TEST(SpawnRate, IsPrintedBesideTheRawRate) {
  const TempDirectory directory;
  RunnerWorld world(directory.path());
  world.run(R"({"argv":["/bin/true"]})");
  const double one_by_one = raw_rate(1);
  const double windowed = raw_rate(kSlots);
  const auto begin = std::chrono::steady_clock::now();
  std::size_t started = 1;
  const std::size_t all = kProcesses + 1;
  while (world.handler.finished.size() < all) {
    while (started < all && started - world.handler.finished.size() < kSlots) {
      world.start(token_of(static_cast<std::int64_t>(started++)), R"({"argv":["/bin/true"]})");
    }
    const auto before = world.handler.finished.size();
    ASSERT_TRUE(world.run_until([&] { return world.handler.finished.size() > before; }));
  }
  const double ours = rate_since(begin);
  std::printf(
      "spawn rate of true: %.0f/s with %d slots; raw vfork+exec+wait: %.0f/s one by one (%.0f%%), %.0f/s "
      "with "
      "%d at a time (%.0f%%)\n",
      ours, kSlots, one_by_one, 100 * ours / one_by_one, windowed, kSlots, 100 * ours / windowed);
  for (const auto& [token, result] : world.handler.finished) EXPECT_EQ(result.outcome, Outcome::succeeded);
}

}  // namespace
}  // namespace ringmaster

// Prints how fast attempts of `true` run, and what processor time each costs, beside what the machine does
// without any of this, in turns within the same run.
#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/worker/runner_fixture.h"

namespace ringmaster {
namespace {

constexpr int kRounds = 5;
constexpr int kProcesses = 300;  // a round
constexpr int kSlots = 16;

struct Cost {
  double rate = 0;        // processes a second
  double cpu_micros = 0;  // of processor time a process, its own and its parents'
};

double micros(const timeval& time) {
  return 1e6 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec);
}

double used_cpu(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

// Of another process and the children that it has reaped, from the kernel's ticks.
double used_cpu_of(pid_t pid) {
  auto text = contents("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double ticks = 0;
  for (int i = 14; i < 18; ++i) {
    double value = 0;
    fields >> value;
    ticks += value;
  }
  return 1e6 * ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

template <class Work>
double rate_of(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return kProcesses / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Apart from its caller's variables, because the child of vfork() shares them.
[[gnu::noinline]] void spawn_true() {
  if (::vfork() != 0) return;
  ::execl("/bin/true", "true", nullptr);
  ::_exit(127);
}

void spawn_and_wait(int window) {
  int running = 0;
  for (int i = 0; i < kProcesses; ++i) {
    if (running == window && ::wait(nullptr) > 0) --running;
    spawn_true();
    ++running;
  }
  while (::wait(nullptr) > 0) {
  }
}

// A small process of its own, with `window` children at a time.
Cost measure_raw(int window) {
  std::array<int, 2> result{};
  if (::pipe(result.data()) != 0) return {};
  const pid_t small = ::fork();
  if (small == 0) {
    Cost cost;
    cost.rate = rate_of([&] { spawn_and_wait(window); });
    cost.cpu_micros = (used_cpu(RUSAGE_SELF) + used_cpu(RUSAGE_CHILDREN)) / kProcesses;
    [[maybe_unused]] const ssize_t written = ::write(result[1], &cost, sizeof cost);
    ::_exit(0);
  }
  Cost cost;
  EXPECT_EQ(::read(result[0], &cost, sizeof cost), static_cast<ssize_t>(sizeof cost));
  ::waitpid(small, nullptr, 0);
  ::close(result[0]);
  ::close(result[1]);
  return cost;
}

Cost measure_ours(RunnerWorld& world) {
  world.handler = {};
  std::size_t started = 0;
  const double before = used_cpu_of(world.supervisor_pid) + used_cpu(RUSAGE_SELF);
  Cost cost;
  cost.rate = rate_of([&] {
    while (world.handler.finished.size() < kProcesses) {
      while (started < kProcesses && started - world.handler.finished.size() < kSlots) {
        world.start(token_of(static_cast<std::int64_t>(++started)), R"({"argv":["/bin/true"]})");
      }
      const auto finished = world.handler.finished.size();
      if (!world.run_until([&] { return world.handler.finished.size() > finished; })) return;
    }
  });
  cost.cpu_micros = (used_cpu_of(world.supervisor_pid) + used_cpu(RUSAGE_SELF) - before) / kProcesses;
  for (const auto& [token, result] : world.handler.finished) EXPECT_EQ(result.outcome, Outcome::succeeded);
  return cost;
}

Cost median(std::vector<Cost> costs) {
  const auto middle = costs.begin() + static_cast<std::ptrdiff_t>(costs.size() / 2);
  std::ranges::nth_element(costs, middle, {}, &Cost::rate);
  const double rate = middle->rate;
  std::ranges::nth_element(costs, middle, {}, &Cost::cpu_micros);
  return {rate, middle->cpu_micros};
}

TEST(SpawnRate, IsPrintedBesideTheRawRate) {
  const TempDirectory directory;
  RunnerWorld world(directory.path());
  std::vector<Cost> single, windowed, ours;
  for (int round = 0; round < kRounds; ++round) {
    single.push_back(measure_raw(1));
    windowed.push_back(measure_raw(kSlots));
    ours.push_back(measure_ours(world));
    ASSERT_EQ(world.handler.finished.size(), static_cast<std::size_t>(kProcesses));
  }
  const Cost our = median(ours);
  std::printf("spawn rate of `true`, median of %d rounds: %.0f/s with %d slots, %.0f us of cpu each\n",
              kRounds, our.rate, kSlots, our.cpu_micros);
  for (const auto& [window, raw] : {std::pair{1, median(single)}, std::pair{kSlots, median(windowed)}}) {
    std::printf("  raw vfork + exec + wait, %d at a time: %.0f/s (we: %.0f%%), %.0f us of cpu each\n", window,
                raw.rate, 100 * our.rate / raw.rate, raw.cpu_micros);
  }
}

}  // namespace
}  // namespace ringmaster

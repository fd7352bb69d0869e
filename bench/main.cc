// ringbench ring|rpc|tasks|backlog|endurance|masters|workers|http|failover [options]
#include <array>
#include <cstdio>
#include <exception>
#include <string_view>

#include "bench/bench.h"

namespace {

struct Benchmark {
  std::string_view name;
  int (*run)(int, char**);
};
constexpr std::array<Benchmark, 9> kBenchmarks{{{"ring", ringmaster::bench_ring},
                                                {"rpc", ringmaster::bench_rpc},
                                                {"tasks", ringmaster::bench_tasks},
                                                {"backlog", ringmaster::bench_backlog},
                                                {"endurance", ringmaster::bench_endurance},
                                                {"masters", ringmaster::bench_masters},
                                                {"workers", ringmaster::bench_workers},
                                                {"http", ringmaster::bench_http},
                                                {"failover", ringmaster::bench_failover}}};

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  for (const Benchmark& benchmark : kBenchmarks) {
    if (benchmark.name == wanted) return benchmark.run(argc - 1, argv + 1);
  }
  std::fputs("usage: ringbench ring|rpc|tasks|backlog|endurance|masters|workers|http|failover [options]\n",
             stderr);
  return wanted == "--help" || wanted == "-h" ? 0 : 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "ringbench: %s\n", error.what());
  return 1;
}

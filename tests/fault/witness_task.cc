// witness_task FILE MILLISECONDS [EXIT_CODE [BEAT]]: what a fault test's process tasks run. It appends a line
// to FILE when it begins, every BEAT (50) milliseconds while it lives, and when it ends:
//   <begin|alive|end> <task id> <epoch> <attempt> <CLOCK_BOOTTIME, microseconds> <pid>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

namespace {

constexpr std::int64_t kBeat = 50;  // milliseconds

std::int64_t boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

void sleep_for(std::int64_t microseconds) {
  const timespec time{microseconds / 1'000'000, microseconds % 1'000'000 * 1000};
  ::nanosleep(&time, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const char* task = std::getenv("RINGMASTER_TASK_ID");
  const char* fence = std::getenv("RINGMASTER_FENCE");
  if (argc < 3 || task == nullptr || fence == nullptr) return 64;
  long long epoch = 0;
  long long attempt = 0;
  if (std::sscanf(fence, "%lld.%lld", &epoch, &attempt) != 2) return 64;
  const int file = ::open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return 65;
  // One write, so that lines of many processes do not mix.
  const auto say = [&](const char* what) {
    char line[160];
    const int size = std::snprintf(line, sizeof line, "%s %s %lld %lld %lld %d\n", what, task, epoch, attempt,
                                   static_cast<long long>(boot_time()), static_cast<int>(::getpid()));
    return ::write(file, line, static_cast<std::size_t>(size)) == size;
  };
  if (!say("begin")) return 66;
  const std::int64_t beat = 1000 * (argc > 4 ? std::atoll(argv[4]) : kBeat);
  const std::int64_t until = boot_time() + std::atoll(argv[2]) * 1000;
  for (std::int64_t left = until - boot_time(); left > 0; left = until - boot_time()) {
    sleep_for(left < beat ? left : beat);
    if (left > beat) say("alive");
  }
  if (!say("end")) return 66;
  return argc > 3 ? std::atoi(argv[3]) : 0;
}

// What is told of a process by its environment, however it hides it.
#include <thread>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/supervisor_strays.h"

namespace ringmaster {
namespace {

constexpr auto kMark = "PATH=";  // a child that was forked has this process's environment

// A child that does something, writes a line, and lives until it is killed.
class Child {
 public:
  explicit Child(const std::function<void()>& act) : pid_(::fork()) {
    if (pid_ != 0) {
      EXPECT_EQ(said_.line(), "done");
      return;
    }
    // On a stack of its own: the first one may lose its end, where the environment is.
    std::thread([&] {
      act();
      [[maybe_unused]] const ssize_t written = ::write(file_, "done\n", 5);
      while (true) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(file_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }

 private:
  TempDirectory directory_;
  LinePipe said_{directory_.path() + "/pipe"};
  int file_ = ::open(said_.path().c_str(), O_WRONLY | O_CLOEXEC);
  pid_t pid_;
};

// Takes the memory with the environment away.
void hide_environment() {
  std::istringstream fields(contents("/proc/thread-self/stat"));  // the first thread has no memory any more
  std::string field;
  std::uintptr_t begin = 0, end = 0;
  for (int i = 1; i <= 51 && fields >> field; ++i) {
    if (i == 50) begin = std::stoull(field);
    if (i == 51) end = std::stoull(field);
  }
  const std::uintptr_t page = 4096;
  begin = begin / page * page;
  ::munmap(reinterpret_cast<void*>(begin), (end + page - 1) / page * page - begin);
}

TEST(Strays, AreKnownByTheirThreadsWhenTheFirstHasEnded) {
  const Child child([] {});
  while (contents("/proc/" + std::to_string(child.pid()) + "/stat").find(") Z ") == std::string::npos)
    std::this_thread::yield();
  EXPECT_EQ(kill_if_marked(child.pid(), "NO_SUCH_MARK="), MarkFate::other);
  EXPECT_EQ(kill_if_marked(child.pid(), kMark), MarkFate::killed);
  EXPECT_TRUE(ends(child.pid()));
}

TEST(Strays, WhoTakesItsEnvironmentAwayHasClearedIt) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer itself reads the memory that the child takes away";
#endif
  const Child child(hide_environment);
  EXPECT_EQ(kill_if_marked(child.pid(), kMark), MarkFate::cleared);
}

}  // namespace
}  // namespace ringmaster

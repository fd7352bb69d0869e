// A library to preload: fsync and fdatasync fail with EIO while the file named by FAILING_FSYNC exists.
#include <cerrno>
#include <cstdlib>

#include <sys/syscall.h>
#include <unistd.h>

namespace {

int sync_or_fail(long call, int fd) {
  const char* while_exists = std::getenv("FAILING_FSYNC");
  if (while_exists == nullptr || ::access(while_exists, F_OK) != 0)
    return static_cast<int>(::syscall(call, fd));
  errno = EIO;
  return -1;
}

}  // namespace

extern "C" int fsync(int fd) {
  return sync_or_fail(SYS_fsync, fd);
}
extern "C" int fdatasync(int fd) {
  return sync_or_fail(SYS_fdatasync, fd);
}

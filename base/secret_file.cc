#include "base/secret_file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmaster {
namespace {

constexpr std::size_t kMaxSecret = 4096;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// One byte more than allowed, so that a file that is too long shows.
bool read_all(int fd, std::string& content) {
  content.resize(kMaxSecret + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(fd, content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  content.resize(size);
  return true;
}

}  // namespace

Result<std::string> read_secret_file(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::invalid_argument, "secret file " + path + ": " + why, "secret_file");
  };
  const auto refuse_with_errno = [&] { return refuse(std::generic_category().message(errno)); };
  // The checks are made on what was opened, not on what the name may stand for a moment later. O_NONBLOCK:
  // opening a FIFO would otherwise wait for a writer.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status{};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return refuse_with_errno();
  if (!S_ISREG(status.st_mode)) return refuse("not a regular file");
  const auto mode = status.st_mode & 07777;
  if (mode != 0600 && mode != 0400) return refuse("others may read or change it; run chmod 600 on it");
  std::string secret;
  if (!read_all(file.get(), secret)) return refuse_with_errno();
  if (secret.size() > kMaxSecret) return refuse("longer than 4096 bytes");
  if (secret.ends_with('\n')) secret.pop_back();
  if (secret.ends_with('\r')) secret.pop_back();
  if (secret.empty()) return refuse("empty; write a random secret of at least 32 characters into it");
  return secret;
}

}  // namespace ringmaster

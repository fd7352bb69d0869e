#include "worker/output_log.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/secret_store.h"

namespace ringmaster {

OutputLog::~OutputLog() {
  if (file_ >= 0) ::close(file_);
}

void OutputLog::append(std::string_view bytes) {
  if (bytes.empty()) return;
  tail_ += bytes.substr(bytes.size() - std::min(bytes.size(), kMaxOutputTail));
  if (tail_.size() > 2 * kMaxOutputTail) tail_.erase(0, tail_.size() - kMaxOutputTail);
  if (full_ || error_ != 0) return;
  if (file_ < 0) open();
  if (full_) return;
  const auto room = limit_ - std::min(limit_, size_);
  write(bytes.substr(0, room));
  if (bytes.size() > room) {
    full_ = true;
    write("\n[output beyond " + std::to_string(limit_) + " bytes is dropped]\n");
  }
}

std::string OutputLog::take_tail(const std::vector<std::string>& secrets) {
  redact(tail_, secrets, true);
  if (tail_.size() > kMaxOutputTail) tail_.erase(0, tail_.size() - kMaxOutputTail);
  return std::move(tail_);
}

void OutputLog::open() {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
  struct stat status{};
  if (file_ < 0 || ::fstat(file_, &status) != 0) {
    error_ = errno;
    return;
  }
  // The same attempt may have run before, under an older epoch: the bound is the file's.
  size_ = static_cast<std::uint64_t>(status.st_size);
  full_ = size_ > limit_;  // its last line says so already
}

void OutputLog::write(std::string_view bytes) {
  while (error_ == 0 && !bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno != EINTR) error_ = errno;
      continue;
    }
    size_ += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace ringmaster

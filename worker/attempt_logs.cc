#include "worker/attempt_logs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmaster {

std::string log_path(const std::string& directory, TaskId task, Attempt attempt) {
  return directory + "/" + to_string(task) + "." + std::to_string(attempt) + ".log";
}

Result<LogReply> AttemptLogs::read(const LogRequest& request) const {
  LogReply reply;
  reply.attempt = request.attempt;
  reply.next = request.offset;
  const std::string path = log_path(directory_, request.id, request.attempt);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0 && errno == ENOENT) return reply;
  reply.bytes.resize(std::min(request.limit, kMaxLogBytes));
  const ssize_t count =
      file < 0 ? -1
               : ::pread(file, reply.bytes.data(), reply.bytes.size(), static_cast<off_t>(request.offset));
  const int error = errno;
  if (file >= 0) ::close(file);
  if (count < 0) return fail(ErrorCode::unavailable, "cannot read " + path + ": " + std::strerror(error));
  reply.bytes.resize(static_cast<std::size_t>(count));
  reply.next += static_cast<std::uint64_t>(count);
  return reply;
}

bool AttemptLogs::remove_some(WallTime before, std::size_t count) {
  std::error_code ignored;
  if (next_ == std::filesystem::directory_iterator())
    next_ = std::filesystem::directory_iterator(directory_, ignored);
  for (; count > 0 && next_ != std::filesystem::directory_iterator(); --count) {
    const std::string path = next_->path();
    next_.increment(ignored);  // first: what follows may delete what it stands on
    struct stat status{};
    if (!path.ends_with(".log") || ::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (from_unix_micros(std::int64_t{status.st_mtim.tv_sec} * 1'000'000) < before) ::unlink(path.c_str());
  }
  return next_ == std::filesystem::directory_iterator();
}

}  // namespace ringmaster

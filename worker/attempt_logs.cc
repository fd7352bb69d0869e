#include "worker/attempt_logs.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/output_log.h"

namespace ringmaster {
namespace {

constexpr std::string_view kLogEnding = ".log", kRotatedEnding = ".log.1";

// One file of output, open.
class SegmentFile {
 public:
  explicit SegmentFile(const std::string& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
    if (file_ < 0 || !read_log_segment(file_, segment_)) error_ = errno;
  }
  ~SegmentFile() {
    if (file_ >= 0) ::close(file_);
  }
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  int error() const { return error_; }
  const LogSegment& segment() const { return segment_; }
  // Appends what it has from position `at` to before `end`, at most `room` bytes. False: error().
  bool read(std::uint64_t at, std::uint64_t end, std::size_t room, std::string& bytes) {
    if (at < segment_.begin || at >= end) return true;
    const auto size = bytes.size();
    bytes.resize(size + std::min<std::uint64_t>(room, end - at));
    const auto offset = static_cast<off_t>(segment_.mark_bytes + at - segment_.begin);
    const ssize_t count = ::pread(file_, bytes.data() + size, bytes.size() - size, offset);
    if (count < 0) error_ = errno;
    bytes.resize(size + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return count >= 0;
  }

 private:
  int file_;
  LogSegment segment_;
  int error_ = 0;
};

std::unexpected<Error> cannot_read(const std::string& path, int error) {
  return fail(ErrorCode::unavailable, "cannot read " + path + ": " + std::strerror(error));
}

// Whose `task_….<attempt>.log` it is; none: it is another file.
std::optional<std::pair<TaskId, Attempt>> owner_of(const std::string& path) {
  if (!path.ends_with(kLogEnding) && !path.ends_with(kRotatedEnding)) return std::nullopt;
  const auto name = std::string_view(path).substr(path.rfind('/') + 1);
  const auto dot = std::min(name.find('.'), name.size() - 1);
  const auto task = parse_task_id(name.substr(0, dot));
  Attempt attempt = 0;
  const auto [end, error] = std::from_chars(name.data() + dot + 1, name.data() + name.size(), attempt);
  if (!task || error != std::errc() ||
      !std::string_view(end, name.data() + name.size()).starts_with(kLogEnding))
    return std::nullopt;
  return std::pair(*task, attempt);
}

}  // namespace

std::string log_path(const std::string& directory, TaskId task, Attempt attempt) {
  return directory + "/" + to_string(task) + "." + std::to_string(attempt) + std::string(kLogEnding);
}

// The newest file first: should it be rotated away meanwhile, it is still the one that was opened, and what
// is found in its old place begins where it begins.
Result<LogReply> AttemptLogs::read(const LogRequest& request) const {
  LogReply reply;
  reply.attempt = request.attempt;
  reply.next = request.offset;
  const std::string path = log_path(directory_, request.id, request.attempt);
  SegmentFile newest(path);
  if (newest.error() == ENOENT) return reply;
  if (newest.error() != 0) return cannot_read(path, newest.error());
  const std::size_t limit = std::min(request.limit, kMaxLogBytes);
  const auto begin = newest.segment().begin;
  if (reply.next < begin) {
    SegmentFile older(rotated_log_path(path));
    if (older.error() != 0 && older.error() != ENOENT) return cannot_read(path + ".1", older.error());
    if (older.error() == 0) reply.next = std::min(begin, std::max(reply.next, older.segment().begin));
    if (older.error() == 0 && !older.read(reply.next, begin, limit, reply.bytes))
      return cannot_read(path + ".1", older.error());
    reply.next += reply.bytes.size();
    if (reply.bytes.size() == limit) return reply;
    if (reply.bytes.empty()) reply.next = begin;
    if (reply.next != begin) return reply;  // cut short; a later call goes on
  }
  const auto before = reply.bytes.size();
  if (!newest.read(reply.next, std::numeric_limits<std::uint64_t>::max(), limit - before, reply.bytes))
    return cannot_read(path, newest.error());
  reply.next += reply.bytes.size() - before;
  return reply;
}

bool AttemptLogs::remove_some(const Bounds& bounds, std::size_t count) {
  if (trimmed_ < found_.size() && next_ == std::filesystem::directory_iterator()) return trim(bounds, count);
  std::error_code ignored;
  if (next_ == std::filesystem::directory_iterator())
    next_ = std::filesystem::directory_iterator(directory_, ignored);
  for (; count > 0 && next_ != std::filesystem::directory_iterator(); --count) {
    const std::string path = next_->path();
    next_.increment(ignored);  // first: what follows may delete what it stands on
    look_at(path, bounds);
  }
  if (next_ != std::filesystem::directory_iterator()) return false;
  std::ranges::sort(found_, {}, &Found::written_at);
  return trim(bounds, count);
}

void AttemptLogs::look_at(const std::string& path, const Bounds& bounds) {
  const auto owner = owner_of(path);
  struct stat status{};
  if (!owner || ::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  const WallTime written_at = from_unix_micros(std::int64_t{status.st_mtim.tv_sec} * 1'000'000);
  if (written_at < bounds.before && !bounds.runs(owner->first, owner->second)) {
    ::unlink(path.c_str());
    return;
  }
  if (bounds.total_bytes == 0) return;
  const auto bytes = static_cast<std::uint64_t>(status.st_blocks) * 512;  // what it takes, not what it says
  found_.push_back({written_at, bytes, path, owner->first, owner->second});
  found_bytes_ += bytes;
}

// The oldest first, until the rest fits.
bool AttemptLogs::trim(const Bounds& bounds, std::size_t count) {
  for (; count > 0 && trimmed_ < found_.size() && found_bytes_ > bounds.total_bytes; --count) {
    const Found& oldest = found_[trimmed_++];
    if (bounds.runs(oldest.task, oldest.attempt) || ::unlink(oldest.path.c_str()) != 0) continue;
    found_bytes_ -= oldest.bytes;
  }
  if (trimmed_ < found_.size() && found_bytes_ > bounds.total_bytes) return false;
  found_.clear();
  found_bytes_ = trimmed_ = 0;
  return true;
}

}  // namespace ringmaster

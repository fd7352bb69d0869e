#include "worker/output_log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/secret_store.h"

namespace ringmaster {
namespace {

constexpr std::string_view kMarkBegin = "[output from byte ", kMarkEnd = "]\n";
constexpr std::size_t kMarkDigits = 20;
constexpr std::size_t kMarkBytes = kMarkBegin.size() + kMarkDigits + kMarkEnd.size();

std::string make_mark(std::uint64_t begin) {
  const auto digits = std::to_string(begin);
  return std::string(kMarkBegin) + std::string(kMarkDigits - digits.size(), '0') + digits +
         std::string(kMarkEnd);
}

}  // namespace

std::string rotated_log_path(const std::string& path) {
  return path + ".1";
}

bool read_log_segment(int file, LogSegment& segment) {
  struct stat status{};
  std::array<char, kMarkBytes> bytes{};
  const ssize_t count = ::pread(file, bytes.data(), bytes.size(), 0);
  if (count < 0 || ::fstat(file, &status) != 0) return false;
  segment = {};
  segment.output_bytes = static_cast<std::uint64_t>(status.st_size);
  auto text = std::string_view(bytes.data(), static_cast<std::size_t>(count));
  if (text.size() != kMarkBytes || !text.starts_with(kMarkBegin) || !text.ends_with(kMarkEnd)) return true;
  text = text.substr(kMarkBegin.size(), kMarkDigits);
  std::uint64_t begin = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), begin);
  if (error != std::errc() || end != text.data() + text.size()) return true;
  segment = {begin, kMarkBytes, segment.output_bytes - kMarkBytes};
  return true;
}

OutputLog::~OutputLog() {
  if (file_ >= 0) ::close(file_);
}

void OutputLog::append(std::string_view bytes) {
  if (bytes.empty()) return;
  // Without a gap: a secret across one would show in two parts that nobody knows.
  if (bytes.size() >= kMaxOutputTail) tail_.clear();
  tail_ += bytes.substr(bytes.size() - std::min(bytes.size(), 2 * kMaxOutputTail));
  if (tail_.size() > 2 * kMaxOutputTail) tail_.erase(0, tail_.size() - kMaxOutputTail);
  if (error_ == 0 && file_ < 0) open();
  while (error_ == 0 && !bytes.empty()) {
    if (segment_.output_bytes >= limit_) rotate();
    const auto room = limit_ - std::min(limit_, segment_.output_bytes);
    const auto piece = bytes.substr(0, room);
    write(piece);
    segment_.output_bytes += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

std::string OutputLog::take_tail(const std::vector<std::string>& secrets) {
  redact(tail_, secrets, Cut::begin);
  if (tail_.size() > kMaxOutputTail) tail_.erase(0, tail_.size() - kMaxOutputTail);
  return std::move(tail_);
}

// The same attempt may have run before, under an older epoch: it goes on where that one stopped.
void OutputLog::open() {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
  struct stat status{};
  if (file_ < 0 || ::fstat(file_, &status) != 0) error_ = errno;
  if (error_ != 0 || status.st_size == 0) return;
  const int earlier = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (earlier < 0 || !read_log_segment(earlier, segment_)) error_ = errno;
  if (earlier >= 0) ::close(earlier);
}

// A reader may come at any moment: each file says by itself where it stands.
void OutputLog::rotate() {
  if (::rename(path_.c_str(), rotated_log_path(path_).c_str()) != 0) {
    error_ = errno;
    return;
  }
  ::close(file_);
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (file_ < 0) error_ = errno;
  segment_ = {segment_.end(), kMarkBytes, 0};
  write(make_mark(segment_.begin));
}

void OutputLog::write(std::string_view bytes) {
  while (error_ == 0 && !bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno != EINTR) error_ = errno;
      continue;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace ringmaster

#include "ctl/line_reader.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <poll.h>
#include <unistd.h>

namespace ringmaster {

Result<std::optional<std::string>> LineReader::next() {
  std::size_t searched = begin_;
  while (true) {
    const std::size_t found = buffer_.find(delimiter_, searched);
    if (found != std::string::npos || (end_ && begin_ < buffer_.size())) {
      const std::size_t stop = found == std::string::npos ? buffer_.size() : found;
      std::string text = buffer_.substr(begin_, stop - begin_);
      begin_ = found == std::string::npos ? buffer_.size() : found + 1;
      ++line_;
      return text;
    }
    if (end_) return std::nullopt;
    if (buffer_.size() - begin_ > kMaxLine) {
      return fail(ErrorCode::invalid_argument, "line " + std::to_string(line_ + 1) + " is longer than 1 MiB");
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    std::array<char, 65536> chunk;
    const ssize_t size = ::read(fd_, chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      return fail(ErrorCode::unavailable, "cannot read the input: " + std::generic_category().message(errno));
    }
    if (size == 0) end_ = true;
    buffer_.append(chunk.data(), static_cast<std::size_t>(size));
  }
}

bool LineReader::would_block() const {
  if (end_ || buffer_.find(delimiter_, begin_) != std::string::npos) return false;
  pollfd ready{fd_, POLLIN, 0};
  return ::poll(&ready, 1, 0) == 0;
}

}  // namespace ringmaster

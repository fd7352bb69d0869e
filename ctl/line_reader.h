// LineReader: lines of a file descriptor, with the question that a pipeline needs answered: would the next
// one block? Borrows the descriptor. Blocking; one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"

namespace ringmaster {

class LineReader {
 public:
  static constexpr std::size_t kMaxLine = 1024 * 1024;

  explicit LineReader(int fd, char delimiter = '\n') : fd_(fd), delimiter_(delimiter) {}

  // The next line without its delimiter; nothing at the end. A last line without one counts.
  // Errors: unavailable (read error), invalid_argument (longer than kMaxLine).
  Result<std::optional<std::string>> next();
  bool would_block() const;                   // no whole line is here, and none is ready to be read
  std::size_t line() const { return line_; }  // number of the last line, from 1

 private:
  int fd_;
  char delimiter_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t line_ = 0;
  bool end_ = false;
};

}  // namespace ringmaster

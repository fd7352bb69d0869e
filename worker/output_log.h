// OutputLog: where the output of one attempt goes. The whole of it up to a bound into a file, which is made
// when the first byte comes; its end into memory. A file that cannot be written loses output, never the
// attempt. Lives in the supervisor's only thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"

namespace ringmaster {

class OutputLog {
 public:
  // The file at `path` is appended to and never grows beyond `limit` bytes and one line that says so.
  OutputLog(std::string path, std::uint64_t limit) : path_(std::move(path)), limit_(limit) {}
  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  void append(std::string_view bytes);
  // The last bytes, at most kMaxOutputTail, without these; possibly cut within a character.
  std::string take_tail(const std::vector<std::string>& secrets = {});
  // errno of the first failure to write the file; 0: there was none.
  int error() const { return error_; }

 private:
  void open();
  void write(std::string_view bytes);

  std::string path_;
  std::uint64_t limit_;
  std::uint64_t size_ = 0;
  int file_ = -1;
  int error_ = 0;
  bool full_ = false;
  std::string tail_;  // up to twice what is kept, so that cutting it is rare
};

}  // namespace ringmaster

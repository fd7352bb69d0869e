// OutputLog: where the output of one attempt goes. The newest of it into files, which are made when the first
// byte comes; its end into memory. A file that cannot be written loses output, never the attempt. Lives in
// one thread.
//
// There are two files at most, each of up to the bound: the one at `path`, and the one before it at
// `path`.1. A file that does not begin with the attempt's first byte begins with a line that says where it
// goes on, so that a position in the whole stream means the same for as long as the attempt is known.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"

namespace ringmaster {

std::string rotated_log_path(const std::string& path);

// Where a file of output stands in the whole stream.
struct LogSegment {
  std::uint64_t begin = 0;         // position of its first byte of output
  std::uint64_t mark_bytes = 0;    // of the line before that; 0: none
  std::uint64_t output_bytes = 0;  // in it by now
  std::uint64_t end() const { return begin + output_bytes; }
};
// None: it cannot be read; errno says why. An attempt that writes such a line first of all misleads the
// readers of its own output only.
bool read_log_segment(int file, LogSegment& segment);

class OutputLog {
 public:
  // What is at `path` is continued. `limit`: bytes of output in each file, not 0.
  OutputLog(std::string path, std::uint64_t limit) : path_(std::move(path)), limit_(limit) {}
  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  void append(std::string_view bytes);
  // The last bytes, at most kMaxOutputTail, without these; possibly cut within a character.
  std::string take_tail(const std::vector<std::string>& secrets = {});
  // errno of the first failure to write a file; 0: there was none.
  int error() const { return error_; }

 private:
  void open();
  void rotate();
  void write(std::string_view bytes);

  std::string path_;
  std::uint64_t limit_;
  LogSegment segment_;  // of file_
  int file_ = -1;
  int error_ = 0;
  std::string tail_;  // up to twice what is kept, so that cutting it is rare
};

}  // namespace ringmaster

// The files that the output of attempts goes to, one for each attempt, in one directory: their names, reading
// from them, deleting old ones. Any thread that owns it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/api.h"

namespace ringmaster {

std::string log_path(const std::string& directory, TaskId task, Attempt attempt);

class AttemptLogs {
 public:
  explicit AttemptLogs(std::string directory) : directory_(std::move(directory)) {}

  // Answers nothing where there is no file: the attempt has written nothing yet, or it is too long ago.
  // Errors: unavailable.
  Result<LogReply> read(const LogRequest& request) const;
  // Deletes files that nobody has written to since `before`, looking at the next `count` files of the
  // directory. True: that was the last of them, and the next call begins anew.
  bool remove_some(WallTime before, std::size_t count);

 private:
  std::string directory_;
  std::filesystem::directory_iterator next_;
};

}  // namespace ringmaster

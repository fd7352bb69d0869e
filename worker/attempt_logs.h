// AttemptLogs: the files that the output of attempts goes to, one for each attempt, in one directory. Names
// them, reads from them, deletes old ones. Any thread that owns it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/api.h"

namespace ringmaster {

class AttemptLogs {
 public:
  explicit AttemptLogs(std::string directory) : directory_(std::move(directory)) {}

  std::string path_of(TaskId task, Attempt attempt) const;
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

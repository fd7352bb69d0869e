// The files that the output of attempts goes to (output_log.h), in one directory: their names, reading from
// them, deleting old ones. Any thread that owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/api.h"

namespace ringmaster {

std::string log_path(const std::string& directory, TaskId task, Attempt attempt);

class AttemptLogs {
 public:
  // What is kept: files that somebody has written to since `before`, and of them the newest, up to
  // `total_bytes` together (0: all); whatever `runs` is kept.
  struct Bounds {
    WallTime before{};
    std::uint64_t total_bytes = 0;
    std::function<bool(TaskId, Attempt)> runs = [](TaskId, Attempt) { return false; };
  };

  explicit AttemptLogs(std::string directory) : directory_(std::move(directory)) {}

  // Answers nothing where there is no file: the attempt has written nothing yet, or it is too long ago. What
  // is not kept any more is passed over: then the bytes, which end at `next`, begin behind the request's
  // offset. Errors: unavailable.
  Result<LogReply> read(const LogRequest& request) const;
  // Deletes what is not kept, looking at the next `count` files. True: that was the last of them, and the
  // next call begins anew.
  bool remove_some(const Bounds& bounds, std::size_t count);

 private:
  struct Found {
    WallTime written_at{};
    std::uint64_t bytes = 0;
    std::string path;
    TaskId task;
    Attempt attempt = 0;
  };

  void look_at(const std::string& path, const Bounds& bounds);
  bool trim(const Bounds& bounds, std::size_t count);

  std::string directory_;
  std::filesystem::directory_iterator next_;
  std::vector<Found> found_;       // by this round, still there
  std::uint64_t found_bytes_ = 0;  // together
  std::size_t trimmed_ = 0;        // so many of found_ have been looked at for the total
};

}  // namespace ringmaster

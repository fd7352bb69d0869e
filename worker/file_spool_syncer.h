// SpoolSyncer: fsync on a thread of its own, so that a slow disk never stops the loop.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/loop.h"
#include "base/result.h"

namespace ringmaster {

// An open descriptor, closed with its last owner.
class SpoolFile {
 public:
  SpoolFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

using Fsync = std::function<int(int fd)>;  // as fsync(2)

Result<> sync_files(const Fsync& fsync, const std::vector<std::shared_ptr<SpoolFile>>& files);

class SpoolSyncer {
 public:
  using Done = std::move_only_function<void(Result<>)>;

  SpoolSyncer(Loop& loop, Fsync fsync);
  ~SpoolSyncer();  // waits for a running fsync; no `done` runs afterwards
  SpoolSyncer(const SpoolSyncer&) = delete;
  SpoolSyncer& operator=(const SpoolSyncer&) = delete;

  // One at a time: not again before `done` ran, on the loop's thread.
  void sync(std::vector<std::shared_ptr<SpoolFile>> files, Done done);

 private:
  void run();

  Loop& loop_;
  Fsync fsync_;
  Done done_;  // the loop's thread only
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::weak_ptr<int> watch_ = alive_;  // copied by the thread, checked on the loop's
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<std::vector<std::shared_ptr<SpoolFile>>> job_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace ringmaster

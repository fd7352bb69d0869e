// A pipe that tests write to and a LineReader reads from.
#pragma once

#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace ringmaster {

class PipeInput {
 public:
  explicit PipeInput(const std::string& text = {}) {
    EXPECT_EQ(::pipe2(fds_, O_CLOEXEC), 0);
    write(text);
  }
  ~PipeInput() {
    end();
    ::close(fds_[0]);
  }
  PipeInput(const PipeInput&) = delete;
  PipeInput& operator=(const PipeInput&) = delete;

  int fd() const { return fds_[0]; }
  void write(const std::string& text) {  // at most what a pipe holds, 64 KiB
    EXPECT_EQ(::write(fds_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (fds_[1] >= 0) ::close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  int fds_[2] = {-1, -1};
};

}  // namespace ringmaster

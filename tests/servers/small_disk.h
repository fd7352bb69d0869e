// SmallDisk: a file system of a few MiB that a test fills up. A tmpfs in a mount namespace that the calling
// thread and the processes that it starts from then on are alone in. Needs root: else made() is false. One
// thread.
#pragma once

#include <filesystem>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace ringmaster {

class SmallDisk {
 public:
  SmallDisk(std::filesystem::path at, const std::string& size) : at_(std::move(at)) {
    std::filesystem::create_directories(at_);
    made_ = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount("tmpfs", at_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (made_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool made() const { return made_; }
  const std::filesystem::path& path() const { return at_; }

  // To the last page; make_room() undoes it.
  void fill() const {
    const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string page(4096, 'x');
    while (::write(fd, page.data(), page.size()) > 0) {
    }
    ::close(fd);
  }
  void make_room() const { std::filesystem::remove(filler()); }

 private:
  std::string filler() const { return at_ / "filler"; }

  std::filesystem::path at_;
  bool made_ = false;
};

}  // namespace ringmaster

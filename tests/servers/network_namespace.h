// NetworkNamespace: a network of this test's own, with nothing but a loopback device: packets are dropped
// there and nobody else notices. For the calling thread and the processes that it starts, until it is
// destroyed. Making one takes root.
#pragma once

#include <cstring>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmaster {

class NetworkNamespace {
 public:
  NetworkNamespace() {
    outer_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    made_ = outer_ >= 0 && ::unshare(CLONE_NEWNET) == 0;
    if (made_) raise_loopback();
  }
  ~NetworkNamespace() {
    if (made_) ::setns(outer_, CLONE_NEWNET);
    if (outer_ >= 0) ::close(outer_);
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  bool made() const { return made_; }

 private:
  static void raise_loopback() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    ::ioctl(socket, SIOCGIFFLAGS, &request);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    ::ioctl(socket, SIOCSIFFLAGS, &request);
    ::close(socket);
  }

  int outer_ = -1;
  bool made_ = false;
};

}  // namespace ringmaster

// Place: where a server or daemon of a test lives: an address, and the network namespace that has it.
#pragma once

#include <string>

#include <sched.h>

namespace ringmaster {

struct Place {
  std::string address = "127.0.0.1";
  int network = -1;  // a descriptor; -1: the network of whoever starts it

  // In the child between fork and exec. False: it cannot be entered.
  bool enter() const { return network < 0 || ::setns(network, CLONE_NEWNET) == 0; }
  bool on_loopback() const { return network < 0; }
};

}  // namespace ringmaster

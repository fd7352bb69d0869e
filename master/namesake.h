// Namesake: whether a registry node of our own name is in our way. After a crash it is our former life's: it
// stands at our own address, or nobody listens where it stands. Otherwise another daemon uses our node_id; it
// was first, and we do nothing under that name until its node is gone: each would fence the other for ever.
// Pure; one thread.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"

namespace ringmaster {

class Namesake {
 public:
  Namesake(Incarnation self, std::string address) : self_(self), address_(std::move(address)) {}

  // The list shows a node of our name. True: act under it. It stays so: who has once acted goes on.
  bool admits(Incarnation shown, const std::string& address) {
    admitted_ = admitted_ || shown == self_ || address == address_ || refused_at_ == address;
    stands_at_.reset();
    if (!admitted_) stands_at_ = address;
    return admitted_;
  }
  // Whether somebody should be told of the one in our way: once for each.
  bool to_be_told() { return std::exchange(told_, stands_at_) != stands_at_; }
  void on_nothing_shown() { stands_at_.reset(); }
  // Nobody listens where it stands.
  void on_refused() { refused_at_ = stands_at_; }

  // False: another one may act under our name, or we have not seen whether.
  bool admitted() const { return admitted_; }
  // Where the one in our way is to be dialled; none: nobody is.
  const std::optional<std::string>& stands_at() const { return stands_at_; }

 private:
  const Incarnation self_;
  const std::string address_;
  bool admitted_ = false;
  std::optional<std::string> stands_at_, refused_at_, told_;
};

}  // namespace ringmaster

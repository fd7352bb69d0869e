// StatementGate: where a scenario stops single statements of single masters on their way to the database.
// What is stopped keeps the fence row and the generation that it was sent under, so that the database judges
// it by them when it is let through at last. It outlives the stores; one thread.
#pragma once

#include <list>
#include <map>
#include <string>
#include <utility>

#include "base/loop.h"

namespace ringmaster {

class StatementGate {
 public:
  enum class Stop {
    hold,            // its master waits for it, and is answered when it has been let through
    lose,            // its link breaks: `unknown_outcome`, once its fence row is gone (task_store.h)
    lose_unsettled,  // the same without the "once": to try what lies behind that rule
  };
  using Ticket = int;  // 0: none

  // The next `statement` (as TaskStore calls it) that this master sends, and that no earlier call waits for.
  Ticket stop(const std::string& master, const std::string& statement, Stop how = Stop::hold) {
    orders_.push_back({++last_, master, statement, how});
    return last_;
  }
  bool has(Ticket ticket) const { return stopped_.contains(ticket); }
  void release(Ticket ticket) {  // it applies now, as far as the database lets it
    auto stopped = stopped_.extract(ticket);
    if (!stopped.empty()) stopped.mapped()();
  }

  // ---- for the stores ----
  struct Order {
    Ticket ticket = 0;
    std::string master, statement;
    Stop how{};
  };
  // Ticket 0: it may pass.
  Order meet(const std::string& master, const std::string& statement) {
    for (auto it = orders_.begin(); it != orders_.end(); ++it) {
      if (it->master != master || it->statement != statement) continue;
      Order order = std::move(*it);
      orders_.erase(it);
      return order;
    }
    return {};
  }
  void keep(Ticket ticket, Callback apply) { stopped_.emplace(ticket, std::move(apply)); }

 private:
  Ticket last_ = 0;
  std::list<Order> orders_;
  std::map<Ticket, Callback> stopped_;
};

}  // namespace ringmaster

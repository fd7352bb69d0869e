#include "tests/sim/story.h"

#include <type_traits>

namespace ringmaster {

namespace {

std::string text(const Token& token) {
  return to_string(token.task) + "/" + std::to_string(token.epoch) + "/" + std::to_string(token.attempt);
}

std::string tell_one(const Dispatch& d) {
  return text(d.token);
}
std::string tell_one(const ResultAck& a) {
  return text(a.token) + (a.fate == ResultFate::recorded ? " recorded" : " stale");
}
std::string tell_one(const Token& t) {
  return text(t);
}
std::string tell_one(const HeldAttempt& h) {
  constexpr const char* kStates[] = {" queued", " running", " finished"};
  return text(h.token) + kStates[static_cast<int>(h.state)];
}
std::string tell_one(const Ack& a) {
  constexpr const char* kVerdicts[] = {" accepted", " busy", " fenced", " wrong life", " returned"};
  return text(a.token) + kVerdicts[static_cast<int>(a.verdict)];
}
std::string tell_one(const ResultReport& r) {
  return text(r.token) + " " + std::string(to_string(r.result.outcome));
}
std::string tell_one(const Started& s) {
  return text(s.token);
}
std::string tell_one(const ProgressReport& p) {
  return text(p.token) + " " + p.progress.message;
}

template <class Items>
std::string tell_all(const std::string& what, const Items& items) {
  std::string line = what;
  for (const auto& item : items) line += (&item == &items.front() ? " " : ", ") + tell_one(item);
  return line;
}

}  // namespace

std::string tell(const Message& message) {
  return std::visit(
      [](const auto& m) -> std::string {
        using T = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<T, Announce>) {
          return "announce " + std::to_string(m.sequence) + " of " + std::to_string(m.shards.size()) +
                 " shards";
        } else if constexpr (std::is_same_v<T, DispatchBatch>) {
          return tell_all("dispatch", m.items);
        } else if constexpr (std::is_same_v<T, ResultAckBatch>) {
          return tell_all("acknowledge", m.items);
        } else if constexpr (std::is_same_v<T, KillBatch>) {
          return tell_all("kill", m.items);
        } else if constexpr (std::is_same_v<T, MasterStatus>) {
          return "demand " + std::to_string(m.demand);
        } else if constexpr (std::is_same_v<T, Inventory>) {
          return tell_all(
              "inventory " + std::to_string(m.sequence) + (m.last ? "" : " (more follows)") +
                  (m.superseded.empty() ? "" : " superseded " + std::to_string(m.superseded.size())) + ":",
              m.held);
        } else if constexpr (std::is_same_v<T, AckBatch>) {
          return tell_all("answer", m.items);
        } else if constexpr (std::is_same_v<T, ResultBatch>) {
          return tell_all("result", m.items);
        } else if constexpr (std::is_same_v<T, WorkerStatus>) {
          return "credit " + std::to_string(m.credit_limit) + (m.draining ? ", draining" : "");
        } else if constexpr (std::is_same_v<T, LeaseGrant>) {
          return "lease from " + std::to_string(m.status_sent_at.time_since_epoch().count());
        } else if constexpr (std::is_same_v<T, RelayedResults>) {
          return tell_all("relayed for " + m.worker + ": result", m.items);
        } else if constexpr (std::is_same_v<T, RelayedAcks>) {
          return tell_all("relayed to " + m.worker + ": acknowledge", m.items);
        } else if constexpr (std::is_same_v<T, PeerStatus>) {
          return "peer " + std::string(m.writes ? "writes" : "cannot write") + ", misses " +
                 std::to_string(m.missed.size()) + ", reaches " + std::to_string(m.reached.size());
        } else {
          return tell_all("started", m.items);
        }
      },
      message);
}

}  // namespace ringmaster

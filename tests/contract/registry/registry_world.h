// RegistryWorld: a registry's server, any number of sessions with it, and what can go wrong between them. The
// contract suite runs over each implementation.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/asio_loop.h"
#include "registry/registry.h"

namespace ringmaster {

class RegistryWorld {
 public:
  virtual ~RegistryWorld() = default;
  virtual std::unique_ptr<Registry> open_session() = 0;  // numbered from 0
  virtual void cut(std::size_t session) = 0;
  virtual void heal(std::size_t session) = 0;
  // The server ends the session of a cut client. Returns at once; the members vanish some time later.
  virtual void expire_cut(std::size_t session) = 0;
  // What an operator's tool does: deletes the node, whoever made it.
  virtual void remove(Membership set, const std::string& id) = 0;
  // Deletes the node and makes it again as somebody else, faster than anybody can look.
  virtual void replace(Membership set, const std::string& id, const std::string& data) = 0;

  AsioLoop& loop() { return loop_; }

  // Runs the loop until `holds` does. False: it did not within the deadline.
  template <class Predicate>
  bool wait_until(Predicate holds, std::chrono::seconds deadline = std::chrono::seconds(30)) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.context().run_one_for(std::chrono::milliseconds(10));
    }
    return true;
  }

 private:
  AsioLoop loop_;
};

std::unique_ptr<RegistryWorld> make_memory_world();
std::unique_ptr<RegistryWorld> make_zookeeper_world();

// Remembers what one session was told.
struct Observer {
  explicit Observer(Registry& registry) : registry_(registry) {
    registry.on_session([this](SessionState state, std::int64_t generation) {
      states.push_back(state);
      session_generation = generation;
    });
  }

  void watch(Membership set = Membership::workers) {
    registry_.watch(set, [this](const std::vector<Member>& members) {
      ++lists;
      current = members;
    });
  }

  void join(const std::string& id, const std::string& data = "{}", Membership set = Membership::workers) {
    registry_.join(set, id, data, [this](Result<> result) { joined.push_back(std::move(result)); });
  }

  void leave(const std::string& id, Membership set = Membership::workers) {
    registry_.leave(set, id, [this](Result<> result) { left.push_back(std::move(result)); });
  }

  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (const auto& member : current) ids.push_back(member.id);
    return ids;
  }
  bool sees(const std::vector<std::string>& wanted) const { return lists > 0 && ids() == wanted; }

  std::optional<Member> find(const std::string& id) const {
    for (const auto& member : current) {
      if (member.id == id) return member;
    }
    return std::nullopt;
  }
  std::int64_t generation_of(const std::string& id) const {
    const auto member = find(id);
    return member ? member->generation : -1;
  }

  Registry& registry_;
  std::vector<SessionState> states;
  std::int64_t session_generation = 0;
  int lists = 0;
  std::vector<Member> current;
  std::vector<Result<>> joined, left;
};

}  // namespace ringmaster

#include "registry/memory_registry.h"

#include <algorithm>

#include "registry/member_id.h"

namespace ringmaster {

// ---- the hub
// ----------------------------------------------------------------------------------------------------

void MemoryRegistryHub::expire(ClientId client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  const SessionId session = std::exchange(found->second.session, 0);
  MemoryRegistry* registry = found->second.registry;
  if (registry != nullptr && found->second.linked && session != 0) registry->hear_expired();
  if (registry == nullptr) clients_.erase(found);
  end_session(session);
}

void MemoryRegistryHub::disconnect(ClientId client) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || !std::exchange(found->second.linked, false)) return;
  if (found->second.registry != nullptr) found->second.registry->hear_link(false);
}

void MemoryRegistryHub::reconnect(ClientId client) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || std::exchange(found->second.linked, true)) return;
  ++found->second.link;
  if (found->second.registry != nullptr) found->second.registry->hear_link(true);
}

void MemoryRegistryHub::disconnect_all() {
  for (const auto& [id, client] : clients_) disconnect(id);
}

void MemoryRegistryHub::reconnect_all() {
  for (const auto& [id, client] : clients_) reconnect(id);
}

bool MemoryRegistryHub::remove(Membership set, const std::string& id) {
  if (nodes_.erase({set, id}) == 0) return false;
  tell_changed({set});
  return true;
}

void MemoryRegistryHub::replace(Membership set, const std::string& id, std::string data) {
  nodes_.insert_or_assign({set, id}, Node{std::move(data), ++last_generation_, 0});
  tell_changed({set});
}

std::vector<Member> MemoryRegistryHub::members(Membership set) const {
  std::vector<Member> members;
  for (auto it = nodes_.lower_bound({set, ""}); it != nodes_.end() && it->first.first == set; ++it) {
    members.push_back({it->first.second, it->second.data, it->second.generation});
  }
  return members;
}

MemoryRegistryHub::ClientId MemoryRegistryHub::attach(MemoryRegistry* registry) {
  clients_.emplace(++last_client_, Client{.registry = registry});
  return last_client_;
}

std::uint64_t MemoryRegistryHub::link_of(ClientId client) const {
  const Client& known = clients_.at(client);
  return known.linked ? known.link : 0;
}

void MemoryRegistryHub::detach(ClientId client) {
  const auto found = clients_.find(client);
  const SessionId session = found->second.session;
  if (!found->second.linked && session != 0) {
    found->second.registry = nullptr;
    return;
  }
  clients_.erase(found);
  end_session(session);
}

MemoryRegistryHub::SessionId MemoryRegistryHub::open_session(ClientId client) {
  return clients_.at(client).session = ++last_session_;
}

bool MemoryRegistryHub::create(SessionId session, const Key& key, const std::string& data) {
  const auto [node, created] = nodes_.try_emplace(key, Node{data, 0, session});
  if (created) {
    node->second.generation = ++last_generation_;
    tell_changed({key.first});
  }
  return node->second.owner == session;
}

void MemoryRegistryHub::remove_own(SessionId session, const Key& key) {
  const auto node = nodes_.find(key);
  if (node == nodes_.end() || node->second.owner != session) return;
  nodes_.erase(node);
  tell_changed({key.first});
}

void MemoryRegistryHub::end_session(SessionId session) {
  if (session == 0) return;
  std::set<Membership> sets;
  std::erase_if(nodes_, [&](const auto& node) {
    if (node.second.owner != session) return false;
    sets.insert(node.first.first);
    return true;
  });
  tell_changed(sets);
}

void MemoryRegistryHub::tell_changed(const std::set<Membership>& sets) {
  for (const auto& [id, client] : clients_) {
    // A client without link or session reads everything when it has both again.
    if (client.registry == nullptr || !client.linked || client.session == 0) continue;
    for (const Membership set : sets) client.registry->hear_changed(set);
  }
}

// ---- a session
// --------------------------------------------------------------------------------------------------

MemoryRegistry::MemoryRegistry(Loop& loop, MemoryRegistryHub& hub)
    : loop_(loop), hub_(hub), client_(hub.attach(this)) {
  begin_session();
}

MemoryRegistry::~MemoryRegistry() {
  hub_.detach(client_);
}

void MemoryRegistry::join(Membership set, std::string id, std::string data, Joined joined) {
  if (auto valid = validate_member(id, data); !valid) return answer(std::move(joined), std::move(valid));
  Key key{set, std::move(id)};
  if (ours_.contains(key)) {
    return answer(std::move(joined),
                  fail(ErrorCode::already_exists, key.second + " has joined already", "id"));
  }
  ours_.emplace(key, Ours{.data = std::move(data), .joined = std::move(joined), .left = {}});
  settle(key);
}

void MemoryRegistry::leave(Membership set, std::string id, Joined left) {
  const auto found = ours_.find({set, id});
  if (found == ours_.end() || found->second.leaving) {
    return answer(std::move(left), fail(ErrorCode::not_found, id + " has not joined", "id"));
  }
  if (found->second.joined) {
    answer(std::exchange(found->second.joined, nullptr),
           fail(ErrorCode::cancelled, id + " left before it was registered"));
  }
  found->second.left = std::move(left);
  found->second.leaving = true;
  settle(found->first);
}

void MemoryRegistry::watch(Membership set, MembersChanged changed) {
  watches_[set] = Watch{std::make_shared<MembersChanged>(std::move(changed)), std::nullopt};
  exchange([this, set] {
    if (state_ == SessionState::connected) show(set);
  });
}

void MemoryRegistry::on_session(SessionChanged changed) {
  session_changed_ = std::make_shared<SessionChanged>(std::move(changed));
}

void MemoryRegistry::hear_link(bool up) {
  change_pending_.clear();  // a notice that was under way is lost
  if (!up) {
    return deliver([this] {
      if (state_ == SessionState::connected) enter(SessionState::disconnected);
    });
  }
  exchange([this] {
    if (session_ != 0 && hub_.has_session(client_)) return resume();
    if (session_ != 0) enter(SessionState::expired);
    begin_session();
  });
}

void MemoryRegistry::hear_expired() {
  exchange([this] {
    enter(SessionState::expired);
    begin_session();
  });
}

void MemoryRegistry::hear_changed(Membership set) {
  if (!change_pending_.insert(set).second) return;
  exchange([this, set] {
    change_pending_.erase(set);
    if (state_ != SessionState::connected) return;
    show(set);
    // Somebody may have left an id that one of ours waits for, or an operator may have deleted one of ours.
    for (const auto& [key, ours] : ours_) {
      if (key.first == set) settle(key);
    }
  });
}

void MemoryRegistry::deliver(Callback fn) {
  inbox_.push_back(std::move(fn));
  const MonoTime now = loop_.now();
  last_delivery_ = std::max(last_delivery_, now + hub_.delay_of(client_));
  auto arrive = [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    Callback next = std::move(inbox_.front());
    inbox_.pop_front();
    next();
  };
  if (last_delivery_ > now) {
    loop_.after(last_delivery_ - now, std::move(arrive));
  } else {
    loop_.post(std::move(arrive));
  }
}

void MemoryRegistry::exchange(Callback fn) {
  const auto link = hub_.link_of(client_);
  if (link == 0) return;
  deliver([this, link, fn = std::move(fn)]() mutable {
    if (hub_.link_of(client_) == link) fn();
  });
}

void MemoryRegistry::answer(Joined respond, Result<> result) {
  loop_.post(
      [alive = std::weak_ptr(alive_), respond = std::move(respond), result = std::move(result)]() mutable {
        if (respond && !alive.expired()) respond(std::move(result));
      });
}

void MemoryRegistry::enter(SessionState state) {
  if (state_ == state) return;
  state_ = state;
  if (const auto changed = session_changed_) (*changed)(state_, session_generation_);
}

void MemoryRegistry::begin_session() {
  exchange([this] {
    session_ = hub_.open_session(client_);
    ++session_generation_;
    resume();
  });
}

void MemoryRegistry::resume() {
  // The lists first: `connected` says that the view is current.
  for (const Membership set : {Membership::masters, Membership::workers}) show(set);
  enter(SessionState::connected);
  for (const auto& [key, ours] : ours_) settle(key);
}

// Brings the hub in line with what we want of one member: a message there, a message back.
void MemoryRegistry::settle(const Key& key) {
  exchange([this, key] {
    const auto found = ours_.find(key);
    if (found == ours_.end() || state_ != SessionState::connected || !hub_.has_session(client_)) return;
    const bool leaving = found->second.leaving;
    if (leaving) {
      hub_.remove_own(session_, key);
    } else if (!hub_.create(session_, key, found->second.data)) {
      return;  // held by another session: hear_changed() comes when that ends
    }
    exchange([this, key, leaving] {
      const auto settled = ours_.find(key);
      if (settled == ours_.end() || leaving != settled->second.leaving) return;
      Joined respond = std::exchange(leaving ? settled->second.left : settled->second.joined, nullptr);
      if (leaving) ours_.erase(settled);
      if (respond) respond({});
    });
  });
}

void MemoryRegistry::show(Membership set) {
  const auto found = watches_.find(set);
  if (found == watches_.end()) return;
  auto members = hub_.members(set);
  if (found->second.shown == members) return;
  found->second.shown = members;
  const auto changed = found->second.changed;
  (*changed)(members);
}

}  // namespace ringmaster

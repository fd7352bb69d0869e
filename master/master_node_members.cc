// MasterNode among the others: who there is by the registry, the channels to them, and what comes on those.
#include <glog/logging.h>

#include "master/master_node.h"
#include "registry/member_json.h"

namespace ringmaster {

namespace {
constexpr double kLogEvery = 5;  // seconds
constexpr Duration kPeersEvery = std::chrono::seconds(1);
}  // namespace

// ---- registry ----

void MasterNode::join() {
  const MasterIdentity& self = options_.self;
  registry_.join(Membership::masters, self.node_id,
                 to_json(MasterMember{.id = self.node_id,
                                      .rpc_address = self.rpc_address,
                                      .http_address = self.http_address,
                                      .incarnation = self.incarnation,
                                      .version = self.version,
                                      .started_at = now().wall}),
                 guard([this](Result<> joined) {
                   // A stop that comes first is no failure.
                   if (joined || joined.error().code == ErrorCode::cancelled) return;
                   LOG(ERROR) << "cannot join the registry: " << joined.error().message;
                 }));
}

void MasterNode::watch_members() {
  registry_.watch(Membership::workers, guard([this](const std::vector<Member>& members) {
                    std::vector<WorkerRegistration> registered;
                    for (const Member& member : members) {
                      auto parsed = parse_worker_member(member.data);
                      if (!parsed) {
                        LOG(ERROR) << "registry entry of worker " << member.id << ": "
                                   << parsed.error().message;
                        continue;
                      }
                      registered.push_back({member.id, parsed->address, parsed->version, parsed->incarnation,
                                            parsed->groups, parsed->slots,
                                            static_cast<double>(parsed->weight), parsed->started_at});
                    }
                    core_.on_workers(std::move(registered), now());
                    update_dials();
                    wake();
                  }));
  registry_.watch(Membership::masters, guard([this](const std::vector<Member>& members) {
                    members_.clear();
                    live_masters_.clear();
                    namesake_.on_nothing_shown();
                    for (const Member& member : members) {
                      auto parsed = parse_master_member(member.data);
                      if (!parsed) {
                        LOG(ERROR) << "registry entry of master " << member.id << ": "
                                   << parsed.error().message;
                        continue;
                      }
                      members_.push_back({.id = member.id,
                                          .rpc_address = parsed->rpc_address,
                                          .http_address = parsed->http_address,
                                          .version = parsed->version,
                                          .incarnation = parsed->incarnation,
                                          .self = member.id == options_.self.node_id,
                                          .started_at = parsed->started_at});
                      if (member.id != options_.self.node_id ||
                          namesake_.admits(parsed->incarnation, parsed->rpc_address))
                        live_masters_[member.id] = parsed->incarnation;
                    }
                    update_dials();
                    shards_.on_masters(live_masters_);
                    wake();
                  }));
}

// A channel of ours takes that of another one of our name down: none before we may act under it, but to that
// one.
void MasterNode::update_dials() {
  if (namesake_.admitted() && core_.take_links_moved()) {
    auto wanted = core_.wanted_links();
    for (const auto& [id, address] : dialled_) {
      if (!wanted.contains(id)) links_->undial(Role::worker, id);
    }
    for (const auto& [id, address] : wanted) {
      const auto known = dialled_.find(id);
      if (known == dialled_.end() || known->second != address) links_->dial(Role::worker, id, address);
    }
    dialled_ = std::move(wanted);
  }
  // Every master dials every other: whoever is refused knows it at first hand. They end with one channel.
  std::map<std::string, std::string> masters;
  for (const MasterView& member : members_) {
    if (!member.self && namesake_.admitted()) masters.emplace(member.id, member.rpc_address);
  }
  if (const auto& address = namesake_.stands_at()) masters.emplace(options_.self.node_id, *address);
  for (const auto& [id, address] : masters) {
    const auto known = dialled_masters_.find(id);
    if (known == dialled_masters_.end() || known->second != address) links_->dial(Role::master, id, address);
  }
  for (const auto& [id, address] : dialled_masters_) {
    if (!masters.contains(id)) links_->undial(Role::master, id);
  }
  dialled_masters_ = std::move(masters);
}

// ---- links ----

void MasterNode::on_link_up(LinkId link, const PeerInfo& peer) {
  if (peer.role == Role::worker) {
    core_.on_link_up(link, peer.node_id, peer.incarnation, now());
    wake();
  } else if (peer.role == Role::master) {
    master_links_[peer.node_id] = link;
    if (peer.node_id != options_.self.node_id) peers_.on_link_up(link);
    shards_.on_master_reached(peer.node_id);
  }
}

void MasterNode::on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) {
  if (peer.role == Role::worker) {
    LOG(INFO) << "channel to worker " << peer.node_id << " is down: " << reason;
    core_.on_link_down(link, now());
    wake();
  } else if (peer.role == Role::master) {
    peers_.on_link_down(link);
    const auto it = master_links_.find(peer.node_id);
    if (it != master_links_.end() && it->second == link) master_links_.erase(it);
  }
}

void MasterNode::on_dial_failed(Role role, const std::string& node_id, DialError error,
                                const std::string& reason) {
  VLOG(1) << "dialling " << node_id << ": " << reason;
  if (role == Role::master && node_id == options_.self.node_id) return on_namesake_failed(error);
  if (error == DialError::rejected) {
    LOG_EVERY_T(ERROR, kLogEvery) << "dialling " << node_id << ": " << reason;
    if (role == Role::worker) core_.on_dial_rejected(node_id, reason);
  }
  if (error != DialError::refused) return;
  if (role == Role::master) return shards_.on_master_refused(node_id);
  core_.on_dial_refused(node_id, now());
  update_dials();
  wake();
}

void MasterNode::on_namesake_failed(DialError error) {
  const std::string& self = options_.self.node_id;
  const auto address = namesake_.stands_at();
  if (!address) return;
  if (error == DialError::rejected && namesake_.to_be_told()) {
    LOG(ERROR) << "another master with node_id " << self << " serves at " << *address
               << ": give each master a node_id of its own; this one waits until that one has ended";
  }
  if (error != DialError::refused) return;
  LOG(INFO) << "nobody listens at " << *address << " any more: that was a former life of " << self;
  namesake_.on_refused();
  for (const MasterView& member : members_) {
    if (member.self && namesake_.admits(member.incarnation, member.rpc_address))
      live_masters_[self] = member.incarnation;
  }
  update_dials();
  shards_.on_masters(live_masters_);
  wake();
}

void MasterNode::on_message(LinkId link, Message message) {
  if (auto* relayed = std::get_if<RelayedResults>(&message)) {
    core_.on_relayed(link, std::move(*relayed), now());
  } else if (auto* acks = std::get_if<RelayedAcks>(&message)) {
    core_.on_relayed_acks(std::move(*acks));
  } else if (const auto* status = std::get_if<PeerStatus>(&message)) {
    peers_.on_status(link, *status, loop_.now());
    core_.on_vouched(status->reached, now());
  } else {
    core_.on_message(link, std::move(message), now());
  }
  wake();
}

void MasterNode::talk_to_peers() {
  const MonoTime now = loop_.now();
  const MonoTime proved_at = core_.proved_at().value_or(began_);
  const std::size_t others = live_masters_.size() - live_masters_.count(options_.self.node_id);
  if (const auto why = peers_.gives_way(proved_at, others, now); why && options_.gives_way)
    return on_fenced({ErrorCode::unavailable, *why, {}});
  PeerStatus status{.writes = core_.proved_at() && now - proved_at <= kPeerFresh,
                    .missed = core_.missed_workers(),
                    .reached = {}};
  for (const auto& [link, missed] : peers_.questions()) {
    status.reached = core_.reached(missed);
    links_->send(link, status);
  }
  peer_timer_.start(kPeersEvery, [this] { talk_to_peers(); });
}

void MasterNode::on_request(LinkId /*link*/, ApiRequest request, ApiResponder respond) {
  call(std::move(request), std::move(respond));
}

}  // namespace ringmaster

#include "registry/zookeeper_membership.h"

#include <algorithm>

#include <glog/logging.h>

#include "registry/zookeeper_registry.h"

namespace ringmaster {
namespace {

constexpr Duration kRetryPause = std::chrono::seconds(1);
// Without an answer for so long somebody should look; then it is said again, now and then.
constexpr Duration kSilence = std::chrono::seconds(3);
constexpr Duration kSilenceAgain = std::chrono::minutes(1);
constexpr const char* kRoot = "/ringmaster";

const char* name_of(Membership set) {
  return set == Membership::masters ? "masters" : "workers";
}

}  // namespace

ZooKeeperMembership::ZooKeeperMembership(AsioLoop& loop, const ZooKeeperOptions& options, Reports reports)
    : loop_(loop),
      hosts_(options.hosts),
      cluster_path_(std::string(kRoot) + "/" + options.cluster),
      wanted_timeout_(options.session_timeout),
      reports_(std::move(reports)),
      time_up_(loop),
      silent_(loop),
      reopen_(loop) {
  silent_.start(kSilence, [this] { on_silence(); });
  open();
}

void ZooKeeperMembership::join(const Key& key, std::string data, std::uint64_t ticket) {
  ours_.insert_or_assign(key, Ours{.data = std::move(data), .ticket = ticket});
  settle(key);
}

void ZooKeeperMembership::leave(const Key& key, std::uint64_t ticket) {
  Ours& ours = ours_.at(key);
  ours.leaving = true;
  ours.ticket = ticket;
  settle(key);
}

void ZooKeeperMembership::watch(Membership set, std::uint64_t ticket) {
  Watch& watch = watches_[set];
  watch.ticket = ticket;
  if (watch.list) return watch.list->show_again();
  ZooKeeperMemberList::Events events;
  events.changed = [this, set](const auto& members) { reports_.members(set, watches_[set].ticket, members); };
  events.current = [this] { enter_connected_when_current(); };
  events.make_path = [this](auto made) {
    make_parents(
        [made = std::move(made)](const ZooKeeperReply& reply) mutable { made(reply.code == Code::ok); });
  };
  watch.list =
      std::make_unique<ZooKeeperMemberList>(loop_, cluster_path_ + "/" + name_of(set), std::move(events));
  if (client_->connected()) watch.list->start(*client_);
}

// ---- the session
// ------------------------------------------------------------------------------------------------

void ZooKeeperMembership::open() {
  ZooKeeperClient::Events events;
  events.connected = [this] { on_connected(); };
  events.disconnected = [this] { on_disconnected(); };
  events.expired = [this] { on_expired(); };
  events.changed = [this](const std::string& path) { on_changed(path); };
  client_.reset();
  client_ = std::make_unique<ZooKeeperClient>(loop_.context(), std::move(events));
  if (auto opened = client_->open(hosts_, wanted_timeout_); !opened) {
    LOG(WARNING) << opened.error().message;
    reopen_.start(kRetryPause, [this] { open(); });
  }
}

void ZooKeeperMembership::on_connected() {
  time_up_.stop();
  silent_.stop();
  if (client_->session_id() != session_id_) {
    session_id_ = client_->session_id();
    ++session_generation_;
  }
  LOG(INFO) << "ZooKeeper session " << std::hex << session_id_ << std::dec << " connected, timeout "
            << format_duration(client_->session_timeout());
  for (auto& [set, watch] : watches_) watch.list->start(*client_);
  for (auto& [key, ours] : ours_) {
    ours.busy = false;
    settle(key);
  }
  enter_connected_when_current();
}

void ZooKeeperMembership::on_disconnected() {
  for (auto& [set, watch] : watches_) watch.list->stop();
  if (state_ == SessionState::connected) enter(SessionState::disconnected);
  if (!silent_.running()) silent_.start(kSilence, [this] { on_silence(); });
  const MonoTime time_up = client_->last_heard() + client_->session_timeout();
  time_up_.start(std::max(time_up - loop_.now(), Duration{0}), [this] { on_time_up(); });
}

void ZooKeeperMembership::on_silence() {
  LOG(WARNING) << "ZooKeeper at " << hosts_
               << " does not answer: until it does, nobody joins or leaves the cluster, "
               << "and what runs goes on; is it running, and is the setting `zookeeper` right?";
  silent_.start(kSilenceAgain, [this] { on_silence(); });
}

// The library learns of an expiry only from a server, so a node that reaches none would never hear of it.
void ZooKeeperMembership::on_time_up() {
  if (state_ == SessionState::disconnected) enter(SessionState::expired);
}

void ZooKeeperMembership::on_expired() {
  time_up_.stop();
  for (auto& [set, watch] : watches_) watch.list->stop();
  if (session_generation_ > 0) enter(SessionState::expired);
  // A handle cannot be closed from its own event.
  reopen_.start(Duration{0}, [this] { open(); });
}

void ZooKeeperMembership::on_changed(const std::string& path) {
  for (auto& [set, watch] : watches_) {
    if (watch.list->path() == path) return watch.list->refresh();
  }
  for (const auto& [key, ours] : ours_) {
    if (path_of(key) == path) return settle(key);
  }
}

void ZooKeeperMembership::enter(SessionState state) {
  if (std::exchange(state_, state) != state) reports_.session(state, session_generation_);
}

void ZooKeeperMembership::enter_connected_when_current() {
  const bool current =
      std::ranges::all_of(watches_, [](const auto& watch) { return watch.second.list->current(); });
  if (client_->connected() && current) enter(SessionState::connected);
}

// ---- our members
// ------------------------------------------------------------------------------------------------

// Reads the node and leaves a watch on it, whoever's it is; then does what is missing.
void ZooKeeperMembership::settle(const Key& key) {
  Ours& ours = ours_.at(key);
  if (!client_->connected()) return;  // on_connected() settles all
  if (ours.busy) {
    ours.again = true;
    return;
  }
  ours.busy = true;
  ours.again = false;
  ours.step = ++last_step_;
  client_->exists_and_watch(path_of(key),
                            [this, key](const ZooKeeperReply& reply) { settle_as_found(key, reply); });
}

void ZooKeeperMembership::settle_as_found(const Key& key, const ZooKeeperReply& reply) {
  Ours& ours = ours_.at(key);
  const bool found = reply.code == Code::ok;
  if (!found && reply.code != Code::no_node) return step_failed(key, "read", reply);
  const bool is_ours = found && reply.ephemeral_owner == session_id_;
  if (ours.leaving) return is_ours ? remove(key) : report_left(key);
  if (!found) return create(key);
  if (is_ours) {
    report_joined(key);
  } else if (!std::exchange(ours.waiting, true)) {
    LOG(WARNING) << path_of(key) << " belongs to session " << std::hex << reply.ephemeral_owner << std::dec
                 << ": waiting for its end; if another daemon has the node_id " << key.second
                 << ", give one of them another";
  }
  step_done(key);
}

void ZooKeeperMembership::create(const Key& key) {
  client_->create(path_of(key), ours_.at(key).data, true, [this, key](const ZooKeeperReply& reply) {
    if (reply.code == Code::no_node) {
      return make_parents([this, key](const ZooKeeperReply& made) {
        if (made.code != Code::ok) return step_failed(key, "make the parents of", made);
        ours_.at(key).again = true;
        step_done(key);
      });
    }
    if (reply.code == Code::node_exists) ours_.at(key).again = true;
    if (reply.code == Code::ok) report_joined(key);
    if (reply.code == Code::ok || reply.code == Code::node_exists) return step_done(key);
    step_failed(key, "create", reply);
  });
}

// ZooKeeper cannot delete on a condition of owner. The node was ours one request ago and our session keeps
// it, so only an operator who deletes it right now could make this hit another's.
void ZooKeeperMembership::remove(const Key& key) {
  client_->remove(path_of(key), [this, key](const ZooKeeperReply& reply) {
    if (reply.code == Code::ok || reply.code == Code::no_node) return report_left(key);
    step_failed(key, "delete", reply);
  });
}

void ZooKeeperMembership::step_done(const Key& key) {
  Ours& ours = ours_.at(key);
  ours.busy = false;
  if (ours.again) settle(key);
}

void ZooKeeperMembership::step_failed(const Key& key, std::string_view what, const ZooKeeperReply& reply) {
  if (reply.code == Code::lost) {
    ours_.at(key).busy = false;
    return;  // on_connected() looks what came of it
  }
  LOG(WARNING) << "cannot " << what << " " << path_of(key) << ": " << reply.text;
  loop_.after(kRetryPause, [this, key, step = ours_.at(key).step, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    const auto ours = ours_.find(key);
    if (ours == ours_.end() || ours->second.step != step) return;
    ours->second.again = true;
    step_done(key);
  });
}

void ZooKeeperMembership::report_joined(const Key& key) {
  Ours& ours = ours_.at(key);
  ours.waiting = false;
  if (!std::exchange(ours.reported, true)) reports_.joined(key, ours.ticket);
}

void ZooKeeperMembership::report_left(const Key& key) {
  const auto ours = ours_.extract(key);
  reports_.left(key, ours.mapped().ticket);
}

// ---- paths
// ------------------------------------------------------------------------------------------------------

void ZooKeeperMembership::make_parents(std::move_only_function<void(ZooKeeperReply)> made) {
  const auto ignore = [](const ZooKeeperReply&) {};
  // Requests keep their order: only the last reply matters.
  client_->create(kRoot, "", false, ignore);
  client_->create(cluster_path_, "", false, ignore);
  client_->create(cluster_path_ + "/" + name_of(Membership::masters), "", false, ignore);
  client_->create(cluster_path_ + "/" + name_of(Membership::workers), "", false,
                  [made = std::move(made)](ZooKeeperReply reply) mutable {
                    if (reply.code == Code::node_exists) reply.code = Code::ok;
                    made(std::move(reply));
                  });
}

std::string ZooKeeperMembership::path_of(const Key& key) const {
  return cluster_path_ + "/" + name_of(key.first) + "/" + key.second;
}

}  // namespace ringmaster

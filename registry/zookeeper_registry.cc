#include "registry/zookeeper_registry.h"

#include <csignal>
#include <functional>
#include <thread>

#include <glog/logging.h>

#include "base/asio_loop.h"
#include "registry/member_id.h"
#include "registry/zookeeper_membership.h"

namespace ringmaster {

// The private thread and what lives on it. Everything goes there and comes back as a post.
class ZooKeeperRegistry::Thread {
 public:
  Thread(ZooKeeperOptions options, ZooKeeperMembership::Reports reports)
      : options_(std::move(options)), reports_(std::move(reports)) {
    // The daemon's signals are for its own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { loop_.run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~Thread() {
    loop_.post([this] {
      membership_.reset();
      loop_.stop();
    });
    thread_.join();
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // The first call opens the session.
  void call(std::move_only_function<void(ZooKeeperMembership&)> fn) {
    loop_.post([this, fn = std::move(fn)]() mutable {
      if (!membership_)
        membership_ = std::make_unique<ZooKeeperMembership>(loop_, options_, std::move(reports_));
      fn(*membership_);
    });
  }

 private:
  const ZooKeeperOptions options_;
  ZooKeeperMembership::Reports reports_;
  AsioLoop loop_;
  std::unique_ptr<ZooKeeperMembership> membership_;
  std::thread thread_;
};

Result<> validate(const ZooKeeperOptions& options) {
  if (options.hosts.empty()) {
    return fail(ErrorCode::invalid_argument, "hosts must name a ZooKeeper server, as `host:port`", "hosts");
  }
  if (options.session_timeout <= Duration{0} || options.session_timeout > std::chrono::hours(1)) {
    return fail(ErrorCode::invalid_argument, "session_timeout must be more than 0s and at most 1h",
                "session_timeout");
  }
  return validate_member_id(options.cluster, "cluster");
}

ZooKeeperRegistry::ZooKeeperRegistry(Loop& loop, ZooKeeperOptions options) : loop_(loop) {
  const auto valid = validate(options);
  CHECK(valid) << valid.error().message;
  // These run on the private thread; `this` is touched only by what they post, and only while it lives.
  const auto post = [&loop, this, alive = std::weak_ptr(alive_)](auto hear) {
    loop.post([this, alive, hear = std::move(hear)] {
      if (!alive.expired()) hear(*this);
    });
  };
  ZooKeeperMembership::Reports reports;
  reports.session = [post](SessionState state, std::int64_t generation) {
    post([=](ZooKeeperRegistry& self) { self.hear_session(state, generation); });
  };
  reports.joined = [post](const Key& key, std::uint64_t ticket) {
    post([=](ZooKeeperRegistry& self) { self.hear_joined(key, ticket); });
  };
  reports.left = [post](const Key& key, std::uint64_t ticket) {
    post([=](ZooKeeperRegistry& self) { self.hear_left(key, ticket); });
  };
  reports.members = [post](Membership set, std::uint64_t ticket, const std::vector<Member>& members) {
    post([=](ZooKeeperRegistry& self) { self.hear_members(set, ticket, members); });
  };
  thread_ = std::make_unique<Thread>(std::move(options), std::move(reports));
}

ZooKeeperRegistry::~ZooKeeperRegistry() = default;

void ZooKeeperRegistry::join(Membership set, std::string id, std::string data, Joined joined) {
  if (auto valid = validate_member(id, data); !valid) return answer(std::move(joined), std::move(valid));
  Key key{set, std::move(id)};
  if (ours_.contains(key)) {
    return answer(std::move(joined),
                  fail(ErrorCode::already_exists, key.second + " has joined already", "id"));
  }
  const auto ticket = ++last_ticket_;
  ours_.emplace(key, Ours{.ticket = ticket, .joined = std::move(joined), .left = {}});
  thread_->call(
      [key = std::move(key), data = std::move(data), ticket](ZooKeeperMembership& membership) mutable {
        membership.join(key, std::move(data), ticket);
      });
}

void ZooKeeperRegistry::leave(Membership set, std::string id, Joined left) {
  const auto found = ours_.find({set, id});
  if (found == ours_.end() || found->second.leaving) {
    return answer(std::move(left), fail(ErrorCode::not_found, id + " has not joined", "id"));
  }
  Ours& ours = found->second;
  if (ours.joined) {
    answer(std::exchange(ours.joined, nullptr),
           fail(ErrorCode::cancelled, id + " left before it was registered"));
  }
  ours.ticket = ++last_ticket_;
  ours.left = std::move(left);
  ours.leaving = true;
  thread_->call([key = found->first, ticket = ours.ticket](ZooKeeperMembership& membership) {
    membership.leave(key, ticket);
  });
}

void ZooKeeperRegistry::watch(Membership set, MembersChanged changed) {
  const auto ticket = ++last_ticket_;
  watches_[set] = Watch{ticket, std::make_shared<MembersChanged>(std::move(changed))};
  thread_->call([set, ticket](ZooKeeperMembership& membership) { membership.watch(set, ticket); });
}

void ZooKeeperRegistry::on_session(SessionChanged changed) {
  session_changed_ = std::make_shared<SessionChanged>(std::move(changed));
  thread_->call([](ZooKeeperMembership&) {});
}

void ZooKeeperRegistry::answer(Joined respond, Result<> result) {
  loop_.post(
      [alive = std::weak_ptr(alive_), respond = std::move(respond), result = std::move(result)]() mutable {
        if (respond && !alive.expired()) respond(std::move(result));
      });
}

void ZooKeeperRegistry::hear_session(SessionState state, std::int64_t generation) {
  state_ = state;
  if (const auto changed = session_changed_) (*changed)(state, generation);
}

void ZooKeeperRegistry::hear_joined(const Key& key, std::uint64_t ticket) {
  const auto found = ours_.find(key);
  if (found == ours_.end() || found->second.ticket != ticket) return;
  if (Joined respond = std::exchange(found->second.joined, nullptr)) respond({});
}

void ZooKeeperRegistry::hear_left(const Key& key, std::uint64_t ticket) {
  const auto found = ours_.find(key);
  if (found == ours_.end() || found->second.ticket != ticket) return;
  Joined respond = std::move(found->second.left);
  ours_.erase(found);
  if (respond) respond({});
}

void ZooKeeperRegistry::hear_members(Membership set, std::uint64_t ticket,
                                     const std::vector<Member>& members) {
  const auto found = watches_.find(set);
  if (found == watches_.end() || found->second.ticket != ticket) return;
  const auto changed = found->second.changed;
  (*changed)(members);
}

}  // namespace ringmaster

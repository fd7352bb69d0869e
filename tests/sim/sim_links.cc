#include "tests/sim/sim_links.h"

#include <glog/logging.h>

#include "rpc/message_codec.h"

namespace ringmaster {

namespace {
constexpr Duration kDeadPeer = std::chrono::seconds(3);
constexpr Duration kLateMost = std::chrono::milliseconds(800);

// What the peer sees is what survives the wire.
Message through_codec(const Message& message) {
  std::string payload;
  encode(message, payload);
  auto decoded = decode(static_cast<std::uint16_t>(type_of(message)), payload);
  CHECK(decoded) << decoded.error().message;
  return std::move(*decoded);
}
}  // namespace

// ---- network ----

double SimNetwork::chance() {
  return static_cast<double>(loop_.random() >> 11) * 0x1.0p-53;
}

Duration SimNetwork::delay() {
  const Duration most = chance() < faults.slow ? faults.slow_delay : faults.max_delay;
  const auto span = static_cast<std::uint64_t>((most - faults.min_delay).count());
  return faults.min_delay + Duration{static_cast<std::int64_t>(span == 0 ? 0 : loop_.random() % span)};
}

std::vector<std::shared_ptr<SimNetwork::Channel>> SimNetwork::channels_between(const std::string& a,
                                                                               const std::string& b) {
  std::vector<std::shared_ptr<Channel>> found;
  std::erase_if(channels_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : channels_) {
    auto channel = weak.lock();
    const std::string& x = channel->ends[0].address;
    const std::string& y = channel->ends[1].address;
    if ((x == a && y == b) || (x == b && y == a)) found.push_back(std::move(channel));
  }
  return found;
}

void SimNetwork::cut(const std::string& from, const std::string& to) {
  if (!cuts_.insert({from, to}).second) return;
  for (auto& channel : channels_between(from, to)) watch_cut(channel);
}

void SimNetwork::heal(const std::string& from, const std::string& to) {
  if (cuts_.erase({from, to}) == 0) return;
  for (auto& channel : channels_between(from, to)) {
    const int end = channel->ends[0].address == to ? 0 : 1;
    for (Message& message : std::exchange(channel->ends[end].stalled, {}))
      transmit(channel, end, std::move(message));
  }
}

void SimNetwork::heal_all() {
  const auto cuts = cuts_;
  for (const auto& [from, to] : cuts) heal(from, to);
}

void SimNetwork::reset(const std::string& a, const std::string& b) {
  for (auto& channel : channels_between(a, b)) break_channel(channel, "connection reset");
}

bool SimNetwork::Hold::is(const std::string& from, const std::string& receiver) const {
  return channel->ends[1 - to].address == from && channel->ends[to].address == receiver;
}

void SimNetwork::hold(const std::string& from, const std::string& to) {
  for (auto& channel : channels_between(from, to)) {
    holds_.push_back({channel, channel->ends[0].address == to ? 0 : 1, {}});
  }
}

void SimNetwork::release(const std::string& from, const std::string& to) {
  std::deque<Hold> released;
  for (Hold& hold : std::exchange(holds_, {}))
    (hold.is(from, to) ? released : holds_).push_back(std::move(hold));
  for (Hold& hold : released) {
    for (Message& message : hold.messages) transmit(hold.channel, hold.to, std::move(message));
  }
}

std::size_t SimNetwork::held(const std::string& from, const std::string& to) const {
  std::size_t count = 0;
  for (const Hold& hold : holds_) count += hold.is(from, to) ? hold.messages.size() : 0;
  return count;
}

// True: it waits there.
bool SimNetwork::keep(const std::shared_ptr<Channel>& channel, int to, Message& message) {
  for (Hold& hold : holds_) {
    if (hold.channel != channel || hold.to != to) continue;
    hold.messages.push_back(std::move(message));
    return true;
  }
  return false;
}

void SimNetwork::connect(SimLinks& from, const std::string& node_id, Role role, const std::string& address) {
  const SimLinks::PeerKey key{role, node_id};
  auto dialler = std::weak_ptr<int>(from.alive_);
  if (is_cut(from.address_, address) || is_cut(address, from.address_)) {
    loop_.after(std::chrono::seconds(1), [&from, dialler, key] {
      if (!dialler.expired()) from.dial_failed(key, DialError::unreachable, "no answer");
    });
    return;
  }
  loop_.after(delay() * 2, [this, &from, dialler, key, address] {
    if (dialler.expired() || !from.dials_.contains(key)) return;
    const auto target = listeners_.find(address);
    if (target == listeners_.end()) return from.dial_failed(key, DialError::refused, "connection refused");
    SimLinks& to = *target->second;
    if (to.node_id_ != key.second)
      return from.dial_failed(key, DialError::rejected, "another node answers there");
    auto channel = std::make_shared<Channel>();
    channel->ends[0] = {
        &from, {key.first, key.second, to.incarnation_, "sim", true}, from.address_, ++last_link_, false, {},
        {}};
    channel->ends[1] = {&to,         {from.role_, from.node_id_, from.incarnation_, "sim", false},
                        to.address_, ++last_link_,
                        false,       {},
                        {}};
    channels_.push_back(channel);
    to.attach(channel, 1);
    from.attach(channel, 0);
  });
}

void SimNetwork::transmit(const std::shared_ptr<Channel>& channel, int to, Message message) {
  if (keep(channel, to, message)) return;
  End& end = channel->ends[to];
  if (!end.stalled.empty() || is_cut(channel->ends[1 - to].address, end.address)) {
    if (end.stalled.empty()) watch_cut(channel);
    end.stalled.push_back(std::move(message));
    return;
  }
  end.last_arrival = std::max(end.last_arrival, loop_.now() + delay());
  loop_.after(end.last_arrival - loop_.now(), [this, channel, to, message = std::move(message)]() mutable {
    arrive(channel, to, std::move(message));
  });
}

void SimNetwork::arrive(const std::shared_ptr<Channel>& channel, int to, Message message) {
  End& end = channel->ends[to];
  if (end.owner == nullptr || (!end.up && !faults.keep_replaced)) return;
  if (keep(channel, to, message)) return;
  if (is_cut(channel->ends[1 - to].address, end.address)) {
    if (end.stalled.empty()) watch_cut(channel);
    end.stalled.push_back(std::move(message));
    return;
  }
  if (faults.repeat > 0 && std::holds_alternative<DispatchBatch>(message) && chance() < faults.repeat) {
    loop_.after(std::chrono::seconds(2), [this, channel, to, copy = message]() mutable {
      End& again = channel->ends[to];
      if (again.owner != nullptr && again.up) again.owner->handler_.on_message(again.link, std::move(copy));
    });
  }
  SimLinks& owner = *end.owner;
  owner.loop_.post(
      [&owner, channel, to, message = std::move(message), late = faults.keep_replaced]() mutable {
        End& mine = channel->ends[to];
        if (mine.up && owner.network_.observer)
          owner.network_.observer(mine.peer.node_id, owner.node_id_, message);
        if (mine.up) {
          owner.handler_.on_message(mine.link, std::move(message));
        } else if (late) {  // planted: read it as if the newer channel had brought it
          const auto newer = owner.by_peer_.find({mine.peer.role, mine.peer.node_id});
          if (newer != owner.by_peer_.end()) owner.handler_.on_message(newer->second, std::move(message));
        }
      });
  if (chance() < faults.reset) break_channel(channel, "connection reset");
}

// A cut is noticed by missing heartbeats, each side for itself.
void SimNetwork::watch_cut(const std::shared_ptr<Channel>& channel) {
  loop_.after(kDeadPeer, [this, channel] {
    const std::string& a = channel->ends[0].address;
    const std::string& b = channel->ends[1].address;
    if (is_cut(a, b) || is_cut(b, a)) break_channel(channel, "no heartbeat for 3s");
  });
}

// Both sides notice, each in its own time; until then frames that were under way go on arriving.
void SimNetwork::break_channel(const std::shared_ptr<Channel>& channel, const std::string& reason) {
  if (std::exchange(channel->broken, true)) return;
  for (int i = 0; i < 2; ++i) {
    const Duration notice{
        static_cast<std::int64_t>(loop_.random() % static_cast<std::uint64_t>(kLateMost.count()))};
    loop_.after(notice, [channel, i, reason] {
      End& end = channel->ends[i];
      if (end.owner != nullptr && end.up) end.owner->down(end.link, reason);
    });
  }
}

// ---- one node's links ----

SimLinks::SimLinks(SimNetwork& network, Loop& node_loop, LinkHandler& handler, Role role, std::string node_id,
                   std::string address, Incarnation incarnation)
    : network_(network),
      loop_(node_loop),
      handler_(handler),
      role_(role),
      node_id_(std::move(node_id)),
      address_(std::move(address)),
      incarnation_(incarnation) {
  CHECK(network_.listeners_.emplace(address_, this).second) << address_ << " is in use";
}

SimLinks::~SimLinks() {
  network_.listeners_.erase(address_);
  for (auto& [weak, end] : ends_) {
    if (const auto channel = weak.lock()) channel->ends[end].owner = nullptr;
  }
  for (auto& [link, place] : links_) network_.break_channel(place.first, "connection reset by peer");
}

void SimLinks::dial(Role role, const std::string& node_id, const std::string& address) {
  const PeerKey key{role, node_id};
  Dial& dial = dials_[key];
  dial.address = address;
  dial.backoff = std::chrono::milliseconds(50);
  if (!dial.timer) dial.timer = std::make_unique<Timer>(loop_);
  dial.timer->start(Duration{0}, [this, key] { try_dial(key); });
}

void SimLinks::undial(Role role, const std::string& node_id) {
  dials_.erase({role, node_id});
}

void SimLinks::try_dial(const PeerKey& key) {
  const auto current = by_peer_.find(key);
  if (current != by_peer_.end()) return;  // its end will start us again
  network_.connect(*this, key.second, key.first, dials_.at(key).address);
}

void SimLinks::dial_failed(const PeerKey& key, DialError error, const std::string& reason) {
  loop_.post([this, key, error, reason] {
    const auto it = dials_.find(key);
    if (it == dials_.end()) return;
    it->second.backoff = std::min<Duration>(it->second.backoff * 2, std::chrono::seconds(2));
    it->second.timer->start(it->second.backoff, [this, key] { try_dial(key); });
    handler_.on_dial_failed(key.first, key.second, error, reason);
  });
}

void SimLinks::attach(std::shared_ptr<SimNetwork::Channel> channel, int end) {
  SimNetwork::End& mine = channel->ends[end];
  const PeerKey key{mine.peer.role, mine.peer.node_id};
  const auto older = by_peer_.find(key);
  if (older != by_peer_.end()) {
    const auto old_channel = links_.at(older->second).first;
    down(older->second, "replaced by a newer channel");
    network_.break_channel(old_channel, "replaced by a newer channel");
  }
  mine.up = true;
  by_peer_[key] = mine.link;
  links_[mine.link] = {channel, end};
  std::erase_if(ends_, [](const auto& known) { return known.first.expired(); });
  ends_.emplace_back(channel, end);
  loop_.post([this, channel, end] {
    const SimNetwork::End& up = channel->ends[end];
    handler_.on_link_up(up.link, up.peer);  // even if it is down again: on_link_down follows
  });
}

void SimLinks::down(LinkId link, const std::string& reason) {
  const auto it = links_.find(link);
  if (it == links_.end()) return;
  SimNetwork::End& end = it->second.first->ends[it->second.second];
  end.up = false;
  end.stalled.clear();
  const PeerInfo peer = end.peer;
  const PeerKey key{peer.role, peer.node_id};
  links_.erase(it);
  if (by_peer_.at(key) == link) by_peer_.erase(key);
  loop_.post([this, link, peer, reason] { handler_.on_link_down(link, peer, reason); });
  std::vector<std::uint64_t> lost;
  for (const auto& [id, call] : calls_) {
    if (call.link == link) lost.push_back(id);
  }
  for (const std::uint64_t id : lost) finish_call(id, fail(ErrorCode::unknown_outcome, "the channel broke"));
  const auto dial = dials_.find(key);
  if (dial != dials_.end()) dial->second.timer->start(dial->second.backoff, [this, key] { try_dial(key); });
}

bool SimLinks::send(LinkId link, Message message) {
  const auto it = links_.find(link);
  if (it == links_.end()) return false;
  const auto& [channel, end] = it->second;
  if (!channel->broken) network_.transmit(channel, 1 - end, through_codec(message));
  return true;  // a broken channel swallows what it is given until somebody notices
}

void SimLinks::close(LinkId link, const std::string& reason) {
  const auto it = links_.find(link);
  if (it == links_.end()) return;
  const auto channel = it->second.first;
  down(link, reason);
  network_.break_channel(channel, reason);
}

void SimLinks::finish_call(std::uint64_t id, Result<ApiReply> reply) {
  auto node = calls_.extract(id);
  if (node.empty()) return;
  loop_.post([respond = std::move(node.mapped().respond), reply = std::move(reply)]() mutable {
    respond(std::move(reply));
  });
}

void SimLinks::call(LinkId link, ApiRequest request, Duration timeout, ApiResponder respond) {
  const std::uint64_t id = ++last_call_;
  Call& call = calls_[id];
  call.link = link;
  call.respond = std::move(respond);
  call.timer = std::make_unique<Timer>(loop_);
  call.timer->start(timeout,
                    [this, id] { finish_call(id, fail(ErrorCode::deadline_exceeded, "no answer in time")); });
  const auto it = links_.find(link);
  if (it == links_.end()) return finish_call(id, fail(ErrorCode::unavailable, "the channel is gone"));
  auto [channel, end] = it->second;
  network_.loop_.after(network_.delay(), [this, alive = std::weak_ptr<int>(alive_), channel = channel,
                                          other = 1 - end, id, request = std::move(request)]() mutable {
    SimNetwork::End& target = channel->ends[other];
    if (target.owner == nullptr || !target.up) return;
    target.owner->handler_.on_request(target.link, std::move(request),
                                      [this, alive, id](Result<ApiReply> reply) {
                                        if (!alive.expired()) finish_call(id, std::move(reply));
                                      });
  });
}

}  // namespace ringmaster

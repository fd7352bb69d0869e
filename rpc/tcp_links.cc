#include "rpc/tcp_links.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <glog/logging.h>

#include "rpc/message_codec.h"

namespace ringmaster {
namespace {

// An own try that hangs must not keep a proved peer waiting until it gives up.
constexpr auto kHoldLimit = std::chrono::seconds(1);

FrameHeader header_of(FrameType type, FrameKind kind, std::uint64_t correlation = 0) {
  return {static_cast<std::uint16_t>(type), kind, correlation};
}

std::string too_big(const char* what, const Channel& channel) {
  return std::string(what) + " of " + std::to_string(channel.refused_bytes()) +
         " bytes exceeds the bound of " + std::to_string(kMaxPayloadBytes);
}

}  // namespace

struct TcpLinks::Link final : Channel::Handler {
  Link(TcpLinks& owner, LinkId number, PeerInfo info) : links(owner), id(number), peer(std::move(info)) {}
  void on_frame(const Frame& frame) override { links.on_frame(*this, frame); }
  void on_closed(const std::string& reason) override { links.take_down(id, reason); }

  TcpLinks& links;
  const LinkId id;
  const PeerInfo peer;
  std::shared_ptr<Channel> channel;
  bool dialled_unnamed = false;  // keeps a dialler satisfied that did not say whom it expects
  bool replaced = false;
  bool closing = false;  // close() was called: on_link_down is on its way
  std::size_t open_requests = 0;
};

// The reply to one request. Dropped unanswered, it answers for itself: the peer must not wait for its
// deadline.
class TcpLinks::Answer {
 public:
  Answer(std::weak_ptr<TcpLinks*> links, LinkId link, const FrameHeader& request)
      : links_(std::move(links)), link_(link), request_(request) {}
  Answer(Answer&&) = default;
  Answer& operator=(Answer&&) = delete;
  ~Answer() { give(fail(ErrorCode::internal, "the request was dropped without an answer")); }
  void operator()(Result<ApiReply> reply) { give(std::move(reply)); }

 private:
  void give(Result<ApiReply> reply) {
    if (const auto links = std::exchange(links_, {}).lock()) (*links)->answer(link_, request_, reply);
  }

  std::weak_ptr<TcpLinks*> links_;
  LinkId link_;
  FrameHeader request_;
};

TcpLinks::TcpLinks(AsioLoop& loop, LinksOptions options, LinkHandler& handler)
    : loop_(loop),
      options_(std::move(options)),
      handler_(handler),
      calls_(loop),
      alive_(std::make_shared<TcpLinks*>(this)) {}

TcpLinks::~TcpLinks() {
  alive_.reset();
  for (const auto& opening : unproved_) opening->cancel();
  for (const auto& [id, link] : links_) link->channel->abort();
  for (const auto& [channel, shared] : draining_) channel->abort();
}

Result<> TcpLinks::listen(const std::string& address) {
  auto listener =
      TcpListener::listen(loop_, address, options_.user_timeout,
                          [this](std::unique_ptr<Stream> stream) { on_accept(std::move(stream)); });
  if (!listener) return std::unexpected(listener.error());
  if (options_.secret.empty() && !(*listener)->loopback())
    return fail(ErrorCode::invalid_argument, "without a cluster secret anybody could connect to " + address +
                                                 ": set one, or listen on loopback");
  listener_ = std::move(*listener);
  return {};
}

std::string TcpLinks::bound_address() const {
  return listener_ ? listener_->address() : std::string();
}

void TcpLinks::set_store_id(const std::string& store_id) {
  options_.store_id = store_id;
}

Identity TcpLinks::identity() const {
  return {.cluster = options_.cluster,
          .role = options_.role,
          .node_id = options_.node_id,
          .incarnation = options_.incarnation,
          .store_id = options_.store_id,
          .version = options_.version};
}

// ---- dialling and accepting -----------------------------------------------------------------------------

void TcpLinks::dial(Role role, const std::string& node_id, const std::string& address) {
  if (shut_down_) return;
  const Peer peer{role, node_id};
  auto& dialler = diallers_[peer];
  if (dialler && dialler->address() == address) return;
  if (!dialler) {
    const Dialler::Options times{options_.connect_timeout, options_.handshake_timeout, options_.user_timeout,
                                 options_.backoff_initial, options_.backoff_max};
    dialler = std::make_unique<Dialler>(loop_, times, Handshake::Target{role, node_id},
                                        static_cast<Dialler::Owner&>(*this));
    if (by_peer_.contains(peer)) return dialler->prepare(address);
  }
  dialler->dial(address);
}

void TcpLinks::undial(Role role, const std::string& node_id) {
  const Peer peer{role, node_id};
  diallers_.erase(peer);
  if (!held_.contains(peer)) return;
  loop_.post([this, peer, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) adopt_held(peer);
  });
}

void TcpLinks::on_dialled(const Handshake::Target& target, Opening::Opened opened) {
  adopt(std::move(opened), true, target.node_id.empty());
}

void TcpLinks::on_failed(const Handshake::Target& target, DialError error, const std::string& reason) {
  handler_.on_dial_failed(target.role, target.node_id, error, reason);
  adopt_held({target.role, target.node_id});
}

void TcpLinks::on_accept(std::unique_ptr<Stream> stream) {
  if (unproved_.size() >= options_.max_unproved) {
    ++counters_.dropped_unproved;
    unproved_.front()->cancel();
    unproved_.pop_front();
  }
  const auto opening = std::make_shared<Opening>(
      loop_, std::move(stream), Handshake::acceptor(identity(), options_.secret, random_nonce()));
  const auto place = unproved_.insert(unproved_.end(), opening);
  opening->start(options_.handshake_timeout,
                 [this, place](std::expected<Opening::Opened, Opening::Failure> outcome) {
                   unproved_.erase(place);
                   if (outcome) return on_accepted(std::move(*outcome));
                   ++counters_.refused_handshakes;
                   LOG_EVERY_T(WARNING, 1) << "refused a connection: " << outcome.error().reason << " ("
                                           << counters_.refused_handshakes << " since the start)";
                 });
}

void TcpLinks::on_accepted(Opening::Opened opened) {
  const Peer peer{opened.peer.role, opened.peer.node_id};
  if (!must_wait_for_own_try(peer)) return adopt(std::move(opened), false, false);
  auto bound = std::make_unique<Timer>(loop_);
  bound->start(kHoldLimit, [this, peer] { adopt_held(peer); });
  held_.insert_or_assign(peer, Held{std::move(opened), std::move(bound)});
}

bool TcpLinks::must_wait_for_own_try(const Peer& peer) const {
  const auto dialler = diallers_.find(peer);
  return dialler != diallers_.end() && dialler->second->trying() &&
         Peer{options_.role, options_.node_id} < peer;
}

void TcpLinks::adopt_held(const Peer& peer) {
  auto held = held_.extract(peer);
  if (held) adopt(std::move(held.mapped().opened), false, false);
}

void TcpLinks::adopt(Opening::Opened opened, bool dialled_by_us, bool dialled_unnamed) {
  const Peer peer{opened.peer.role, opened.peer.node_id};
  held_.erase(peer);
  if (const auto older = by_peer_.find(peer); older != by_peer_.end()) {
    Link& link = *links_.at(older->second);
    link.replaced = true;
    dialled_unnamed |= link.dialled_unnamed;
    take_down(link.id, "replaced by a newer channel of the same peer");
  }
  if (shut_down_) return;  // the handler may have done that, when it heard

  const LinkId id = ++last_link_;
  auto& link = *links_
                    .emplace(id, std::make_unique<Link>(
                                     *this, id,
                                     PeerInfo{peer.first, peer.second, opened.peer.incarnation,
                                              opened.peer.version, dialled_by_us, opened.peer.store_id}))
                    .first->second;
  Channel::Options channel_options{.heartbeat_interval = options_.heartbeat_interval,
                                   .dead_after = options_.dead_after,
                                   .close_timeout = options_.close_timeout,
                                   .throttle = peer.first == Role::client,
                                   .high_water = options_.high_water,
                                   .low_water = options_.low_water,
                                   .hard_bound = options_.hard_bound};
  link.channel = std::make_shared<Channel>(loop_, std::move(opened.stream), std::move(opened.decoder),
                                           channel_options, link, opened.first_bytes);
  link.dialled_unnamed = dialled_unnamed;
  by_peer_[peer] = id;
  for (Dialler* const dialler : diallers_of(peer, dialled_unnamed)) dialler->rest();
  handler_.on_link_up(id, link.peer);
  if (!link.closing) link.channel->start();
}

// ---- the end of a link ----------------------------------------------------------------------------------

void TcpLinks::take_down(LinkId id, const std::string& reason) {
  const auto node = links_.extract(id);
  if (!node) return;
  const Link& link = *node.mapped();
  const Peer peer{link.peer.role, link.peer.node_id};
  by_peer_.erase(peer);
  // What a closing channel still flushes may arrive: of its calls nobody can say that they were not sent.
  const auto sent = link.closing ? std::numeric_limits<std::uint64_t>::max() : link.channel->taken_position();
  if (!link.closing) link.channel->abort();
  const std::string why = reason;  // may live in what the handler destroys
  handler_.on_link_down(id, link.peer, why);
  calls_.fail_link(id, sent, why);
  if (link.replaced) return;
  for (Dialler* const dialler : diallers_of(peer, link.dialled_unnamed)) dialler->resume();
}

std::vector<Dialler*> TcpLinks::diallers_of(const Peer& peer, bool unnamed) const {
  std::vector<Dialler*> found;
  if (const auto named = diallers_.find(peer); named != diallers_.end()) found.push_back(named->second.get());
  if (const auto any = diallers_.find({peer.first, ""}); unnamed && any != diallers_.end())
    found.push_back(any->second.get());
  return found;
}

void TcpLinks::close(LinkId id, const std::string& reason) {
  const auto link = links_.find(id);
  if (link != links_.end()) end_gracefully(*link->second, reason);
}

void TcpLinks::end_gracefully(Link& link, const std::string& reason) {
  if (std::exchange(link.closing, true)) return;
  const auto alive = std::weak_ptr(alive_);
  Channel* const channel = link.channel.get();
  draining_.emplace(channel, link.channel);
  channel->close(reason, [this, alive, channel] {
    if (!alive.expired()) drained(channel);
  });
  loop_.post([this, alive, id = link.id, reason] {
    if (!alive.expired()) take_down(id, reason);
  });
}

void TcpLinks::drained(Channel* channel) {
  draining_.erase(channel);
  if (shut_down_ && draining_.empty() && shutdown_done_) std::exchange(shutdown_done_, nullptr)();
}

void TcpLinks::shutdown(Callback done) {
  shut_down_ = true;
  shutdown_done_ = std::move(done);
  listener_.reset();
  for (const auto& opening : unproved_) opening->cancel();
  unproved_.clear();
  held_.clear();
  diallers_.clear();
  for (const auto& [id, link] : links_) end_gracefully(*link, "the node shuts down");
  if (!draining_.empty()) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired() && shutdown_done_) std::exchange(shutdown_done_, nullptr)();
  });
}

// ---- messages and calls ---------------------------------------------------------------------------------

bool TcpLinks::send(LinkId id, Message message) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second->closing) return false;
  Link& link = *found->second;
  const auto sent = link.channel->send(header_of(type_of(message), FrameKind::one_way),
                                       [&](std::string& out) { encode(message, out); });
  if (sent == Channel::Sent::queued) {
    ++counters_.messages_out;
    return true;
  }
  // A message that can never go out must not be lost in silence, while later ones arrive.
  if (sent == Channel::Sent::too_big) end_gracefully(link, too_big("a message", *link.channel));
  return false;
}

void TcpLinks::call(LinkId id, ApiRequest request, Duration timeout, ApiResponder respond) {
  Error error{ErrorCode::unavailable, "the link is gone", {}};
  const auto found = links_.find(id);
  if (found != links_.end() && !found->second->closing) {
    Channel& channel = *found->second->channel;
    const auto correlation = calls_.next_id();
    const auto sent = channel.send(header_of(type_of(request), FrameKind::request, correlation),
                                   [&](std::string& out) { encode(request, out); });
    if (sent == Channel::Sent::queued)
      return calls_.add(correlation, id, channel.queued_position(), timeout, std::move(respond));
    if (sent == Channel::Sent::too_big)
      error = {ErrorCode::invalid_argument, too_big("a request", channel) + ": send several", {}};
  }
  loop_.post(
      [error = std::move(error), respond = std::move(respond), alive = std::weak_ptr(alive_)]() mutable {
        if (!alive.expired()) respond(std::unexpected(std::move(error)));
      });
}

void TcpLinks::on_frame(Link& link, const Frame& frame) {
  const auto& header = frame.header;
  switch (header.kind) {
    case FrameKind::one_way: {
      ++counters_.messages_in;
      if (!is_message_type(header.type)) {
        ++counters_.unknown_messages;
        return;
      }
      auto message = decode(header.type, frame.payload);
      // Dropping it would break "in order, each": a new channel starts over from a known state.
      if (!message) return end_gracefully(link, "undecodable message: " + message.error().message);
      return handler_.on_message(link.id, std::move(*message));
    }
    case FrameKind::request:
      return on_request_frame(link, frame);
    case FrameKind::reply:
      if (!calls_.answer(link.id, header.correlation, decode_reply(header.type, frame.payload)))
        ++counters_.unwanted_replies;
      return;
    case FrameKind::error_reply: {
      auto error = decode_error(frame.payload);
      if (!calls_.answer(link.id, header.correlation, std::unexpected(error ? *error : error.error())))
        ++counters_.unwanted_replies;
      return;
    }
  }
}

void TcpLinks::on_request_frame(Link& link, const Frame& frame) {
  ++link.open_requests;
  auto request = decode_request(frame.header.type, frame.payload);
  if (!request) return answer(link.id, frame.header, std::unexpected(request.error()));
  if (link.open_requests > options_.max_open_requests) {
    return answer(
        link.id, frame.header,
        fail(ErrorCode::resource_exhausted, "too many requests of this link are open: wait for replies"));
  }
  handler_.on_request(link.id, std::move(*request), Answer(alive_, link.id, frame.header));
}

void TcpLinks::answer(LinkId id, const FrameHeader& request, const Result<ApiReply>& reply) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Link& link = *found->second;
  --link.open_requests;
  Error error;
  if (!reply) {
    error = reply.error();
  } else if (static_cast<std::uint16_t>(type_of(*reply)) != request.type) {
    error = {ErrorCode::internal, "the reply does not fit its request", {}};
  } else {
    const auto sent = link.channel->send({request.type, FrameKind::reply, request.correlation},
                                         [&](std::string& out) { encode(*reply, out); });
    if (sent != Channel::Sent::too_big) return;
    error = {ErrorCode::resource_exhausted, too_big("the reply", *link.channel) + ": ask for less", {}};
  }
  link.channel->send({request.type, FrameKind::error_reply, request.correlation},
                     [&](std::string& out) { encode(error, out); });
}

}  // namespace ringmaster

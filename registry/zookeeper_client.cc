#include "registry/zookeeper_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <boost/asio/post.hpp>
#include <glog/logging.h>
#include <poll.h>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kResolutionDelay{60'000};
// The library may ask to be called back at once after a failed connect; this keeps an outage from spinning.
constexpr milliseconds kRetryPause{50};
constexpr int kMessagesPerTurn = 256;

bool is_answer(int code) {
  return code == ZOK || (code < ZAPIERROR && code != ZSESSIONEXPIRED && code != ZCLOSING &&
                         code != ZAUTHFAILED && code != ZINVALIDCALLBACK);
}

ZooKeeperReply::Code translate(int code) {
  switch (code) {
    case ZOK:
      return ZooKeeperReply::Code::ok;
    case ZNONODE:
      return ZooKeeperReply::Code::no_node;
    case ZNODEEXISTS:
      return ZooKeeperReply::Code::node_exists;
    case ZBADARGUMENTS:
      return ZooKeeperReply::Code::refused;
    default:
      return is_answer(code) ? ZooKeeperReply::Code::refused : ZooKeeperReply::Code::lost;
  }
}

ZooKeeperReply reply_of(const Stat* stat) {
  ZooKeeperReply reply;
  if (stat == nullptr) return reply;
  reply.czxid = stat->czxid;
  reply.ephemeral_owner = stat->ephemeralOwner;
  reply.child_changes = stat->cversion;
  return reply;
}

}  // namespace

// Called from inside the library: notes what happened and returns.
struct ZooKeeperClient::Library {
  static Pending* pending(const void* data) { return static_cast<Pending*>(const_cast<void*>(data)); }

  static void event(zhandle_t*, int type, int state, const char* path, void* context) {
    auto* client = static_cast<ZooKeeperClient*>(context);
    if (client->closing_) return;
    if (type == ZOO_SESSION_EVENT) return client->session_event(state);
    client->news_.emplace_back([client, path = std::string(path)] { client->events_.changed(path); });
  }

  static void done(int code, const void* data) { answer(code, ZooKeeperReply{}, data); }
  static void created(int code, const char*, const Stat* stat, const void* data) {
    answer(code, reply_of(code == ZOK ? stat : nullptr), data);
  }
  static void stated(int code, const Stat* stat, const void* data) {
    answer(code, reply_of(code == ZOK ? stat : nullptr), data);
  }
  static void got(int code, const char* value, int size, const Stat* stat, const void* data) {
    ZooKeeperReply reply = reply_of(code == ZOK ? stat : nullptr);
    if (code == ZOK && value != nullptr && size > 0) reply.data.assign(value, static_cast<std::size_t>(size));
    answer(code, std::move(reply), data);
  }
  static void listed(int code, const String_vector* names, const Stat* stat, const void* data) {
    ZooKeeperReply reply = reply_of(code == ZOK ? stat : nullptr);
    if (code == ZOK && names != nullptr) reply.children.assign(names->data, names->data + names->count);
    answer(code, std::move(reply), data);
  }

  static void answer(int code, ZooKeeperReply reply, const void* data) {
    Pending* const request = pending(data);
    request->client->answered(request, code, std::move(reply));
  }
};

ZooKeeperClient::ZooKeeperClient(boost::asio::io_context& context, Events events)
    : context_(context),
      events_(std::move(events)),
      socket_(context),
      deadline_(context),
      heartbeat_(context) {
  // The library formats its log lines in static buffers, which several handles would share: we log instead.
  static std::once_flag silenced;
  std::call_once(silenced, [] { zoo_set_debug_level(static_cast<ZooLogLevel>(0)); });
}

ZooKeeperClient::~ZooKeeperClient() {
  closing_ = true;
  release_socket();
  if (handle_ != nullptr) zookeeper_close(handle_);
}

Result<> ZooKeeperClient::open(const std::string& hosts, Duration session_timeout) {
  const auto timeout = std::chrono::ceil<milliseconds>(session_timeout).count();
  handle_ = zookeeper_init(hosts.c_str(), Library::event, static_cast<int>(timeout), nullptr, this, 0);
  if (handle_ == nullptr) {
    return fail(ErrorCode::unavailable, "cannot use ZooKeeper at " + hosts + ": " + std::strerror(errno));
  }
  zoo_set_servers_resolution_delay(handle_, static_cast<int>(kResolutionDelay.count()));
  schedule_turn();
  return {};
}

std::int64_t ZooKeeperClient::session_id() const {
  return handle_ == nullptr ? 0 : zoo_client_id(handle_)->client_id;
}

Duration ZooKeeperClient::session_timeout() const {
  return milliseconds(handle_ == nullptr ? 0 : zoo_recv_timeout(handle_));
}

// ---- requests
// ---------------------------------------------------------------------------------------------------

template <class Call>
int ZooKeeperClient::in_library(Call call) {
  const int before = zoo_state(handle_);
  const MonoTime now = read_mono_clock();
  const int code = call();
  const int after = zoo_state(handle_);
  if (after != before && after == ZOO_ASSOCIATING_STATE) handshake_sent_ = now;
  if (is_unrecoverable(handle_) != ZOK) session_event(ZOO_EXPIRED_SESSION_STATE);
  // When a request finds the connection broken, the library drops it and tells nobody.
  if (connected_ && after != ZOO_CONNECTED_STATE) session_event(ZOO_CONNECTING_STATE);
  return code;
}

template <class Call>
void ZooKeeperClient::request(Reply reply, Call call) {
  release_socket();
  const auto self = pending_.emplace(pending_.end(), Pending{this, read_mono_clock(), std::move(reply), {}});
  self->self = self;
  const int code = handle_ == nullptr ? ZINVALIDSTATE : in_library([&] { return call(&*self); });
  if (code != ZOK) answered(&*self, code, ZooKeeperReply{});
  schedule_turn();
}

void ZooKeeperClient::create(const std::string& path, const std::string& data, bool ephemeral, Reply reply) {
  request(std::move(reply), [&](Pending* pending) {
    return zoo_acreate2(handle_, path.c_str(), data.data(), static_cast<int>(data.size()),
                        &ZOO_OPEN_ACL_UNSAFE, ephemeral ? ZOO_EPHEMERAL : ZOO_PERSISTENT, Library::created,
                        pending);
  });
}

void ZooKeeperClient::remove(const std::string& path, Reply reply) {
  request(std::move(reply),
          [&](Pending* pending) { return zoo_adelete(handle_, path.c_str(), -1, Library::done, pending); });
}

void ZooKeeperClient::get(const std::string& path, Reply reply) {
  request(std::move(reply),
          [&](Pending* pending) { return zoo_aget(handle_, path.c_str(), 0, Library::got, pending); });
}

void ZooKeeperClient::exists_and_watch(const std::string& path, Reply reply) {
  request(std::move(reply),
          [&](Pending* pending) { return zoo_aexists(handle_, path.c_str(), 1, Library::stated, pending); });
}

void ZooKeeperClient::children_and_watch(const std::string& path, Reply reply) {
  request(std::move(reply), [&](Pending* pending) {
    return zoo_aget_children2(handle_, path.c_str(), 1, Library::listed, pending);
  });
}

void ZooKeeperClient::answered(Pending* pending, int code, ZooKeeperReply reply) {
  if (!closing_ && pending->reply) {
    if (is_answer(code)) last_heard_ = std::max(last_heard_, pending->sent);
    reply.code = translate(code);
    if (reply.code == ZooKeeperReply::Code::refused) reply.text = zerror(code);
    news_.emplace_back([answer = std::move(pending->reply), reply = std::move(reply)]() mutable {
      answer(std::move(reply));
    });
  }
  pending_.erase(pending->self);
}

void ZooKeeperClient::session_event(int state) {
  if (state == ZOO_CONNECTED_STATE) {
    if (std::exchange(connected_, true)) return;
    last_heard_ = std::max(last_heard_, handshake_sent_);
    news_.emplace_back([this] {
      beat();
      events_.connected();
    });
  } else if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE) {
    if (std::exchange(expired_, true)) return;
    lose_connection();
    news_.emplace_back([this] { events_.expired(); });
  } else {
    lose_connection();
  }
}

// The library may keep requests for the next connection; to us they end here, and what it says of them later
// is ignored.
void ZooKeeperClient::lose_connection() {
  if (!std::exchange(connected_, false)) return;
  heartbeat_.cancel();
  for (Pending& pending : pending_) {
    if (!pending.reply) continue;
    news_.emplace_back(
        [reply = std::exchange(pending.reply, nullptr)]() mutable { reply(ZooKeeperReply{}); });
  }
  news_.emplace_back([this] { events_.disconnected(); });
}

// The library's own pings are invisible to us; the replies to these time the session, and keep it alive as
// well.
void ZooKeeperClient::beat() {
  if (!connected_) return;
  request([](const ZooKeeperReply&) {},
          [&](Pending* pending) { return zoo_aexists(handle_, "/", 0, Library::stated, pending); });
  heartbeat_.expires_after(session_timeout() / 4);
  heartbeat_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) beat();
  });
}

// ---- driving the library
// ----------------------------------------------------------------------------------------

// The library may close or replace its descriptor in any call, so Asio must not hold it then.
void ZooKeeperClient::release_socket() {
  ++wait_;
  if (socket_.is_open()) socket_.release();
}

void ZooKeeperClient::schedule_turn() {
  if (std::exchange(turn_scheduled_, true)) return;
  boost::asio::post(context_, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) turn(false);
  });
}

// The first of socket and deadline to come makes the turn; the others belong to a wait that is over.
auto ZooKeeperClient::wake_up() {
  return [this, alive = std::weak_ptr(alive_), wait = wait_](const boost::system::error_code&) {
    if (!alive.expired() && wait == wait_) turn(true);
  };
}

void ZooKeeperClient::turn(bool woken) {
  turn_scheduled_ = false;
  release_socket();
  if (woken) process();
  deliver();
  if (!expired_ && handle_ != nullptr) arm();
  if (!news_.empty()) schedule_turn();
}

// One call of the library reads one message; what is ready is asked anew, as the wait that woke us saw one
// direction.
void ZooKeeperClient::process() {
  pollfd ready{descriptor_, POLLIN | POLLOUT, 0};
  if (descriptor_ < 0 || ::poll(&ready, 1, 0) <= 0) return;
  int events = 0;
  if ((ready.revents & ~POLLOUT) != 0) events |= ZOOKEEPER_READ;
  if ((ready.revents & ~POLLIN) != 0) events |= ZOOKEEPER_WRITE;
  for (int messages = 0; messages < kMessagesPerTurn && !expired_; ++messages) {
    if (in_library([&] { return zookeeper_process(handle_, events); }) != ZOK) return;
    events &= ZOOKEEPER_READ;
    if (events == 0) return;
  }
}

void ZooKeeperClient::arm() {
  int interest = 0;
  timeval patience{};
  descriptor_ = -1;
  const int code =
      in_library([&] { return zookeeper_interest(handle_, &descriptor_, &interest, &patience); });
  if (expired_) return;
  Duration wait = std::chrono::seconds(patience.tv_sec) + std::chrono::microseconds(patience.tv_usec);
  if (code != ZOK) descriptor_ = -1;  // already closed by the library
  if (descriptor_ < 0) {
    wait = std::max<Duration>(wait, kRetryPause);
  } else {
    socket_.assign(descriptor_);
    if ((interest & ZOOKEEPER_READ) != 0) await(socket_.wait_read);
    if ((interest & ZOOKEEPER_WRITE) != 0) await(socket_.wait_write);
  }
  deadline_.expires_after(wait);
  deadline_.async_wait(wake_up());
}

void ZooKeeperClient::await(boost::asio::posix::stream_descriptor::wait_type direction) {
  socket_.async_wait(direction, wake_up());
}

void ZooKeeperClient::deliver() {
  while (!news_.empty()) {
    Callback next = std::move(news_.front());
    news_.pop_front();
    next();
  }
}

}  // namespace ringmaster

// ZooKeeperClient: one handle of the single-threaded C client, driven by an io_context.
//
// Guarantees: nothing of ours ever runs inside the library (it may not be closed there), so replies and
// events come from the loop, in the order in which the library gave them; each request is answered exactly
// once, unless the client is destroyed first. Private to this folder; lives on its io_context's thread. The
// destructor ends the session and may block for seconds; do not destroy the client inside one of its own
// callbacks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <zookeeper/zookeeper.h>

#include "base/loop.h"
#include "base/result.h"

namespace ringmaster {

struct ZooKeeperReply {
  enum class Code : std::uint8_t {
    ok,
    no_node,
    node_exists,
    lost,     // the connection broke: it may or may not have happened
    refused,  // for good; `text` says why
  };
  Code code = Code::lost;
  std::string text;                   // of a refusal
  std::string data;                   // get
  std::vector<std::string> children;  // children; not sorted
  std::int64_t czxid = 0;             // the transaction that made the node
  std::int64_t ephemeral_owner = 0;   // session id, 0 for a persistent node
  std::int32_t child_changes = 0;     // children ever made plus children ever deleted, modulo 2^32
};

class ZooKeeperClient {
 public:
  using Reply = std::move_only_function<void(ZooKeeperReply)>;
  struct Events {
    std::move_only_function<void()> connected;           // each time, also to the same session again
    std::move_only_function<void()> disconnected;        // requests under way were answered `lost`
    std::move_only_function<void()> expired;             // the last event: the server has ended the session
    std::move_only_function<void(std::string)> changed;  // the watch on this path fired
  };

  ZooKeeperClient(boost::asio::io_context& context, Events events);
  ~ZooKeeperClient();
  ZooKeeperClient(const ZooKeeperClient&) = delete;
  ZooKeeperClient& operator=(const ZooKeeperClient&) = delete;

  // Once. Resolves host names, so it may block. Errors: unavailable.
  Result<> open(const std::string& hosts, Duration session_timeout);

  bool connected() const { return connected_; }
  std::int64_t session_id() const;
  Duration session_timeout() const;  // as the server granted it
  // When the newest request that has been answered was sent: the server keeps the session for at least
  // session_timeout() from then.
  MonoTime last_heard() const { return last_heard_; }

  void create(const std::string& path, const std::string& data, bool ephemeral, Reply reply);
  void remove(const std::string& path, Reply reply);
  void get(const std::string& path, Reply reply);
  void exists_and_watch(const std::string& path, Reply reply);
  void children_and_watch(const std::string& path, Reply reply);

 private:
  struct Pending {
    ZooKeeperClient* client = nullptr;
    MonoTime sent;
    Reply reply;  // empty once answered
    std::list<Pending>::iterator self;
  };
  struct Library;  // the C callbacks
  friend struct Library;

  template <class Call>
  void request(Reply reply, Call call);
  void answered(Pending* pending, int code, ZooKeeperReply reply);
  void session_event(int state);
  void lose_connection();

  void release_socket();
  void schedule_turn();
  void turn(bool woken);
  void process();
  void arm();
  void await(boost::asio::posix::stream_descriptor::wait_type direction);
  auto wake_up();
  template <class Call>
  int in_library(Call call);
  void deliver();
  void beat();

  boost::asio::io_context& context_;
  Events events_;
  zhandle_t* handle_ = nullptr;
  boost::asio::posix::stream_descriptor socket_;  // borrowed from the library, never across a call into it
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer heartbeat_;
  int descriptor_ = -1;  // as the library last named it
  std::list<Pending> pending_;
  std::deque<Callback> news_;  // what the library told us, for when it has returned
  bool connected_ = false;
  bool closing_ = false;
  bool expired_ = false;
  bool turn_scheduled_ = false;
  std::uint64_t wait_ = 0;  // a wake-up of an earlier wait is ignored
  MonoTime last_heard_{};
  MonoTime handshake_sent_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ringmaster

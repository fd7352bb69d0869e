// HttpLogFollower: streams the output of an attempt to one client while it is written: asks the service for
// piece after piece and writes each as a chunk, until the attempt is over.
//
// Guarantees: nothing is sent before the first piece is there, so that a refusal is an ordinary reply; the
// last chunk is sent only if the output is whole; a client that has gone or does not read ends it; what has
// not started, or lies on a worker that is out of reach for a while, is waited for. Thread: the loop's.
// Destroying it ends it without a word.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "base/api.h"
#include "base/asio_loop.h"

namespace ringmaster {

struct LogFollowOptions {
  // While there is nothing new: at first, and at most, since each look costs the database one.
  Duration poll = std::chrono::milliseconds(250), longest_poll = std::chrono::seconds(2);
  Duration answer_timeout = std::chrono::seconds(30);
  Duration patience = std::chrono::seconds(60);  // for an attempt to start, or its worker to come back
  Duration write_timeout = std::chrono::seconds(30);
  Duration longest = std::chrono::hours(6);
};

class HttpLogFollower {
 public:
  struct Hooks {
    std::function<std::string(const LogReply&)> head;  // the reply's header, ready to be sent
    std::function<void(const Error&)> refused;         // nothing was sent
    std::function<void(bool whole)> over;              // false: the connection must end
  };
  // `owner` has the socket: a write that is under way keeps it.
  HttpLogFollower(Loop& loop, ApiService& service, boost::asio::ip::tcp::socket& socket,
                  std::weak_ptr<void> owner, LogRequest request, LogFollowOptions options, Hooks hooks);

  void start() { ask(); }

 private:
  void ask();
  void on_answer(std::uint64_t question, const Result<ApiReply>& answer);
  void look_later();
  void on_error(const Error& error);
  void write(LogReply piece);
  void written(bool over, bool more);
  // The last word of this: whoever hears it may destroy it.
  void refuse(const Error& error);
  void finish(bool whole);
  bool client_is_gone();

  Loop& loop_;
  ApiService& service_;
  boost::asio::ip::tcp::socket& socket_;
  const std::weak_ptr<void> owner_;
  LogRequest request_;
  const LogFollowOptions options_;
  Hooks hooks_;
  bool begun_ = false;  // the header is sent
  MonoTime began_, heard_at_;
  Duration pause_;              // before the next look
  std::uint64_t question_ = 0;  // the last one; answers to others come too late
  Timer timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster

// Failover: keeps one channel to one of several masters and carries calls over whichever it is.
//
// Dials the addresses in order, one at a time; after a round in which all failed it pauses and begins again.
// Calls wait for a channel until their deadline. What is repeated on another channel, and what is not, is
// said in client.h. Thread: the loop's. Sees only Loop and Links, so tests drive it without sockets.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/api.h"
#include "base/loop.h"
#include "rpc/links.h"

namespace ringmaster {

class Failover final : public LinkHandler {
 public:
  static constexpr std::size_t kMaxWaiting = 10'000;

  Failover(Loop& loop, std::vector<std::string> addresses);  // at least one address

  // Begins to dial. `first` is told once: connected, or why every address failed.
  void start(Links& links, std::move_only_function<void(Result<>)> first);
  void call(ApiRequest request, Duration timeout, ApiResponder respond);
  void stop();  // answers everything open with `cancelled`; calls after it as well

  void on_link_up(LinkId link, const PeerInfo& peer) override;
  void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override;
  void on_dial_failed(Role role, const std::string& node_id, DialError error,
                      const std::string& reason) override;
  void on_message(LinkId, Message) override {}  // masters send clients none
  void on_request(LinkId link, ApiRequest request, ApiResponder respond) override;

 private:
  using CallId = std::uint64_t;
  struct Call {
    ApiRequest request;
    MonoTime deadline;
    ApiResponder respond;
    TimerId expiry = 0;
  };
  struct Address {
    std::string text;
    std::string trouble;  // why it was left last; empty: not tried, or fine
    bool rejected = false;
  };

  void dial();
  void leave(const std::string& reason, bool rejected);  // on to the next address
  void send(CallId id);
  void on_answer(CallId id, LinkId link, const std::string& address, Result<ApiReply> answer);
  void settle(CallId id, LinkId link, const std::string& address, Error error);
  void finish(CallId id, Result<ApiReply> answer);
  Error no_master() const;

  Loop& loop_;
  Links* links_ = nullptr;
  std::vector<Address> addresses_;
  std::size_t current_ = 0;
  std::size_t failed_in_row_ = 0;
  std::optional<LinkId> link_;
  std::move_only_function<void(Result<>)> first_;
  std::map<CallId, Call> calls_;
  std::deque<CallId> waiting_;  // for a channel; ids of calls that have ended are skipped
  CallId last_call_ = 0;
  bool stopped_ = false;
  Timer pause_;
};

}  // namespace ringmaster

// A master that is a TcpLinks and a few lines: a real socket, a real handshake, scripted answers.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/asio_loop.h"
#include "rpc/tcp_links.h"

namespace ringmaster {

// Answers as its script says, else every submission with its own number; keeps quiet if it is told to.
class FakeMaster final : public LinkHandler {
 public:
  explicit FakeMaster(std::int64_t number, const std::string& secret = {}) : number_(number) {
    LinksOptions options;
    options.secret = secret;
    options.role = Role::master;
    options.node_id = "m" + std::to_string(number);
    options.incarnation = Incarnation{number};
    links_ = std::make_unique<TcpLinks>(loop_, options, *this);
    const auto listening = links_->listen("127.0.0.1:0");
    EXPECT_TRUE(listening) << listening.error().message;
    address_ = links_->bound_address();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~FakeMaster() override { kill(); }

  // Like a death of the process: every socket closes.
  void kill() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    links_.reset();
  }
  const std::string& address() const { return address_; }
  int requests() const { return requests_; }
  std::future<void> first_request() { return first_request_.get_future(); }
  void answer_nothing() { silent_ = true; }
  // Asked before anything else is; before the first client connects.
  using Script = std::function<std::optional<Result<ApiReply>>(const ApiRequest&)>;
  void answer_with(Script script) {
    loop_.post([this, script = std::move(script)]() mutable { script_ = std::move(script); });
  }

  void on_link_up(LinkId, const PeerInfo&) override {}
  void on_link_down(LinkId, const PeerInfo&, const std::string&) override {}
  void on_dial_failed(Role, const std::string&, DialError, const std::string&) override {}
  void on_message(LinkId, Message) override {}
  void on_request(LinkId, ApiRequest request, ApiResponder respond) override {
    if (requests_++ == 0) first_request_.set_value();
    if (silent_) return open_.push_back(std::move(respond));
    if (auto answer = script_ ? script_(request) : std::nullopt) return respond(std::move(*answer));
    if (const auto* submit = std::get_if<SubmitRequest>(&request)) {
      return respond(SubmitReply{std::vector<TaskId>(submit->tasks.size(), TaskId{number_})});
    }
    if (std::holds_alternative<MastersRequest>(request)) return respond(MastersReply{});
    respond(fail(ErrorCode::not_found, "no such task"));
  }

 private:
  std::int64_t number_;
  AsioLoop loop_;
  std::unique_ptr<TcpLinks> links_;
  std::string address_;
  std::atomic<int> requests_ = 0;
  std::atomic<bool> silent_ = false;
  std::promise<void> first_request_;
  std::vector<ApiResponder> open_;
  Script script_;  // the loop's
  std::thread thread_;
};

}  // namespace ringmaster

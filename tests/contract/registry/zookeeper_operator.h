// ZooKeeperOperator: what an operator does to ZooKeeper by hand, as blocking calls on a session of its own.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include <boost/asio/io_context.hpp>

#include "registry/zookeeper_client.h"

namespace ringmaster {

class ZooKeeperOperator {
 public:
  explicit ZooKeeperOperator(const std::string& hosts) : client_(context_, events()) {
    if (auto opened = client_.open(hosts, std::chrono::seconds(4)); !opened) {
      throw std::runtime_error(opened.error().message);
    }
    run([this] { return client_.connected(); });
  }

  ZooKeeperReply::Code remove(const std::string& path) {
    return call([&](auto reply) { client_.remove(path, std::move(reply)); }).code;
  }
  // The same requests back to back: no other session can look in between.
  void replace(const std::string& path, const std::string& data) {
    client_.remove(path, [](const ZooKeeperReply&) {});
    call([&](auto reply) { client_.create(path, data, true, std::move(reply)); });
  }
  ZooKeeperReply get(const std::string& path) {
    return call([&](auto reply) { client_.get(path, std::move(reply)); });
  }

 private:
  static ZooKeeperClient::Events events() {
    return {
        .connected = [] {}, .disconnected = [] {}, .expired = [] {}, .changed = [](const std::string&) {}};
  }

  template <class Request>
  ZooKeeperReply call(Request request) {
    bool done = false;
    ZooKeeperReply answer;
    request(ZooKeeperClient::Reply([&](ZooKeeperReply reply) {
      answer = std::move(reply);
      done = true;
    }));
    run([&] { return done; });
    return answer;
  }

  template <class Predicate>
  void run(Predicate done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("ZooKeeper does not answer");
      context_.restart();
      context_.run_one_for(std::chrono::milliseconds(100));
    }
  }

  boost::asio::io_context context_{1};
  ZooKeeperClient client_;
};

}  // namespace ringmaster

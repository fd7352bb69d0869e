// Round trips on plain Asio: what the RPC is built on, without it. Server and client each on a loop of their
// own.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/asio_loop.h"

namespace ringmaster {

namespace asio = boost::asio;
using asio::ip::tcp;

inline constexpr std::size_t kEchoBytes = 200;

// Echoes blocks of kEchoBytes on one connection.
class RawEcho {
 public:
  explicit RawEcho(asio::io_context& context)
      : acceptor_(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), socket_(context) {
    acceptor_.async_accept(socket_, [this](boost::system::error_code error) {
      socket_.set_option(tcp::no_delay(true));
      if (!error) read();
    });
  }
  tcp::endpoint address() const { return acceptor_.local_endpoint(); }

 private:
  void read() {
    asio::async_read(socket_, asio::buffer(data_), [this](boost::system::error_code error, std::size_t) {
      if (!error) write();
    });
  }
  void write() {
    asio::async_write(socket_, asio::buffer(data_), [this](boost::system::error_code error, std::size_t) {
      if (!error) read();
    });
  }
  tcp::acceptor acceptor_;
  tcp::socket socket_;
  std::array<char, kEchoBytes> data_{};
};

class RawClient {
 public:
  RawClient(AsioLoop& loop, const tcp::endpoint& server) : loop_(loop), socket_(loop.context()) {
    socket_.connect(server);
    socket_.set_option(tcp::no_delay(true));
  }
  void run(int count, std::vector<double>& samples) {
    left_ = count;
    samples_ = &samples;
    step();
    loop_.context().restart();
    loop_.run();
  }

 private:
  void step() {
    if (left_-- == 0) return loop_.stop();
    begun_ = std::chrono::steady_clock::now();
    asio::async_write(socket_, asio::buffer(data_), [this](boost::system::error_code, std::size_t) {
      asio::async_read(socket_, asio::buffer(data_), [this](boost::system::error_code, std::size_t) {
        samples_->push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun_).count());
        step();
      });
    });
  }
  AsioLoop& loop_;
  tcp::socket socket_;
  std::array<char, kEchoBytes> data_{};
  int left_ = 0;
  std::chrono::steady_clock::time_point begun_;
  std::vector<double>* samples_ = nullptr;
};

}  // namespace ringmaster

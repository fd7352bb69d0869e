// TcpRelay: stands between one client and a server on the loopback, and can be cut. Runs on its own thread,
// so that a test which blocks does not look like a dead network.
#pragma once

#include <array>
#include <cstdint>
#include <future>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace ringmaster {

class TcpRelay {
 public:
  explicit TcpRelay(std::uint16_t server_port)
      : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}),
        server_(boost::asio::ip::address_v4::loopback(), server_port),
        port_(acceptor_.local_endpoint().port()) {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~TcpRelay() {
    context_.stop();
    thread_.join();
  }
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;

  std::string hosts() const { return "127.0.0.1:" + std::to_string(port_); }

  // Breaks what is open and every later attempt. Both return when it has taken effect.
  void cut() { set_cut(true); }
  void heal() { set_cut(false); }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  struct Pair {
    explicit Pair(Socket accepted) : client(std::move(accepted)), server(client.get_executor()) {}
    void close() {
      boost::system::error_code ignored;
      client.close(ignored);
      server.close(ignored);
    }
    Socket client, server;
    std::array<char, 65536> upward, downward;
  };

  void set_cut(bool cut) {
    std::promise<void> done;
    boost::asio::post(context_, [&] {
      cut_ = cut;
      if (cut) {
        for (const auto& pair : pairs_) pair->close();
        pairs_.clear();
      }
      done.set_value();
    });
    done.get_future().wait();
  }

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Socket client) {
      if (error) return;
      if (!cut_) connect(std::make_shared<Pair>(std::move(client)));
      accept();
    });
  }

  void connect(std::shared_ptr<Pair> pair) {
    pairs_.push_back(pair);
    pair->server.async_connect(server_, [this, pair](const boost::system::error_code& error) {
      if (error) return pair->close();
      pump(pair, pair->client, pair->server, pair->upward);
      pump(pair, pair->server, pair->client, pair->downward);
    });
  }

  void pump(std::shared_ptr<Pair> pair, Socket& from, Socket& to, std::array<char, 65536>& buffer) {
    from.async_read_some(
        boost::asio::buffer(buffer), [&, pair](const boost::system::error_code& error, std::size_t size) {
          if (error) return pair->close();
          boost::asio::async_write(to, boost::asio::buffer(buffer, size),
                                   [&, pair](const boost::system::error_code& failed, std::size_t) {
                                     if (failed) return pair->close();
                                     pump(pair, from, to, buffer);
                                   });
        });
  }

  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  const boost::asio::ip::tcp::endpoint server_;
  const std::uint16_t port_;
  std::list<std::shared_ptr<Pair>> pairs_;
  bool cut_ = false;
  std::thread thread_;
};

}  // namespace ringmaster

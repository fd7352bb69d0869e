#include "rpc/tcp_stream.h"

#include <charconv>
#include <utility>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <glog/logging.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace ringmaster {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAcceptPause = std::chrono::milliseconds(100);

class TcpStream final : public Stream {
 public:
  explicit TcpStream(tcp::socket socket) : socket_(std::move(socket)) {}

  void async_read_some(std::span<char> into, Handler handler) override {
    socket_.async_read_some(asio::buffer(into.data(), into.size()), std::move(handler));
  }
  void async_write(std::span<const std::string_view> parts, Handler handler) override {
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(parts.size());
    for (const auto part : parts) buffers.emplace_back(part.data(), part.size());
    asio::async_write(socket_, std::move(buffers), std::move(handler));
  }
  void shutdown_send() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  tcp::socket socket_;
};

// Without this a child of ours would hold our connections, and our port, beyond our death.
void set_close_on_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void prepare(tcp::socket& socket, Duration user_timeout) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  set_close_on_exec(socket.native_handle());
  const auto ms =
      static_cast<unsigned>(std::chrono::duration_cast<std::chrono::milliseconds>(user_timeout).count());
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

Result<HostPort> split(const std::string& address) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_argument,
                "'" + address + "' is not an address: write host:port or [v6]:port");
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong();
  HostPort result{address.substr(0, colon), 0};
  const char* const end = address.data() + address.size();
  const auto [at, error] = std::from_chars(address.data() + colon + 1, end, result.port);
  if (error != std::errc() || at != end) return wrong();
  if (result.host.front() == '[' && result.host.back() == ']')
    result.host = result.host.substr(1, result.host.size() - 2);
  if (result.host.empty()) return wrong();
  return result;
}

std::string to_text(const tcp::endpoint& endpoint) {
  const auto host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

}  // namespace

// ---- listener -------------------------------------------------------------------------------------------

struct TcpListener::State : std::enable_shared_from_this<State> {
  State(AsioLoop& loop, Duration timeout, OnAccept handler)
      : acceptor(loop.context()),
        pause(loop.context()),
        user_timeout(timeout),
        on_accept(std::move(handler)) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      self->accepted(error, std::move(socket));
    });
  }

  void accepted(const error_code& error, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (!error) {
      complained = false;
      prepare(socket, user_timeout);
      on_accept(std::make_unique<TcpStream>(std::move(socket)));
      if (acceptor.is_open()) accept();
      return;
    }
    if (error == asio::error::connection_aborted) return accept();
    // No descriptors, no memory: the connection stays in the backlog. Trying at once again would spin.
    if (!std::exchange(complained, true))
      LOG(ERROR) << "cannot accept on " << address << ": " << error.message();
    pause.expires_after(kAcceptPause);
    pause.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (!cancelled && self->acceptor.is_open()) self->accept();
    });
  }

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  Duration user_timeout;
  OnAccept on_accept;
  std::string address;
  bool complained = false;
};

TcpListener::TcpListener(std::shared_ptr<State> state) : state_(std::move(state)) {}

TcpListener::~TcpListener() {
  error_code ignored;
  state_->acceptor.close(ignored);
  state_->pause.cancel();
}

Result<std::unique_ptr<TcpListener>> TcpListener::listen(AsioLoop& loop, const std::string& address,
                                                         Duration user_timeout, OnAccept on_accept) {
  const auto where = split(address);
  if (!where) return std::unexpected(where.error());
  error_code error;
  tcp::resolver resolver(loop.context());
  const auto found =
      resolver.resolve(where->host, std::to_string(where->port), tcp::resolver::passive, error);
  if (error || found.empty())
    return fail(ErrorCode::invalid_argument, "cannot resolve '" + address + "': " + error.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();

  auto state = std::make_shared<State>(loop, user_timeout, std::move(on_accept));
  auto& acceptor = state->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    set_close_on_exec(acceptor.native_handle());
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(ErrorCode::unavailable, "cannot listen on " + address + ": " + error.message());
  state->address = to_text(acceptor.local_endpoint());
  state->accept();
  return std::unique_ptr<TcpListener>(new TcpListener(std::move(state)));
}

const std::string& TcpListener::address() const {
  return state_->address;
}
bool TcpListener::loopback() const {
  error_code error;
  return state_->acceptor.local_endpoint(error).address().is_loopback();
}

// ---- one try to connect ---------------------------------------------------------------------------------

struct TcpConnect::State : std::enable_shared_from_this<State> {
  State(AsioLoop& loop, std::string where, Duration user_time, Handler done)
      : resolver(loop.context()),
        socket(loop.context()),
        deadline(loop.context()),
        address(std::move(where)),
        user_timeout(user_time),
        handler(std::move(done)) {}

  void start(AsioLoop& loop, Duration timeout) {
    const auto where = split(address);
    if (!where) return fail_later(loop, where.error().message);
    deadline.expires_after(timeout);
    deadline.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (!cancelled) self->fail_as(DialError::unreachable, "no answer from " + self->address + " in time");
    });
    error_code not_numeric;
    const auto numeric = asio::ip::make_address(where->host, not_numeric);
    if (!not_numeric) {
      socket.async_connect(tcp::endpoint(numeric, where->port),
                           [self = shared_from_this()](const error_code& error) { self->connected(error); });
      return;
    }
    // Names are looked up on a thread of the library's own; it throws if it cannot have one.
    try {
      resolver.async_resolve(
          where->host, std::to_string(where->port),
          [self = shared_from_this()](const error_code& error, tcp::resolver::results_type found) {
            self->resolved(error, std::move(found));
          });
    } catch (const boost::system::system_error& error) {
      fail_later(loop, "cannot resolve " + address + ": " + error.what());
    }
  }

  // From start(), whose caller must not be called back yet.
  void fail_later(AsioLoop& loop, std::string why) {
    loop.post(
        [self = shared_from_this(), why = std::move(why)] { self->fail_as(DialError::unreachable, why); });
  }

  void resolved(const error_code& error, tcp::resolver::results_type found) {
    if (!handler) return;
    if (error) return fail_as(DialError::unreachable, "cannot resolve " + address + ": " + error.message());
    asio::async_connect(socket, found,
                        [self = shared_from_this()](const error_code& failed, const tcp::endpoint&) {
                          self->connected(failed);
                        });
  }

  void connected(const error_code& error) {
    if (!handler) return;
    if (error) {
      const bool refused = error == asio::error::connection_refused;
      return fail_as(refused ? DialError::refused : DialError::unreachable, address + ": " + error.message());
    }
    error_code ignored;
    // A port of the dynamic range that nobody listens on may be given to ourselves: TCP then connects us to
    // us.
    if (socket.local_endpoint(ignored) == socket.remote_endpoint(ignored))
      return fail_as(DialError::refused, address + ": nobody listens there");
    prepare(socket, user_timeout);
    finish(std::make_unique<TcpStream>(std::move(socket)));
  }

  void fail_as(DialError error, std::string reason) {
    if (handler) finish(std::unexpected(Failure{error, std::move(reason)}));
  }

  void finish(Outcome outcome) {
    auto done = std::move(handler);
    stop();
    done(std::move(outcome));
  }

  void stop() {
    handler = nullptr;
    error_code ignored;
    deadline.cancel();
    resolver.cancel();
    socket.close(ignored);
  }

  tcp::resolver resolver;
  tcp::socket socket;
  asio::steady_timer deadline;
  std::string address;
  Duration user_timeout;
  Handler handler;  // empty once it has run or nobody wants it any more
};

TcpConnect::TcpConnect(AsioLoop& loop, const std::string& address, Duration timeout, Duration user_timeout,
                       Handler handler)
    : state_(std::make_shared<State>(loop, address, user_timeout, std::move(handler))) {
  state_->start(loop, timeout);
}

TcpConnect::~TcpConnect() {
  state_->stop();
}

}  // namespace ringmaster

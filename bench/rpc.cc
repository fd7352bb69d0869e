// What a channel costs, beside the raw Asio that it is built on, in one run: a round trip of 200 bytes
// (target: at most 1.2 times the raw echo) and one-way messages of 200 bytes in a row (target: 500,000 a
// second).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/asio_loop.h"
#include "bench/bench.h"
#include "bench/figures.h"
#include "bench/raw_echo.h"
#include "bench/stopwatch.h"
#include "rpc/message_codec.h"
#include "rpc/tcp_links.h"

namespace ringmaster {
namespace {

constexpr std::size_t kBytes = kEchoBytes;
constexpr int kWarmUp = 2'000;
constexpr int kBlock = 5'000;  // round trips between two changes of side
constexpr int kRounds = 8;
constexpr std::uint64_t kOneWay = 2'000'000;
constexpr std::uint64_t kReport = 10'000;   // the server says how far it is each so many messages, …
constexpr std::uint64_t kWindow = 100'000;  // … and the client is never further ahead: 20 MB

double micros(Clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

// ---- ours -----------------------------------------------------------------------------------------------

LinksOptions options(Role role, std::string node_id) {
  LinksOptions result;
  result.role = role;
  result.node_id = std::move(node_id);
  return result;
}

// Answers each request with as many bytes, and says how many messages came.
class Server final : public LinkHandler {
 public:
  void on_link_up(LinkId, const PeerInfo&) override {}
  void on_link_down(LinkId, const PeerInfo&, const std::string&) override {}
  void on_dial_failed(Role, const std::string&, DialError, const std::string&) override {}
  void on_message(LinkId link, Message) override {
    if (++received_ % kReport == 0) links->send(link, MasterStatus{received_});
  }
  void on_request(LinkId, ApiRequest request, ApiResponder respond) override {
    WaitReply reply;
    reply.items.resize(1);
    reply.items[0].id = std::get<WaitRequest>(request).ids.at(0);
    reply.items[0].worker.assign(kBytes - 15, 'x');
    respond(std::move(reply));
  }
  Links* links = nullptr;

 private:
  std::uint64_t received_ = 0;
};

class Client final : public LinkHandler {
 public:
  Client(AsioLoop& loop, const std::string& server)
      : loop_(loop), links_(loop, options(Role::client, "bench"), *this) {
    links_.dial(Role::master, "server", server);
    run_loop();
  }

  void run_calls(int count, std::vector<double>& samples) {
    left_ = count;
    samples_ = &samples;
    step();
    run_loop();
  }

  // Seconds until the server has said that all came.
  double run_one_way() {
    message_.worker = Incarnation{1};
    message_.items.resize(1);
    auto& item = message_.items[0];
    item.token = {TaskId{1 << 20}, 7, 1};
    item.ns = item.group = "default";
    item.kind = "process";
    std::string bytes;
    encode(Message(message_), bytes);
    item.spec.assign(kBytes - bytes.size() - 1, 'x');  // one more byte: the length takes two
    const auto begun = Clock::now();
    push();
    run_loop();
    return micros(Clock::now() - begun) / 1e6;
  }
  std::size_t message_bytes() const {
    std::string bytes;
    encode(Message(message_), bytes);
    return bytes.size();
  }

 private:
  void run_loop() {
    loop_.context().restart();
    loop_.run();
  }
  void step() {
    if (left_-- == 0) return loop_.stop();
    begun_ = Clock::now();
    WaitRequest request;
    request.ids.assign(kBytes / 9, TaskId{std::int64_t{1} << 60});  // nine bytes each
    links_.call(link_, std::move(request), std::chrono::seconds(10), [this](Result<ApiReply> reply) {
      if (!reply) std::abort();
      samples_->push_back(micros(Clock::now() - begun_));
      step();
    });
  }
  // A few hundred a turn, as a shell does it.
  void push() {
    for (int i = 0; i < 256 && sent_ < kOneWay && sent_ < arrived_ + kWindow; ++i, ++sent_) {
      if (!links_.send(link_, message_)) std::abort();
    }
    pushing_ = sent_ < kOneWay && sent_ < arrived_ + kWindow;
    if (pushing_) loop_.post([this] { push(); });
  }

  void on_link_up(LinkId link, const PeerInfo&) override {
    link_ = link;
    loop_.stop();
  }
  void on_link_down(LinkId, const PeerInfo&, const std::string& reason) override {
    std::fprintf(stderr, "link down: %s\n", reason.c_str());
    std::abort();
  }
  void on_dial_failed(Role, const std::string&, DialError, const std::string& reason) override {
    std::fprintf(stderr, "dial failed: %s\n", reason.c_str());
  }
  void on_message(LinkId, Message message) override {
    arrived_ = std::get<MasterStatus>(message).demand;
    if (arrived_ == kOneWay) return loop_.stop();
    if (!pushing_) push();
  }
  void on_request(LinkId, ApiRequest, ApiResponder respond) override {
    respond(fail(ErrorCode::internal, "a client serves nothing"));
  }

  AsioLoop& loop_;
  LinkId link_ = 0;
  int left_ = 0;
  std::uint64_t sent_ = 0, arrived_ = 0;
  bool pushing_ = false;
  Clock::time_point begun_;
  std::vector<double>* samples_ = nullptr;
  DispatchBatch message_;
  TcpLinks links_;
};

}  // namespace

int bench_rpc(int /*argc*/, char** /*argv*/) {
  AsioLoop server_loop;
  RawEcho echo(server_loop.context());
  Server server;
  TcpLinks server_links(server_loop, options(Role::master, "server"), server);
  server.links = &server_links;
  if (const auto listening = server_links.listen("127.0.0.1:0"); !listening) {
    std::fprintf(stderr, "%s\n", listening.error().message.c_str());
    return 1;
  }
  const auto address = server_links.bound_address();
  std::jthread server_thread([&] { server_loop.run(); });

  {
    AsioLoop loop;
    RawClient raw(loop, echo.address());
    Client client(loop, address);
    std::vector<double> warm_up, raw_us, call_us;
    raw.run(kWarmUp, warm_up);
    client.run_calls(kWarmUp, warm_up);
    // In turns, so that both meet the same weather.
    for (int round = 0; round < kRounds; ++round) {
      raw.run(kBlock, raw_us);
      client.run_calls(kBlock, call_us);
    }
    const double raw_p50 = median(raw_us), call_p50 = median(call_us);
    const double seconds = client.run_one_way();
    const double rate = static_cast<double>(kOneWay) / seconds;
    std::printf("rpc: raw echo of %zu bytes    p50 %7.1f us\n", kBytes, raw_p50);
    std::printf("rpc: call() of %zu bytes      p50 %7.1f us   ratio %.2f (target <= 1.20)\n", kBytes,
                call_p50, call_p50 / raw_p50);
    std::printf("rpc: one-way, %zu bytes each  %9.0f /s      (target >= 500000)\n", client.message_bytes(),
                rate);
  }
  server_loop.stop();
  return 0;
}

}  // namespace ringmaster

#ifdef RINGMASTER_BENCH_RPC_MAIN
int main(int argc, char** argv) {
  return ringmaster::bench_rpc(argc, argv);
}
#endif

#include "client/client.h"

#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include <unistd.h>

#include "base/asio_loop.h"
#include "client/failover.h"
#include "rpc/tcp_links.h"

namespace ringmaster {
namespace {

// A master answers one channel for each node id, so no two clients may share theirs.
LinksOptions links_options(const ClientOptions& options, std::uint64_t random) {
  LinksOptions links;
  links.cluster = options.cluster;
  links.secret = options.secret;
  links.role = Role::client;
  links.incarnation = Incarnation{static_cast<std::int64_t>(random >> 1) | 1};
  links.node_id = "client-" + std::to_string(getpid()) + "-" + to_string(links.incarnation);
  links.version = RINGMASTER_VERSION;
  return links;
}

}  // namespace

// The loop, what lives on it, and the thread that runs it.
class Client::Thread {
 public:
  explicit Thread(const ClientOptions& options)
      : failover_(loop_, options.addresses),
        links_(loop_, links_options(options, loop_.random()), failover_),
        thread_([this] { loop_.run(); }) {}

  ~Thread() {
    std::promise<void> done;
    loop_.post([&] {
      failover_.stop();
      done.set_value();
    });
    done.get_future().wait();
    loop_.stop();
    thread_.join();
  }

  Result<> connect(Duration timeout) {
    auto connected = std::make_shared<std::promise<Result<>>>();
    auto first = connected->get_future();
    loop_.post([this, connected] {
      failover_.start(links_, [connected](Result<> result) { connected->set_value(std::move(result)); });
    });
    if (first.wait_for(timeout) == std::future_status::ready) return first.get();
    return fail(ErrorCode::unavailable, "no master answered within " + format_duration(timeout) +
                                            "; is this the RPC address, not the HTTP one?");
  }

  void call(ApiRequest request, Duration timeout, ApiResponder respond) {
    loop_.post([this, request = std::move(request), timeout, respond = std::move(respond)]() mutable {
      failover_.call(std::move(request), timeout, std::move(respond));
    });
  }

 private:
  AsioLoop loop_;
  Failover failover_;
  TcpLinks links_;
  std::thread thread_;
};

Client::Client(ClientOptions options)
    : options_(std::move(options)), thread_(std::make_unique<Thread>(options_)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::connect(ClientOptions options) {
  if (options.addresses.empty())
    return fail(ErrorCode::invalid_argument, "no address of a master is given", "address");
  auto client = std::unique_ptr<Client>(new Client(std::move(options)));
  if (auto connected = client->thread_->connect(client->options_.timeout); !connected) {
    return std::unexpected(connected.error());
  }
  return client;
}

void Client::call(ApiRequest request, Duration timeout, ApiResponder respond) {
  thread_->call(std::move(request), timeout, std::move(respond));
}

template <class Reply>
Result<Reply> Client::ask(ApiRequest request, Duration wait) {
  std::promise<Result<ApiReply>> promise;
  auto future = promise.get_future();
  call(std::move(request), options_.timeout + wait,
       [&promise](Result<ApiReply> answer) { promise.set_value(std::move(answer)); });
  Result<ApiReply> answer = future.get();
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (auto* reply = std::get_if<Reply>(&*answer)) return std::move(*reply);
  return fail(ErrorCode::internal, "the master answered another question");
}

Result<SubmitReply> Client::submit(SubmitRequest request) {
  return ask<SubmitReply>(std::move(request));
}
Result<GetReply> Client::get(GetRequest request) {
  return ask<GetReply>(request, request.wait);
}
Result<WaitReply> Client::wait(WaitRequest request) {
  const Duration wait = request.wait;
  return ask<WaitReply>(std::move(request), wait);
}
Result<ListReply> Client::list(ListRequest request) {
  return ask<ListReply>(std::move(request));
}
Result<ControlReply> Client::control(ControlRequest request) {
  return ask<ControlReply>(request);
}
Result<ExplainReply> Client::explain(ExplainRequest request) {
  return ask<ExplainReply>(request);
}
Result<LogReply> Client::log(LogRequest request) {
  return ask<LogReply>(request);
}
Result<GroupsReply> Client::groups() {
  return ask<GroupsReply>(GroupsRequest{});
}
Result<WorkersReply> Client::workers() {
  return ask<WorkersReply>(WorkersRequest{});
}
Result<MastersReply> Client::masters() {
  return ask<MastersReply>(MastersRequest{});
}
Result<ClusterReply> Client::cluster() {
  return ask<ClusterReply>(ClusterRequest{});
}

Result<AuditReply> Client::audit(AuditRequest request) {
  return ask<AuditReply>(request, request.full ? kFullAuditWait : kAuditWait);
}

}  // namespace ringmaster

#include "client/client.h"

#include <future>
#include <optional>
#include <utility>

#include <unistd.h>

#include "client/failover.h"
#include "client/led_loop.h"
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

// The loop and what lives on it.
class Client::Core {
 public:
  explicit Core(const ClientOptions& options)
      : failover_(loop(), options.addresses),
        links_(loop(), links_options(options, loop().random()), failover_) {
    led_.start();
  }

  ~Core() {
    led_.finish([this] { failover_.stop(); });
  }

  Result<> connect(Duration timeout) {
    auto connected = std::make_shared<std::promise<Result<>>>();
    auto first = connected->get_future();
    led_.post_service([this, connected] {
      failover_.start(links_, [this, connected](Result<> result) {
        connected->set_value(std::move(result));
        led_.end_service();
      });
    });
    if (first.wait_for(timeout) == std::future_status::ready) return first.get();
    return fail(ErrorCode::unavailable, "no master answered within " + format_duration(timeout) +
                                            "; is this the RPC address, not the HTTP one?");
  }

  void call(ApiRequest request, Duration timeout, ApiResponder respond) {
    led_.post_service([this, request = std::move(request), timeout, respond = std::move(respond)]() mutable {
      failover_.call(std::move(request), timeout,
                     [this, respond = std::move(respond)](Result<ApiReply> answer) mutable {
                       respond(std::move(answer));
                       led_.end_service();
                     });
    });
  }

  Result<ApiReply> ask(ApiRequest request, Duration timeout) {
    LedLoop::Wait wait;
    std::optional<Result<ApiReply>> got;
    led_.run_until_over(wait, [&] {
      failover_.call(std::move(request), timeout, [&](Result<ApiReply> answer) {
        got.emplace(std::move(answer));
        led_.end(wait);
      });
    });
    return *std::move(got);
  }

 private:
  AsioLoop& loop() { return led_.loop(); }

  LedLoop led_;
  Failover failover_;
  TcpLinks links_;
};

Client::Client(ClientOptions options)
    : options_(std::move(options)), core_(std::make_unique<Core>(options_)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::connect(ClientOptions options) {
  if (options.addresses.empty())
    return fail(ErrorCode::invalid_argument, "no address of a master is given", "address");
  auto client = std::unique_ptr<Client>(new Client(std::move(options)));
  if (auto connected = client->core_->connect(client->options_.timeout); !connected) {
    return std::unexpected(connected.error());
  }
  return client;
}

void Client::call(ApiRequest request, Duration timeout, ApiResponder respond) {
  core_->call(std::move(request), timeout, std::move(respond));
}

template <class Reply>
Result<Reply> Client::ask(ApiRequest request, Duration wait) {
  Result<ApiReply> answer = core_->ask(std::move(request), options_.timeout + wait);
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

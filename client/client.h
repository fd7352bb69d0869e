// Client: a connection to a Ringmaster cluster for programs, over the binary RPC, to one master at a time.
//
// Guarantees: with several addresses it goes on to the next when one cannot be reached or dies. A call that
// surely has not been carried out, or that reads or cancels, is repeated there within its deadline; a
// submission or release whose fate is unknown never is: the caller gets unknown_outcome. Errors say which
// address and why. Threads: safe from any. Responders run one at a time, on a thread of the client's own or
// on one that is in a blocking call of it: they must not block, call back in that way or destroy the client.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/api.h"

namespace ringmaster {

struct ClientOptions {
  std::vector<std::string> addresses;  // `host:port`, tried in this order
  std::string cluster = "default";
  std::string secret;
  Duration timeout = std::chrono::seconds(10);  // of connect, and of a blocking call beyond its own wait
};

class Client {
 public:
  // Returns once a master has answered. Errors: invalid_argument (no address), unavailable (each address with
  // its reason), unauthenticated (a master refused cluster or secret, and none accepted).
  static Result<std::unique_ptr<Client>> connect(ClientOptions options);
  ~Client();  // open calls are answered `cancelled`

  // Answered exactly once, where responders run. At most 10,000 calls wait for a connection.
  void call(ApiRequest request, Duration timeout, ApiResponder respond);

  Result<SubmitReply> submit(SubmitRequest request);
  Result<GetReply> get(GetRequest request);
  Result<WaitReply> wait(WaitRequest request);
  Result<ListReply> list(ListRequest request);
  Result<ControlReply> control(ControlRequest request);
  Result<ExplainReply> explain(ExplainRequest request);
  Result<LogReply> log(LogRequest request);
  Result<GroupsReply> groups();
  Result<WorkersReply> workers();
  Result<MastersReply> masters();
  Result<ClusterReply> cluster();
  Result<AuditReply> audit(AuditRequest request);  // takes some seconds; a full one as long as it takes

 private:
  class Core;
  explicit Client(ClientOptions options);
  template <class Reply>
  Result<Reply> ask(ApiRequest request, Duration wait = Duration{0});

  ClientOptions options_;
  std::unique_ptr<Core> core_;
};

}  // namespace ringmaster

// A whole HTTP connection: the real session, parser and routes over a socket pair, with a service that
// answers everything, at once or a turn later. Whatever arrives, in whatever pieces, the session ends when
// its client does, and all it has written are whole HTTP responses, JSON where they say so.
//
// Input: a byte (the size of the pieces; its top bit: the service answers a turn later), then what the client
// sends.
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/parse.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/http_session.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;
namespace http = boost::beast::http;

// A reply of the right kind, with awkward text where replies have text from elsewhere.
struct Answer {
  ApiReply operator()(const SubmitRequest& request) const {
    SubmitReply reply;
    for (std::size_t i = 0; i < request.tasks.size(); ++i)
      reply.ids.push_back(make_task_id(static_cast<std::int64_t>(i) + 1, 7));
    return reply;
  }
  ApiReply operator()(const GetRequest& request) const {
    GetReply reply;
    reply.view.row.id = request.id;
    reply.view.result =
        AttemptResult{.outcome = Outcome::failed, .message = "\xff\n", .output_tail = {"\0\x80", 2}};
    return reply;
  }
  ApiReply operator()(const ListRequest& request) const {
    ListReply reply;
    reply.views.resize(2);
    reply.next = request.after;
    return reply;
  }
  ApiReply operator()(const WaitRequest&) const { return WaitReply{}; }
  ApiReply operator()(const WorkersRequest&) const {
    return WorkersReply{.workers = {WorkerView{.id = "w1"}}};
  }
  ApiReply operator()(const MastersRequest&) const {
    return MastersReply{.masters = {MasterView{.id = "m1"}}};
  }
  ApiReply operator()(const ClusterRequest&) const {
    return ClusterReply{.cluster = "test", .shards_owned = 1};
  }
  ApiReply operator()(const ControlRequest&) const { return ControlReply{}; }
  ApiReply operator()(const ExplainRequest&) const {
    return ExplainReply{.reasons = {{"no_worker", "none"}}};
  }
  ApiReply operator()(const LogRequest& request) const {
    return LogReply{
        .attempt = request.attempt, .worker = "w1", .bytes = {"\0\xff\r\n", 4}, .next = 4, .over = true};
  }
  ApiReply operator()(const AuditRequest&) const {
    return AuditReply{.answered_by = "m1",
                      .checks = {{.name = "due_known", .findings = {{"task", "x", "y"}}}}};
  }
  ApiReply operator()(const AuditPartRequest&) const { return AuditPartReply{}; }
  ApiReply operator()(const HeldRequest&) const { return HeldReply{}; }
  ApiReply operator()(const GroupsRequest&) const { return GroupsReply{.groups = {{.name = "default"}}}; }
};

class Service final : public ApiService {
 public:
  Service(AsioLoop& loop, bool later) : loop_(loop), later_(later) {}
  void call(ApiRequest request, ApiResponder respond) override {
    Result<ApiReply> answer = std::visit(Answer{}, request);
    // Whoever follows a log would try again for a minute.
    const bool log = std::holds_alternative<LogRequest>(request);
    if (++calls_ % 5 == 0 && !log) answer = fail(ErrorCode::unavailable, "not now");
    if (!later_) return respond(std::move(answer));
    loop_.post(
        [respond = std::move(respond), answer = std::move(answer)]() mutable { respond(std::move(answer)); });
  }

 private:
  AsioLoop& loop_;
  bool later_;
  int calls_ = 0;
};

// The client's end of a socket pair: never blocks, keeps what it reads.
class Client {
 public:
  explicit Client(int fd) : fd_(fd) {}
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // How much was taken.
  std::size_t write(std::string_view bytes) {
    const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN)
      return bytes.size();  // the server has closed: nobody is there to read it
    return static_cast<std::size_t>(std::max<ssize_t>(size, 0));
  }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  bool read() {
    std::array<char, 65536> chunk;
    const ssize_t size = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (size > 0) received_.append(chunk.data(), static_cast<std::size_t>(size));
    return size > 0;
  }
  const std::string& received() const { return received_; }

 private:
  int fd_;
  std::string received_;
};

void check_json(const http::response_parser<http::string_body>& parser) {
  const auto type = parser.get()[http::field::content_type];
  if (type != "application/json" && type != "application/problem+json") return;
  boost::system::error_code error;
  (void)boost::json::parse(parser.get().body(), error);
  fuzz_check(!error, "what is called JSON is JSON");
}

void check_responses(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) {
      bytes.remove_prefix(25);
      continue;
    }
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    parser.eager(true);
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    fuzz_check(!error && parser.is_done(), "a response is whole");
    check_json(parser);
    bytes.remove_prefix(used);
  }
}

constexpr int kMaxTurns = 100'000;  // far above what an input of this size needs

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto first = input.byte();
  const std::size_t piece = (first & 0x7f) == 0x7f ? size : (first & 0x7f) * std::size_t{8} + 1;
  // A response to HEAD has the length of a body that does not follow: only the session knows which ones those
  // are.
  const bool readable = input.rest().find("HEAD") == std::string_view::npos;

  std::array<int, 2> ends{};
  fuzz_check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0,
             "a socket pair");
  Client client(ends[0]);
  AsioLoop loop;
  Service service(loop, (first & 0x80) != 0);
  Metrics metrics;
  bool ended = false;
  HttpEdge edge{loop,    service,
                metrics, HttpOptions{.max_header_bytes = 2048, .max_body_bytes = 4096},
                false,   [&](HttpSession&) { ended = true; }};
  auto session = std::make_shared<HttpSession>(
      edge, boost::asio::ip::tcp::socket(loop.context(), boost::asio::ip::tcp::v4(), ends[1]));
  session->start();
  bool finished = false;
  for (int turn = 0; !ended && turn < kMaxTurns; ++turn) {
    if (!input.empty()) {
      const auto next = input.rest().substr(0, piece);
      (void)input.take(client.write(next));
    } else if (!std::exchange(finished, true)) {
      client.finish();
    }
    loop.context().poll();
    while (client.read()) {
    }
  }
  fuzz_check(ended, "a session ends when its client has");
  session.reset();
  loop.context().poll();
  while (client.read()) {
  }
  if (readable) check_responses(client.received());
  return 0;
}

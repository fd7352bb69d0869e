#include "tests/integration/bad_days/bad_day.h"

#include <fstream>
#include <sstream>

#include <boost/json/parse.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmaster {
namespace {

const std::string kBin = BINARY_ROOT;

// The text between the last `from` and the next `to`.
std::string between(const std::string& text, const std::string& from, char to) {
  const auto at = text.rfind(from);
  if (at == std::string::npos) return {};
  const auto begin = at + from.size();
  return text.substr(begin, text.find(to, begin) - begin);
}

boost::json::object object_of(const std::string& text) {
  boost::system::error_code error;
  const auto value = boost::json::parse(text, error);
  return value.is_object() ? value.get_object() : boost::json::object{};
}

std::string text_of(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string{};
}

// User and system time.
double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

RawConnection::RawConnection(const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return;
  ::close(fd_);
  fd_ = -1;
}

RawConnection::~RawConnection() {
  if (fd_ >= 0) ::close(fd_);
}

bool RawConnection::send(const std::string& bytes) const {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string RawConnection::read_to_end() const {
  std::string text;
  char buffer[4096];
  ssize_t size = 0;
  while ((size = ::recv(fd_, buffer, sizeof buffer, 0)) > 0)
    text.append(buffer, static_cast<std::size_t>(size));
  return text;
}

std::string HttpText::detail() const {
  return text_of(object_of(body), "detail");
}

std::string BadDay::http_address(const std::string& master) const {
  return between(cluster_.log_of(master), ", HTTP on ", '\n');
}

std::string BadDay::rpc_address(const std::string& node) const {
  return between(cluster_.log_of(node), node + " listens on ", ',');
}

HttpText BadDay::http(const std::string& master, const std::string& method, const std::string& target,
                      const std::string& body) {
  const RawConnection connection(http_address(master));
  std::string request = method + " " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n";
  if (!body.empty()) {
    request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  if (!connection.connected()) return {};
  connection.send(request + "\r\n" + body);
  const std::string reply = connection.read_to_end();
  if (!reply.starts_with("HTTP/1.1 ")) return {};
  const auto end = reply.find("\r\n\r\n");
  return {std::stoi(reply.substr(9, 3)), end == std::string::npos ? "" : reply.substr(end + 4)};
}

std::string BadDay::submit(const std::string& master, const std::string& body) {
  const auto reply = http(master, "POST", "/v1/tasks", body);
  EXPECT_EQ(reply.status, 201) << reply.body;
  return text_of(object_of(reply.body), "id");
}

::testing::AssertionResult BadDay::says(const std::string& node, const std::string& text,
                                        std::chrono::seconds within) const {
  if (Cluster::eventually([&] { return cluster_.log_of(node).contains(text); }, within))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << node << " does not say: " << text << "\n" << cluster_.log_of(node);
}

std::string BadDay::ended(const std::string& master, const std::string& task) {
  for (int round = 0; round < 3; ++round) {
    const auto view = object_of(http(master, "GET", "/v1/tasks/" + task + "?wait=9s").body);
    const auto* result = view.if_contains("result");
    if (result == nullptr || !result->is_object()) continue;
    const std::string why = text_of(result->get_object(), "message");
    return text_of(view, "state") + (why.empty() ? "" : ": " + why);
  }
  return "has not ended";
}

std::string BadDay::explained(const std::string& master, const std::string& task, const std::string& text) {
  std::string lines;
  (void)Cluster::eventually(
      [&] {
        lines.clear();
        const auto reply = object_of(http(master, "GET", "/v1/tasks/" + task + ":explain").body);
        const auto* reasons = reply.if_contains("reasons");
        if (reasons == nullptr) return false;
        for (const auto& reason : reasons->as_array()) {
          lines += text_of(reason.as_object(), "code") + ": " + text_of(reason.as_object(), "text") + "\n";
        }
        return lines.contains(text);
      },
      std::chrono::seconds(20));
  return lines;
}

double BadDay::load_of(pid_t pid) {
  const auto begun = std::chrono::steady_clock::now();
  const double before = cpu_seconds(pid);
  ::poll(nullptr, 0, 1000);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  return (cpu_seconds(pid) - before) / took.count();
}

std::unique_ptr<ChildProcess> BadDay::start(const std::string& name, std::vector<std::string> argv) const {
  return std::make_unique<ChildProcess>(
      std::move(argv), ChildProcess::Options{.output = cluster_.directory() / (name + ".log")});
}

std::string BadDay::outcome_of(std::vector<std::string> argv) {
  const std::string name = "run-" + std::to_string(++runs_);
  const auto code = start(name, std::move(argv))->wait(std::chrono::seconds(20));
  std::string log = cluster_.log_of(name);
  if (log.ends_with('\n')) log.pop_back();
  std::string last = log.substr(log.rfind('\n') + 1);
  // glog's `E20261121 19:30:22.798381 18748 file.cc:71] `.
  if (const auto text = last.find(".cc:"); text != std::string::npos)
    last = last.substr(last.find("] ", text) + 2);
  return std::to_string(code.value_or(-1)) + ", " + last;
}

std::vector<std::string> BadDay::master_argv(std::vector<std::string> flags) const {
  std::vector<std::string> argv{
      kBin + "/ringmaster", "serve",       "--zookeeper",       cluster_.zookeeper(),
      "--http-listen",      "127.0.0.1:0", "--session-timeout", "2s"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

std::vector<std::string> BadDay::worker_argv(std::vector<std::string> flags) const {
  std::vector<std::string> argv{
      kBin + "/ringworker", "serve", "--cluster", "test", "--zookeeper", cluster_.zookeeper(),
      "--session-timeout",  "2s"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

}  // namespace ringmaster

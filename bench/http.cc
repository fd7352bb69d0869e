// `ringbench http`: submissions over HTTP beside the same over the binary RPC, in one run against one real
// `ringmaster standalone`; and long polls that are open at the same time: what one costs, and how long it
// takes until all of them are answered. The tasks go to a group without workers: nothing but their submission
// is measured.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <sys/stat.h>

#include "bench/bench.h"
#include "bench/cluster_options.h"
#include "bench/daemon_process.h"
#include "bench/stopwatch.h"
#include "client/client.h"

namespace ringmaster {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr const char* kGroup = "nowhere";

struct Options {
  double seconds = 10;
  int batch = 500, clients = 4, polls = 10'000;
  std::uint16_t rpc_port = 17'520, http_port = 17'580;
};

// A connection that asks and waits.
class HttpConnection {
 public:
  explicit HttpConnection(std::uint16_t port) : socket_(context()) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    socket_.set_option(tcp::no_delay(true));
  }
  unsigned ask(const std::string& request) {
    send(request);
    return answer();
  }
  void send(const std::string& request) { asio::write(socket_, asio::buffer(request)); }
  unsigned answer() {
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    http::read(socket_, buffer_, parser);
    return parser.get().result_int();
  }

 private:
  // One for each thread: they are three descriptors each.
  static asio::io_context& context() {
    thread_local asio::io_context instance{1};
    return instance;
  }

  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

std::string request_of(const std::string& target, const std::string& body) {
  return "POST " + target + " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string tasks_of(int count) {
  const std::string one =
      R"({"kind":"noop","group":")" + std::string(kGroup) +
      R"(","labels":{"bench":"http"},"spec":{"padding":"0123456789012345678901234567890"}})";
  if (count == 1) return one;
  std::string body = "[";
  for (int i = 0; i < count; ++i) body += (i > 0 ? "," : "") + one;
  return body + "]";
}
NewTask task() {
  NewTask task;
  task.kind = "noop";
  task.group = kGroup;
  task.labels = R"({"bench":"http"})";
  task.spec = R"({"padding":"0123456789012345678901234567890"})";
  return task;
}

struct Rate {
  double tasks_per_second = 0, master_us = 0, postgres_us = 0;  // CPU a task
};

// `clients` threads, each submitting `batch` tasks at a time and waiting for the answer; false: it failed.
template <class MakeSubmit>
std::optional<Rate> measure(const Options& options, const DaemonProcess& server, int clients, int batch,
                            MakeSubmit make_submit) {
  std::atomic<bool> failed = false;
  std::atomic<long> tasks = 0;
  const double cpu = server.cpu(), postgres = postgres_cpu();
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      auto submit = make_submit(batch);
      while (since(begin) < options.seconds && !failed) {
        if (!submit()) failed = true;
        tasks += batch;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) return std::nullopt;
  const auto count = static_cast<double>(tasks.load());
  return Rate{count / since(begin), 1e6 * (server.cpu() - cpu) / count,
              1e6 * (postgres_cpu() - postgres) / count};
}

int compare_submissions(const Options& options, const DaemonProcess& server) {
  const auto over_http = [&](std::string target) {
    return [&options, target](int batch) {
      auto connection = std::make_shared<HttpConnection>(options.http_port);
      auto request = request_of(target, tasks_of(batch));
      return [connection, request] { return connection->ask(request) / 100 == 2; };
    };
  };
  const auto over_rpc = [&](int batch) {
    auto connected = Client::connect({.addresses = {"127.0.0.1:" + std::to_string(options.rpc_port)}});
    std::shared_ptr<Client> client = connected ? *std::move(connected) : nullptr;
    return [client, batch] {
      return client != nullptr &&
             client->submit({std::vector<NewTask>(static_cast<std::size_t>(batch), task())}).has_value();
    };
  };
  std::printf("submission, %.0f s each: tasks/s, and CPU us a task of the master and of PostgreSQL\n",
              options.seconds);
  for (const auto& [clients, batch] :
       {std::pair{options.clients, options.batch}, {options.clients, 1}, {1, 1}}) {
    const auto rpc = measure(options, server, clients, batch, over_rpc);
    const auto array = measure(options, server, clients, batch, over_http("/v1/tasks"));
    if (!rpc || !array) return 1;
    const auto show = [&](const char* how, const Rate& rate) {
      std::printf(
          "  %-16s %d clients x %-4d %10.0f/s  (%3.0f %% of the RPC)  master %6.1f  PostgreSQL %6.1f\n", how,
          clients, batch, rate.tasks_per_second, 100 * rate.tasks_per_second / rpc->tasks_per_second,
          rate.master_us, rate.postgres_us);
    };
    show("RPC", *rpc);
    show("HTTP /v1/tasks", *array);
    if (batch == 1) continue;
    const auto each = measure(options, server, clients, batch, over_http("/v1/tasks:batch"));
    if (!each) return 1;
    show("HTTP tasks:batch", *each);
  }
  return 0;
}

int hold_polls(const Options& options, const DaemonProcess& server) {
  auto client = Client::connect({.addresses = {"127.0.0.1:" + std::to_string(options.rpc_port)}});
  if (!client) return 1;
  NewTask held = task();
  held.run_at = read_wall_clock() + std::chrono::hours(24);
  const auto submitted = (*client)->submit({{held}});
  if (!submitted) return 1;
  const TaskId id = submitted->ids.at(0);

  const long before = server.resident();
  const std::string request = "GET /v1/tasks/" + to_string(id) + "?wait=60s HTTP/1.1\r\nHost: bench\r\n\r\n";
  std::vector<std::unique_ptr<HttpConnection>> polls;
  const auto begin = Clock::now();
  for (int i = 0; i < options.polls; ++i) {
    polls.push_back(std::make_unique<HttpConnection>(options.http_port));
    polls.back()->send(request);
  }
  std::this_thread::sleep_for(std::chrono::seconds(2));  // until the last ones have been read
  const long open = server.resident();
  const double cpu = server.cpu();
  std::this_thread::sleep_for(std::chrono::seconds(5));
  const double idle = (server.cpu() - cpu) / 5;
  std::printf("%d long polls: opened in %.1f s, %.1f KiB each, %.1f %% of a core while they wait\n",
              options.polls, since(begin) - 7, static_cast<double>(open - before) / options.polls,
              100 * idle);
  const auto cancelled = Clock::now();
  if (!(*client)->control({.id = id, .action = ControlAction::cancel})) return 1;
  for (const auto& poll : polls) {
    if (poll->answer() != 200) return 1;
  }
  std::printf("  the task ends: all of them are answered after %.0f ms\n", 1000 * since(cancelled));
  return 0;
}

int run(const Options& options) {
  raise_file_limit();
  const std::filesystem::path bin = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string pattern = (std::filesystem::temp_directory_path() / "ringbench-XXXXXX").string();
  const std::filesystem::path directory = mkdtemp(pattern.data());
  chmod(directory.c_str(), 0711);  // the user postgres passes through
  int code = 1;
  {
    const DaemonProcess server({bin / "ringmaster", "standalone", "--data", directory / "data", "--listen",
                                "127.0.0.1:" + std::to_string(options.rpc_port), "--http-listen",
                                "127.0.0.1:" + std::to_string(options.http_port)},
                               directory / "log");
    const auto ready = [&] {
      auto client = Client::connect({.addresses = {"127.0.0.1:" + std::to_string(options.rpc_port)}});
      const auto cluster = client ? (*client)->cluster() : std::unexpected(client.error());
      return cluster && cluster->shards_owned == 256;
    };
    const auto begin = Clock::now();
    while (!ready() && server.alive() && since(begin) < 60)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    code = compare_submissions(options, server);
    if (code == 0) code = hold_polls(options, server);
  }
  if (code != 0) {
    std::fprintf(stderr, "ringbench http: it failed; its log is %s\n", (directory / "log").c_str());
    return code;
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace

int bench_http(int argc, char** argv) {
  Options options;
  CLI::App app("Submissions over HTTP beside the RPC, and open long polls", "ringbench http");
  app.add_option("--seconds", options.seconds, "of each measurement")->capture_default_str();
  app.add_option("--batch", options.batch, "tasks in one request")->capture_default_str();
  app.add_option("--clients", options.clients, "at the same time")->capture_default_str();
  app.add_option("--polls", options.polls, "open at the same time, at most 10000")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(options);
}

}  // namespace ringmaster

// ringworker: the worker daemon. Puts the real parts together and runs them until SIGTERM or SIGINT: the
// first one drains, the second ends it at once. Exit codes: 0 ok, 1 failure, 2 bad configuration.
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <glog/logging.h>

#include "base/asio_loop.h"
#include "base/serve_command.h"
#include "registry/zookeeper_registry.h"
#include "rpc/tcp_links.h"
#include "worker/attempt_logs.h"
#include "worker/file_spool.h"
#include "worker/http_runner.h"
#include "worker/kind_runner.h"
#include "worker/noop_runner.h"
#include "worker/process_runner.h"
#include "worker/supervisor.h"
#include "worker/worker_node.h"
#include "worker/worker_settings.h"

namespace ringmaster {
namespace {

constexpr int kFailure = 1;
constexpr int kBadConfiguration = 2;
constexpr Duration kCleanEvery = std::chrono::hours(1);
constexpr Duration kCleanPause = std::chrono::milliseconds(100);
constexpr std::size_t kLogsAtOnce = 200;

int complain(const Error& error, int code) {
  std::fprintf(stderr, "ringworker: %s\n", error.message.c_str());
  return code;
}

class Daemon {
 public:
  explicit Daemon(WorkerSettings settings) : settings_(std::move(settings)) {}

  // Whatever ends the daemon, its attempts end before masters can see it gone, and the journal last.
  ~Daemon() {
    runner_.reset();
    links_.reset();
    node_.reset();
    registry_.reset();
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Result<> start(Supervisor supervisor) {
    FileSpoolOptions spool;
    spool.directory = settings_.data_dir + "/spool";
    auto opened = FileSpool::open(loop_, std::move(spool));
    if (!opened) return std::unexpected(opened.error());
    spool_ = *std::move(opened);
    // A predecessor's attempts are dead before anybody hears of this life.
    if (auto ready = supervisor.wait_ready(); !ready) return ready;
    auto last_words = supervisor.last_words();
    logs_.emplace(supervisor.log_dir());
    make_runner(std::move(supervisor));
    make_node();
    if (node_->inherit(std::move(last_words))) processes_->forget_last_words();
    if (auto listening = links_->listen(settings_.listen); !listening) return listening;
    const std::string address = settings_.advertise.empty() ? links_->bound_address() : settings_.advertise;
    LOG(INFO) << "worker " << settings_.node_id << " listens on " << links_->bound_address() << ", "
              << settings_.slots << " slots";
    node_->start(*links_, address, [this](const Result<>& joined) {
      if (joined) {
        LOG(INFO) << "registered in cluster " << settings_.cluster;
      } else {
        end(kFailure, "cannot register: " + joined.error().message);
      }
    });
    remove_old_logs();
    wait_for_signal();
    return {};
  }

  int run() {
    loop_.run();
    return exit_code_;
  }

 private:
  void make_runner(Supervisor supervisor) {
    runner_ = std::make_unique<KindRunner>(loop_);
    runner_->add("noop", std::make_unique<NoopRunner>(loop_));
    runner_->add("http", std::make_unique<HttpRunner>(loop_, HttpRunnerOptions{supervisor.log_dir()}));
    // Behind the flush that journals what became of its attempts.
    auto lost = [this] { loop_.post([this] { end(kFailure, "the supervisor died"); }); };
    auto processes = std::make_unique<ProcessRunner>(loop_, std::move(supervisor), std::move(lost));
    processes_ = processes.get();
    runner_->add("process", std::move(processes));
  }

  void make_node() {
    registry_ = std::make_unique<ZooKeeperRegistry>(loop_, settings_.registry());

    WorkerOptions worker;
    worker.node_id = settings_.node_id;
    worker.incarnation = new_incarnation();
    worker.groups = settings_.groups;
    worker.slots = settings_.slots;
    worker.prefetch = settings_.prefetch;
    worker.weight = settings_.weight;
    worker.version = RINGMASTER_VERSION;
    worker.report_redials = settings_.report_redials;
    worker.read_log = [this](const LogRequest& request) { return logs_->read(request); };
    node_ = std::make_unique<WorkerNode>(loop_, *registry_, *spool_, *runner_, worker);

    LinksOptions links;
    links.cluster = settings_.cluster;
    links.secret = settings_.secret;
    links.role = Role::worker;
    links.node_id = settings_.node_id;
    links.incarnation = worker.incarnation;
    links.store_id = node_->store_id();
    links_ = std::make_unique<TcpLinks>(loop_, links, *node_);
  }

  // A few at a time: the loop has more urgent things to do.
  void remove_old_logs() {
    const bool all = logs_->remove_some(read_wall_clock() - settings_.log_retention, kLogsAtOnce);
    cleaning_.start(all ? kCleanEvery : kCleanPause, [this] { remove_old_logs(); });
  }

  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      if (std::exchange(draining_, true)) {
        end(kFailure, "stopped before it was drained");
        return;
      }
      drain();
      wait_for_signal();
    });
  }

  void drain() {
    LOG(INFO) << "draining, for " << format_duration(settings_.drain_timeout) << " at most";
    deadline_.start(settings_.drain_timeout, [this] {
      end(kFailure, "not drained in time: attempts are stopped, undelivered results stay in the spool");
    });
    node_->drain([this] {
      LOG(INFO) << "drained";
      links_->shutdown([this] { loop_.stop(); });
    });
  }

  void end(int code, const std::string& why) {
    LOG(ERROR) << why;
    exit_code_ = code;
    loop_.stop();
  }

  WorkerSettings settings_;
  int exit_code_ = 0;
  bool draining_ = false;
  AsioLoop loop_;
  boost::asio::signal_set signals_{loop_.context(), SIGTERM, SIGINT};
  Timer deadline_{loop_};
  Timer cleaning_{loop_};
  std::optional<AttemptLogs> logs_;
  std::unique_ptr<FileSpool> spool_;
  std::unique_ptr<KindRunner> runner_;
  ProcessRunner* processes_ = nullptr;  // one of them
  std::unique_ptr<ZooKeeperRegistry> registry_;
  std::unique_ptr<WorkerNode> node_;
  std::unique_ptr<TcpLinks> links_;
};

int serve(const char* argv0, WorkerSettings settings) {
  // Forked first: it stays as small as this process is now, and inherits no thread, lock or descriptor.
  auto supervisor = Supervisor::spawn(settings.data_dir);
  if (!supervisor) return complain(supervisor.error(), kFailure);
  install_log(argv0, settings.log_level);  // takes SIGTERM, which the daemon's signal set takes back
  Daemon daemon(std::move(settings));
  if (auto started = daemon.start(*std::move(supervisor)); !started)
    return complain(started.error(), kFailure);
  return daemon.run();
}

int main_of(int argc, char** argv) {
  Settings settings(declare_worker_settings());
  CLI::App app("ringworker: runs the tasks of a Ringmaster cluster", "ringworker");
  app.set_version_flag("--version", RINGMASTER_VERSION);
  app.require_subcommand(1);
  ServeCommand command(app, settings, "Run the worker until SIGTERM");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  }
  if (auto loaded = command.load(); !loaded) return complain(loaded.error(), kBadConfiguration);
  auto read = read_worker_settings(settings);
  if (!read) return complain(read.error(), kBadConfiguration);
  if (!command.check_only()) return serve(argv[0], *std::move(read));
  command.print();
  return 0;
}

}  // namespace
}  // namespace ringmaster

int main(int argc, char** argv) {
  return ringmaster::main_of(argc, argv);
}

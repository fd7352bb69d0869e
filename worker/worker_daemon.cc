#include "worker/worker_daemon.h"

#include <string>
#include <utility>

#include <glog/logging.h>

#include "worker/http_runner.h"
#include "worker/noop_runner.h"
#include "worker/worker_parts.h"

namespace ringmaster {

namespace {
constexpr int kFailure = 1;
constexpr Duration kCleanEvery = std::chrono::minutes(1);
constexpr Duration kCleanPause = std::chrono::milliseconds(100);
constexpr std::size_t kLogsAtOnce = 200;
}  // namespace

WorkerDaemon::WorkerDaemon(AsioLoop& loop, WorkerSettings settings, Supervisor supervisor,
                           std::unique_ptr<Registry> registry, Ended ended)
    : loop_(loop),
      settings_(std::move(settings)),
      supervisor_(std::move(supervisor)),
      ended_(std::move(ended)),
      registry_(std::move(registry)) {}

WorkerDaemon::~WorkerDaemon() {
  runner_.reset();
  links_.reset();
  node_.reset();
  registry_.reset();
}

Result<> WorkerDaemon::start() {
  FileSpoolOptions spool;
  spool.directory = settings_.data_dir + "/spool";
  auto opened = FileSpool::open(loop_, std::move(spool));
  if (!opened) return std::unexpected(opened.error());
  spool_ = *std::move(opened);
  // A predecessor's attempts are dead before anybody hears of this life.
  if (auto ready = supervisor_->wait_ready(); !ready) return ready;
  auto last_words = supervisor_->last_words();
  logs_.emplace(supervisor_->log_dir());
  make_runner(*std::exchange(supervisor_, std::nullopt));
  make_node();
  if (node_->inherit(std::move(last_words))) processes_->forget_last_words();
  if (auto listening = links_->listen(settings_.listen); !listening) return listening;
  const std::string address = settings_.advertise.empty() ? links_->bound_address() : settings_.advertise;
  LOG(INFO) << "worker " << settings_.node_id << " listens on " << links_->bound_address() << ", "
            << settings_.slots << " slots";
  node_->start(*links_, address, [this](const Result<>& joined) {
    if (joined) {
      LOG(INFO) << "registered in cluster " << settings_.cluster;
    } else if (!draining_) {
      end(kFailure, "cannot register: " + joined.error().message);
    }
  });
  remove_old_logs();
  return {};
}

void WorkerDaemon::make_runner(Supervisor supervisor) {
  runner_ = std::make_unique<KindRunner>(loop_);
  runner_->add("noop", std::make_unique<NoopRunner>(loop_));
  HttpRunnerOptions http;
  http.log_dir = supervisor.log_dir();
  http.log_limit = static_cast<std::uint64_t>(settings_.log_max_size);
  http.secrets_dir = settings_.secrets_dir;
  runner_->add("http", std::make_unique<HttpRunner>(loop_, std::move(http)));
  // Behind the flush that journals what became of its attempts.
  auto lost = [this] {
    loop_.post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) end(kFailure, "the supervisor died");
    });
  };
  auto processes =
      std::make_unique<ProcessRunner>(loop_, std::move(supervisor), std::move(lost), process_rules());
  processes_ = processes.get();
  runner_->add("process", std::move(processes));
}

ProcessRules WorkerDaemon::process_rules() const {
  ProcessRules rules;
  rules.run_as = {settings_.allowed_users, settings_.default_user};
  rules.most.memory_bytes = settings_.max_memory;
  rules.most.processes = settings_.max_processes;
  rules.log_limit = static_cast<std::uint64_t>(settings_.log_max_size);
  rules.secrets_dir = settings_.secrets_dir;
  return rules;
}

void WorkerDaemon::make_node() {
  WorkerOptions worker = node_options(settings_);
  worker.bound = [this](const std::string& store_id) { links_->set_store_id(store_id); };
  worker.read_log = [this](const LogRequest& request) { return logs_->read(request); };
  node_ = std::make_unique<WorkerNode>(loop_, *registry_, *spool_, *runner_, worker);
  links_ = std::make_unique<TcpLinks>(loop_, links_options(settings_, worker.incarnation, node_->store_id()),
                                      *node_);
}

// A few at a time: the loop has more urgent things to do.
void WorkerDaemon::remove_old_logs() {
  AttemptLogs::Bounds bounds;
  bounds.before = read_wall_clock() - settings_.log_retention;
  bounds.total_bytes = static_cast<std::uint64_t>(settings_.log_total_size);
  bounds.runs = [this](TaskId task, Attempt attempt) { return node_->ledger().runs(task, attempt); };
  const bool all = logs_->remove_some(bounds, kLogsAtOnce);
  cleaning_.start(all ? kCleanEvery : kCleanPause, [this] { remove_old_logs(); });
}

void WorkerDaemon::stop() {
  if (std::exchange(draining_, true)) return end(kFailure, "stopped before it was drained");
  drain();
}

void WorkerDaemon::reload(const WorkerSettings& settings) {
  settings_.drain_timeout = settings.drain_timeout;
  settings_.log_retention = settings.log_retention;
  settings_.log_total_size = settings.log_total_size;
  processes_->look_up_users();
}

void WorkerDaemon::drain() {
  LOG(INFO) << "draining, for " << format_duration(settings_.drain_timeout) << " at most";
  deadline_.start(settings_.drain_timeout, [this] {
    end(kFailure, "not drained in time: attempts are stopped, undelivered results stay in the spool");
  });
  node_->drain([this] {
    LOG(INFO) << "drained";
    deadline_.stop();
    links_->shutdown([this] { ended_(0); });
  });
}

void WorkerDaemon::end(int code, const std::string& why) {
  LOG(ERROR) << why;
  ended_(code);
}

}  // namespace ringmaster

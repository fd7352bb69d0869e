#include "ringmaster/worker.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/name.h"
#include "sdk/convert.h"
#include "sdk/handler_daemon.h"
#include "sdk/library_log.h"

namespace ringmaster::sdk {
namespace {

constexpr std::uint32_t kMostThreads = 256;

Error refusal(std::string field, std::string message) {
  return {ErrorCode::invalid_argument, field + ": " + std::move(message), field};
}

// One set of rules for daemons and programs: the daemon's.
ringmaster::Result<WorkerSettings> settings_of(const WorkerOptions& options) {
  std::string groups;
  for (const std::string& group : options.groups) groups += (groups.empty() ? "" : ",") + group;
  std::vector<std::pair<std::string_view, std::string>> values{
      {"node_id", options.node_id},
      {"cluster", options.cluster},
      {"listen", options.listen},
      {"zookeeper", options.zookeeper},
      {"session_timeout", format_duration(options.session_timeout)},
      {"log_level", options.log_level},
      {"groups", groups},
      {"prefetch", std::to_string(options.prefetch)},
      {"weight", std::to_string(options.weight)},
      {"data_dir", options.data_dir},
      {"drain_timeout", format_duration(options.drain_timeout)},
  };
  if (!options.advertise.empty()) values.emplace_back("advertise", options.advertise);
  if (!options.secret_file.empty()) values.emplace_back("secret_file", options.secret_file);
  if (options.slots != 0) values.emplace_back("slots", std::to_string(options.slots));
  Settings settings(declare_worker_settings());
  for (const auto& [name, value] : values) {
    if (auto set = settings.set_flag(name, value); !set) return std::unexpected(set.error());
  }
  return read_worker_settings(settings);
}

// What has no sensible default here, though the daemon has one.
std::optional<Error> check(const WorkerOptions& options, const Handlers& handlers) {
  if (options.node_id.empty()) return refusal("node_id", "give this worker a name that it keeps");
  if (options.data_dir.empty())
    return refusal("data_dir", "give a directory of its own, that survives a restart");
  if (options.groups.empty()) {
    return refusal(
        "groups",
        "name at least one, best one whose members all have the same handlers: a task that comes to a "
        "worker which does not know its kind fails");
  }
  if (options.threads > 100'000) return refusal("threads", "0 to 100000 are allowed");
  if (handlers.empty()) return refusal("kind", "there is no handler: call handle() before start()");
  return std::nullopt;
}

// SIGTERM and SIGINT as something to poll for, as long as it lives.
class StopSignals {
 public:
  StopSignals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigaddset(&set, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    file_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~StopSignals() {
    ::close(file_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool ok() const { return file_ >= 0; }
  // False: `other` can be read first.
  bool wait(int other) const {
    std::array<pollfd, 2> ready{pollfd{file_, POLLIN, 0}, pollfd{other, POLLIN, 0}};
    while (::poll(ready.data(), ready.size(), -1) < 0) {
    }
    if (ready[1].revents != 0) return false;
    signalfd_siginfo info{};
    return ::read(file_, &info, sizeof info) == sizeof info;
  }

 private:
  sigset_t before_{};
  int file_ = -1;
};

}  // namespace

// Threads: `mutex_` guards daemon_, address_ and over_; start_mutex_ lets one start() in at a time. The
// daemon's thread takes the daemon down itself.
class Worker::Impl {
 public:
  explicit Impl(WorkerOptions options) : options_(std::move(options)) {}
  ~Impl() {
    request_stop();
    if (thread_.joinable()) thread_.join();
    if (over_event_ >= 0) ::close(over_event_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void add(std::string kind, Handler handler) {
    if (!is_name(kind)) {
      bad_handler_ =
          refusal("kind", "`" + kind + "` is not allowed: 1 to 64 letters, digits, `.`, `_` and `-`");
    } else if (!handlers_.try_emplace(kind, std::move(handler)).second) {
      bad_handler_ = refusal("kind", "there are two handlers for " + kind);
    }
  }

  Result<> start() {
    const std::unique_lock starting(start_mutex_);
    if (thread_.joinable()) return std::unexpected(Error{ErrorCode::already_exists, "it was started before"});
    if (bad_handler_) return std::unexpected(*bad_handler_);
    if (auto bad = check(options_, handlers_)) return std::unexpected(*std::move(bad));
    auto settings = settings_of(options_);
    if (!settings) return std::unexpected(to_public(settings.error()));
    if (auto log = set_library_log(options_.log_level); !log) return std::unexpected(to_public(log.error()));
    return launch(*std::move(settings));
  }

  std::string address() const {
    const std::lock_guard lock(mutex_);
    return address_;
  }
  template <class F>
  void tell(F tell_daemon) {
    const std::lock_guard lock(mutex_);
    if (daemon_) tell_daemon(*daemon_);
  }
  void request_stop() {
    tell([](HandlerDaemon& daemon) { daemon.request_stop(); });
  }

  Result<> wait() {
    if (std::this_thread::get_id() == loop_thread_) {
      return std::unexpected(Error{ErrorCode::invalid_argument,
                                   "a handler cannot wait for its own worker: call request_stop()"});
    }
    std::shared_future<Result<>> over;
    {
      const std::lock_guard lock(mutex_);
      over = over_;
    }
    if (!over.valid()) return {};
    return over.get();
  }

  Result<> run() {
    const StopSignals signals;
    if (!signals.ok())
      return std::unexpected(Error{ErrorCode::unavailable, "no descriptor for signals is left"});
    if (auto started = start(); !started) return started;
    for (int seen = 0; signals.wait(over_event_); ++seen) {
      if (seen == 0) request_stop();
      if (seen > 0) tell([](HandlerDaemon& daemon) { daemon.hasten(); });
    }
    return wait();
  }

 private:
  Result<> launch(WorkerSettings settings) {
    const std::string name = settings.node_id, zookeeper = settings.zookeeper;
    const std::uint32_t threads =
        options_.threads != 0 ? options_.threads : std::min(settings.slots, kMostThreads);
    auto daemon = std::make_unique<HandlerDaemon>(std::move(settings), handlers_, threads);
    auto joined = std::make_shared<std::promise<ringmaster::Result<>>>();
    auto first = joined->get_future();
    auto opened =
        daemon->open([joined](ringmaster::Result<> result) { joined->set_value(std::move(result)); });
    if (!opened) return std::unexpected(to_public(opened.error()));
    if (auto serving = serve(std::move(daemon)); !serving) return serving;
    if (first.wait_for(options_.start_timeout) == std::future_status::ready) {
      const auto registered = first.get();
      if (registered) return {};
      thread_.join();
      return std::unexpected(to_public(registered.error()));
    }
    tell([](HandlerDaemon& started) { started.give_up(); });
    thread_.join();
    return std::unexpected(
        Error{ErrorCode::unavailable, "not registered within " + format_duration(options_.start_timeout) +
                                          ": either ZooKeeper at " + zookeeper +
                                          " does not answer, or another living worker is called " + name});
  }

  Result<> serve(std::unique_ptr<HandlerDaemon> daemon) {
    std::promise<Result<>> over;
    if (over_event_ >= 0) ::close(over_event_);  // of a start that failed
    over_event_ = ::eventfd(0, EFD_CLOEXEC);
    {
      const std::lock_guard lock(mutex_);
      over_ = over.get_future().share();
      address_ = daemon->address();
      daemon_ = std::move(daemon);
    }
    auto live = [this, over = std::move(over)]() mutable {
      const auto outcome = daemon_->run();
      std::unique_ptr<HandlerDaemon> ended;
      {
        const std::lock_guard lock(mutex_);
        ended = std::move(daemon_);
      }
      ended.reset();
      over.set_value(outcome ? Result<>() : std::unexpected(to_public(outcome.error())));
      ::eventfd_write(over_event_, 1);
    };
    try {
      thread_ = std::thread(std::move(live));
    } catch (const std::system_error& error) {
      const std::lock_guard lock(mutex_);
      daemon_.reset();
      over_ = {};
      return std::unexpected(Error{ErrorCode::resource_exhausted, std::string("no thread: ") + error.what()});
    }
    loop_thread_ = thread_.get_id();
    return {};
  }

  const WorkerOptions options_;
  Handlers handlers_;
  std::optional<Error> bad_handler_;
  std::mutex start_mutex_;
  mutable std::mutex mutex_;
  std::unique_ptr<HandlerDaemon> daemon_;  // while it runs
  std::string address_;
  std::shared_future<Result<>> over_;
  int over_event_ = -1;
  std::atomic<std::thread::id> loop_thread_;
  std::thread thread_;
};

Worker::Worker(WorkerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Worker::~Worker() = default;

void Worker::add_blocking(std::string kind, BlockingHandler handler) {
  impl_->add(std::move(kind), std::move(handler));
}
void Worker::add_coroutine(std::string kind, CoroutineHandler handler) {
  impl_->add(std::move(kind), std::move(handler));
}
Result<> Worker::start() {
  return impl_->start();
}
std::string Worker::address() const {
  return impl_->address();
}
void Worker::request_stop() {
  impl_->request_stop();
}
void Worker::hasten() {
  impl_->tell([](HandlerDaemon& daemon) { daemon.hasten(); });
}
Result<> Worker::wait() {
  return impl_->wait();
}
Result<> Worker::run() {
  return impl_->run();
}

}  // namespace ringmaster::sdk

#include "standalone/standalone.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/daemon_log.h"

namespace ringmaster {

namespace {

constexpr int kFailure = 1;
constexpr int kBadConfiguration = 2;

int complain(const Error& error, int code) {
  std::fprintf(stderr, "ringmaster: %s\n", error.message.c_str());
  return code;
}

Result<> make_directory(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return fail(ErrorCode::unavailable, "data: " + path + " cannot be made: " + error.message());
  // Others may pass through it (the user postgres does), and see nothing.
  if (made) ::chmod(path.c_str(), 0711);
  return {};
}

// For this process, until it ends.
Result<> lock_directory(const std::string& path) {
  const int lock = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0)
    return fail(ErrorCode::unavailable, "data: no right to write into " + path + ": " + std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return {};
  ::close(lock);
  return fail(ErrorCode::unavailable, "data: another ringmaster standalone runs in " + path +
                                          ": stop it, or choose another directory");
}

}  // namespace

Standalone::Standalone(AsioLoop& loop, StandaloneSettings settings, Supervisor supervisor, Ended ended)
    : loop_(loop),
      settings_(std::move(settings)),
      ended_(std::move(ended)),
      postgres_(loop, {.directory = settings_.data + "/postgres", .binaries = settings_.binaries}),
      master_(
          loop, settings_.master, [this] { return std::make_unique<MemoryRegistry>(loop_, hub_); },
          [this](int code) { ended_(code != 0 ? code : worker_code_); }),
      worker_(std::make_unique<WorkerDaemon>(loop, settings_.worker, std::move(supervisor),
                                             std::make_unique<MemoryRegistry>(loop, hub_),
                                             [this](int code) { worker_ended(code); })) {}

Result<> Standalone::start() {
  if (auto started = postgres_.start(); !started) return started;
  if (auto started = master_.start(); !started) return started;
  if (auto started = worker_->start(); !started) return started;
  LOG(INFO) << "everything is kept in " << settings_.data << "; HTTP: http://" << master_.http_address()
            << "/v1/tasks";
  return {};
}

void Standalone::stop() {
  if (!std::exchange(stopping_, true)) return worker_->stop();
  ended_(1);  // at once: what runs is killed, and its results wait in the spool
}

// Posted: it may be the worker that calls.
void Standalone::worker_ended(int code) {
  worker_code_ = code;
  loop_.post([this] {
    if (!stopping_) return ended_(worker_code_);
    if (!worker_) return;
    worker_.reset();
    master_.stop();
  });
}

void Standalone::reload(const StandaloneSettings& settings) {
  master_.reload(settings.master);
  if (worker_) worker_->reload(settings.worker);
}

int run_standalone(const char* argv0, ServeCommand& command, const Settings& settings) {
  if (auto loaded = command.load(); !loaded) return complain(loaded.error(), kBadConfiguration);
  auto read = read_standalone_settings(settings);
  if (!read) return complain(read.error(), kBadConfiguration);
  if (command.check_only()) {
    command.print();
    return 0;
  }
  if (auto made = make_directory(read->data); !made) return complain(made.error(), kFailure);
  // Forked first: it stays as small as this process is now, and inherits no thread, lock or descriptor.
  auto supervisor = Supervisor::spawn(read->worker.data_dir, read->worker.cgroup_root);
  if (!supervisor) return complain(supervisor.error(), kFailure);
  if (auto locked = lock_directory(read->data); !locked) return complain(locked.error(), kFailure);
  install_log(argv0, read->master.log_level, read->master.log_format);
  DaemonFrame frame;
  Standalone daemon(frame.loop(), *std::move(read), *std::move(supervisor), frame.ended());
  if (auto started = daemon.start(); !started) return complain(started.error(), kFailure);
  return frame.run(daemon, [&] {
    command.reload(read_standalone_settings, [&](const auto& again) {
      set_log_level(again.master.log_level);
      daemon.reload(again);
    });
  });
}

}  // namespace ringmaster

#include "standalone/standalone.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmaster {

Result<> make_standalone_directory(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return fail(ErrorCode::unavailable, "data: " + path + " cannot be made: " + error.message());
  // Others may pass through it (the user postgres does), and see nothing.
  if (made) ::chmod(path.c_str(), 0711);
  return {};
}

Result<> lock_standalone_directory(const std::string& path) {
  const int lock = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0)
    return fail(ErrorCode::unavailable, "data: no right to write into " + path + ": " + std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return {};
  ::close(lock);
  return fail(ErrorCode::unavailable, "data: another ringmaster standalone runs in " + path +
                                          ": stop it, or choose another directory");
}

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

}  // namespace ringmaster

#include "worker/file_spool_syncer.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/failpoint.h"

namespace ringmaster {

SpoolFile::~SpoolFile() {
  ::close(fd_);
}

Result<> sync_files(const Fsync& fsync, const std::vector<std::shared_ptr<SpoolFile>>& files) {
  for (const auto& file : files) {
    const bool broken = RINGMASTER_FAILPOINT_FAILS("spool.fsync");
    if (!broken && fsync(file->fd()) == 0) continue;
    if (broken) errno = EIO;
    return fail(ErrorCode::unavailable, "cannot sync " + file->path() + ": " + std::strerror(errno));
  }
  return {};
}

SpoolSyncer::SpoolSyncer(Loop& loop, Fsync fsync) : loop_(loop), fsync_(std::move(fsync)) {
  // The daemon's signals belong to its loop.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SpoolSyncer::~SpoolSyncer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SpoolSyncer::sync(std::vector<std::shared_ptr<SpoolFile>> files, Done done) {
  done_ = std::move(done);
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(files);
  }
  wake_.notify_one();
}

void SpoolSyncer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || job_; });
    if (stop_) return;
    const auto files = std::move(*job_);
    job_.reset();
    lock.unlock();
    loop_.post([this, alive = watch_, result = sync_files(fsync_, files)]() mutable {
      if (alive.expired()) return;
      auto done = std::exchange(done_, nullptr);
      done(std::move(result));
    });
    lock.lock();
  }
}

}  // namespace ringmaster

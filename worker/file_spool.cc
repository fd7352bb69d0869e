#include "worker/file_spool.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "worker/spool_record.h"

namespace ringmaster {
namespace {

std::unexpected<Error> disk_error(const std::string& what, const std::string& path, int error) {
  return fail(ErrorCode::unavailable, "cannot " + what + " " + path + ": " + std::strerror(error));
}

}  // namespace

Result<std::unique_ptr<FileSpool>> FileSpool::open(Loop& loop, FileSpoolOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) return disk_error("make", options.directory, error.value());
  const int fd = ::open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return disk_error("open", options.directory, errno);
  auto directory = std::make_shared<SpoolFile>(fd, options.directory);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return disk_error("lock", options.directory, errno);
    return fail(ErrorCode::unavailable, "another worker daemon uses " + options.directory +
                                            ": stop it, or give this one its own data_dir");
  }
  auto replay = replay_spool(options.directory);
  if (!replay) return std::unexpected(replay.error());
  if (!options.write) options.write = ::write;
  if (!options.fsync) options.fsync = ::fdatasync;
  std::unique_ptr<FileSpool> spool(new FileSpool(loop, std::move(options), std::move(directory)));
  if (auto started = spool->start(std::move(*replay)); !started) return std::unexpected(started.error());
  return spool;
}

FileSpool::FileSpool(Loop& loop, FileSpoolOptions options, std::shared_ptr<SpoolFile> directory)
    : loop_(loop),
      options_(std::move(options)),
      directory_(std::move(directory)),
      timer_(loop),
      syncer_(loop, options_.fsync) {}

FileSpool::~FileSpool() = default;

Result<> FileSpool::start(SpoolReplay replay) {
  contents_ = std::move(replay.contents);
  store_id_ = contents_.store_id;
  for (const ShardEpoch& entry : contents_.epochs) epochs_[entry.shard] = entry.epoch;
  live_ = std::move(replay.live);
  for (const auto& [token, segment] : replay.where) places_[token] = Place{segment, 0};
  if (auto rotated = rotate(); !rotated) return rotated;
  // What is deleted next is carried by this segment's head alone.
  if (auto synced = sync_files(options_.fsync, dirty_); !synced) return synced;
  dirty_.clear();
  pending_.clear();
  settled_ = appended_;
  delete_finished();
  return {};
}

Spool::Contents FileSpool::load() {
  return std::exchange(contents_, {});
}

// ---- writing ------------------------------------------------------------------------------------

Result<> FileSpool::write(std::string_view bytes) {
  if (active_bad_) return fail(ErrorCode::unavailable, active_->path() + " failed, and has no successor yet");
  std::size_t done = 0;
  while (done < bytes.size()) {
    const bool full = RINGMASTER_FAILPOINT_FAILS("spool.write");
    const ssize_t n =
        full ? (errno = ENOSPC, -1) : options_.write(active_->fd(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n == 0 ? EIO : errno;
      // Half a record must not stay in front of the next one.
      if (::ftruncate(active_->fd(), static_cast<off_t>(active_bytes_)) != 0) active_bad_ = true;
      return disk_error("write", active_->path(), error);
    }
    done += static_cast<std::size_t>(n);
  }
  active_bytes_ += bytes.size();
  return {};
}

Result<> FileSpool::write_record(std::string_view bytes, std::size_t live) {
  if (auto written = write(bytes); !written) return written;
  ++appended_;
  pending_.push_back({loop_.now(), live});
  mark_dirty(active_);
  arm_timer();
  return {};
}

Result<> FileSpool::append(const std::vector<ResultReport>& results) {
  if (results.empty()) return {};
  if (untold_) return std::unexpected(*std::exchange(untold_, std::nullopt));
  if (auto rotated = rotate_if_due(); !rotated) return rotated;
  buffer_.clear();
  for (const ResultReport& report : results) spool::append(buffer_, report);
  if (auto written = write_record(buffer_, 0); !written) return written;
  for (const ResultReport& report : results) place(report.token, appended_);
  return {};
}

Result<> FileSpool::note_epochs(const std::vector<ShardEpoch>& epochs) {
  if (epochs.empty()) return {};
  if (auto rotated = rotate_if_due(); !rotated) return rotated;
  buffer_.clear();
  spool::append(buffer_, spool::Epochs{epochs});
  if (auto written = write_record(buffer_, 1); !written) return written;
  for (const ShardEpoch& entry : epochs) {
    Epoch& highest = epochs_[entry.shard];
    highest = std::max(highest, entry.epoch);
  }
  return {};
}

Result<> FileSpool::bind(const std::string& store_id) {
  if (store_id == store_id_) return {};
  if (!store_id_.empty()) {
    return fail(ErrorCode::invalid_argument, options_.directory + " holds results for database " + store_id_ +
                                                 ", not " + store_id +
                                                 ": give this worker an empty data_dir");
  }
  if (auto rotated = rotate_if_due(); !rotated) return rotated;
  buffer_.clear();
  spool::append(buffer_, spool::StoreId{store_id});
  if (auto written = write_record(buffer_, 0); !written) return written;
  if (auto synced = sync_files(options_.fsync, {active_, directory_}); !synced) {
    active_bad_ = true;
    return synced;
  }
  store_id_ = store_id;
  return {};
}

void FileSpool::forget(const std::vector<Token>& tokens) {
  spool::Forgets record;
  for (const Token& token : tokens) {
    if (drop(token)) record.items.push_back(token);
  }
  if (record.items.empty()) return;
  buffer_.clear();
  spool::append(buffer_, record);
  // Without the record they only come up once more after a restart, and are answered as before.
  if (auto written = write(buffer_); !written) {
    LOG_EVERY_N(WARNING, 1000) << "spool: " << written.error().message;
  }
  delete_finished();
}

void FileSpool::place(const Token& token, Sequence append) {
  const Place place{live_.rbegin()->first, append};
  const auto [found, fresh] = places_.try_emplace(token, place);
  if (!fresh) uncount(std::exchange(found->second, place));
  ++live_.rbegin()->second;
  ++pending_[append - settled_ - 1].live;
}

bool FileSpool::drop(const Token& token) {
  const auto found = places_.find(token);
  if (found == places_.end()) return false;
  uncount(found->second);
  places_.erase(found);
  return true;
}

void FileSpool::uncount(const Place& place) {
  --live_[place.segment];
  if (place.append > settled_) --pending_[place.append - settled_ - 1].live;
}

// ---- segments -----------------------------------------------------------------------------------

Result<> FileSpool::rotate_if_due() {
  if (active_bytes_ < options_.segment_bytes && !active_bad_) return {};
  if (auto rotated = rotate(); !rotated) return rotated;
  if (live_.size() > options_.max_segments) relocate_oldest();
  begin_sync();  // older segments can go once this one's head is on the platter
  return {};
}

Result<> FileSpool::rotate() {
  const SegmentNumber number = live_.empty() ? 1 : live_.rbegin()->first + 1;
  const std::string path = segment_path(options_.directory, number);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return disk_error("make", path, errno);
  const auto before = std::pair{std::exchange(active_, std::make_shared<SpoolFile>(fd, path)),
                                std::exchange(active_bytes_, 0)};
  const bool was_bad = std::exchange(active_bad_, false);
  const bool was_synced = std::exchange(active_synced_, false);
  std::string head(spool::kSegmentMagic);
  if (!store_id_.empty()) spool::append(head, spool::StoreId{store_id_});
  spool::Epochs epochs;
  for (const auto& [shard, epoch] : epochs_) epochs.items.push_back({shard, epoch});
  if (!epochs.items.empty()) spool::append(head, epochs);
  if (auto written = write_record(head, 1); !written) {
    ::unlink(path.c_str());
    std::tie(active_, active_bytes_) = before;
    active_bad_ = was_bad;
    active_synced_ = was_synced;
    return written;
  }
  // A disk that fails for long does not collect heads that nobody can trust.
  if (was_bad && !was_synced && live_.rbegin()->second == 0) {
    ::unlink(before.first->path().c_str());
    live_.erase(std::prev(live_.end()));
  }
  live_[number] = 0;
  mark_dirty(directory_);
  delete_after_ = appended_;
  return {};
}

void FileSpool::relocate_oldest() {
  const SegmentNumber oldest = live_.begin()->first;
  const auto bytes = read_segment(options_.directory, oldest);
  if (!bytes) {
    LOG(WARNING) << "spool: " << bytes.error().message;
    return;
  }
  std::string copy;
  std::vector<Token> moved;
  std::string_view rest = *bytes;
  rest.remove_prefix(std::min(rest.size(), spool::kSegmentMagic.size()));
  while (const auto parsed = spool::parse(rest)) {
    rest.remove_prefix(parsed->size);
    const auto* report = std::get_if<ResultReport>(&parsed->record);
    if (report == nullptr) continue;
    const auto found = places_.find(report->token);
    if (found == places_.end() || found->second.segment != oldest) continue;
    spool::append(copy, *report);
    moved.push_back(report->token);
  }
  if (moved.empty() || !write_record(copy, 0)) return;  // a full disk: the next rotation tries again
  for (const Token& token : moved) place(token, appended_);
  delete_after_ = appended_;
}

void FileSpool::delete_finished() {
  if (settled_ < delete_after_) return;
  while (live_.size() > 1 && live_.begin()->second == 0) {
    const std::string path = segment_path(options_.directory, live_.begin()->first);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      LOG(WARNING) << "spool: cannot delete " << path << ": " << std::strerror(errno);
    }
    live_.erase(live_.begin());
  }
}

// ---- syncing ------------------------------------------------------------------------------------

void FileSpool::sync(Synced done) {
  if (active_bad_) {
    if (auto rotated = rotate_if_due(); !rotated) {
      return loop_.post([done = std::move(done), rotated = std::move(rotated),
                         alive = std::weak_ptr<int>(alive_)]() mutable {
        if (!alive.expired()) done(std::move(rotated));
      });
    }
  }
  waiters_.push_back({appended_, std::move(done)});
  begin_sync();
}

void FileSpool::mark_dirty(std::shared_ptr<SpoolFile> file) {
  if (std::ranges::find(dirty_, file) == dirty_.end()) dirty_.push_back(std::move(file));
}

void FileSpool::arm_timer() {
  if (timer_.running() || pending_.empty()) return;
  // Four fifths of the promise: the rest is for the fsync itself.
  const MonoTime due = pending_.front().since + options_.sync_within * 4 / 5;
  timer_.start(std::max(due - loop_.now(), Duration::zero()), [this] { on_timer(); });
}

void FileSpool::on_timer() {
  if (syncing_) return;  // its end arms the timer again
  while (!pending_.empty() && pending_.front().live == 0) {
    pending_.pop_front();
    ++settled_;
  }
  delete_finished();
  if (!pending_.empty() && pending_.front().since + options_.sync_within * 4 / 5 <= loop_.now()) {
    begin_sync();
  } else {
    arm_timer();
  }
}

void FileSpool::begin_sync() {
  if (syncing_) {
    sync_again_ = true;
    return;
  }
  syncing_ = true;
  syncer_.sync(std::exchange(dirty_, {}),
               [this, upto = appended_, offset = active_bytes_, segment = live_.rbegin()->first](
                   Result<> result) { on_synced(upto, offset, segment, std::move(result)); });
}

void FileSpool::on_synced(Sequence upto, std::uint64_t offset, SegmentNumber segment, Result<> result) {
  syncing_ = false;
  // After a failure the kernel may have dropped the dirty pages: a later fsync that succeeds would prove
  // nothing.
  if (!result) {
    LOG_EVERY_T(ERROR, 60) << "spool: " << result.error().message << "; a new segment begins";
    active_bad_ = true;
    upto = appended_;
    delete_after_ = appended_ + 1;  // the next segment's head
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(upto - settled_));
  settled_ = upto;
  if (result) {
    active_synced_ |= segment == live_.rbegin()->first;
    std::string mark;
    spool::append(mark, spool::SyncMark{segment, offset});
    if (auto written = write(mark); !written) LOG(WARNING) << "spool: " << written.error().message;
    delete_finished();
  }
  std::vector<Synced> done;
  while (!waiters_.empty() && waiters_.front().append <= upto) {
    done.push_back(std::move(waiters_.front().done));
    waiters_.pop_front();
  }
  if (!result && done.empty()) untold_ = result.error();
  if (std::exchange(sync_again_, false) && result) begin_sync();
  arm_timer();
  const std::weak_ptr<int> alive = alive_;  // a waiter may destroy this spool
  for (Synced& each : done) {
    if (alive.expired()) return;
    each(result);
  }
}

}  // namespace ringmaster

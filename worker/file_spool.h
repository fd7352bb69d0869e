// FileSpool: the Spool on disk, append-only segments in one directory.
//
// Guarantees: one write(2) for each append(), so a killed daemon loses nothing of it; an fsync on a private
// thread at once for sync(), and within `sync_within` of the oldest result that is neither synced nor
// forgotten, so that a steady flow of acknowledged results costs none. After a failed write the segment is
// cut back to its last good record; after a failed fsync it is never trusted again: sync() fails, or the next
// append() if nobody waited for it, and the next sync() is one of a new segment. A segment is deleted once
// its results and those of all older segments are forgotten (a forget record must not go before the result
// that it is about); the few survivors of a long queue of segments are copied to the newest.
//
// Memory: some 100 bytes for each unforgotten result. One daemon a directory (flock). The loop's thread only;
// the loop outlives the spool.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

#include "base/loop.h"
#include "worker/file_spool_replay.h"
#include "worker/file_spool_syncer.h"
#include "worker/spool.h"

namespace ringmaster {

struct FileSpoolOptions {
  std::string directory;  // made if absent
  std::size_t segment_bytes = 64u << 20;
  std::size_t max_segments = 8;  // more: the oldest one's survivors are copied on
  Duration sync_within = std::chrono::milliseconds(50);
  // The two calls that disks fail; tests replace them.
  std::function<ssize_t(int fd, const void* data, std::size_t size)> write;
  Fsync fsync;
};

class FileSpool final : public Spool {
 public:
  // Locks the directory and replays it. Errors: unavailable (locked by another daemon, disk), internal
  // (damaged).
  static Result<std::unique_ptr<FileSpool>> open(Loop& loop, FileSpoolOptions options);
  ~FileSpool() override;
  FileSpool(const FileSpool&) = delete;
  FileSpool& operator=(const FileSpool&) = delete;

  Contents load() override;
  Result<> bind(const std::string& store_id) override;
  Result<> append(const std::vector<ResultReport>& results) override;
  Result<> note_epochs(const std::vector<ShardEpoch>& epochs) override;
  void sync(Synced done) override;
  void forget(const std::vector<Token>& tokens) override;

 private:
  using Sequence = std::uint64_t;  // counts appends
  struct Place {
    SegmentNumber segment = 0;
    Sequence append = 0;
  };
  // One append() that is not synced yet, and how many of its results are not forgotten.
  struct Pending {
    MonoTime since;
    std::size_t live = 0;
  };
  struct Waiter {
    Sequence append = 0;
    Synced done;
  };

  FileSpool(Loop& loop, FileSpoolOptions options, std::shared_ptr<SpoolFile> directory);
  Result<> start(SpoolReplay replay);
  Result<> write(std::string_view bytes);
  Result<> write_record(std::string_view bytes, std::size_t live);
  Result<> rotate();
  Result<> rotate_if_due();
  void relocate_oldest();
  void place(const Token& token, Sequence append);
  bool drop(const Token& token);
  void uncount(const Place& place);
  void delete_finished();
  void arm_timer();
  void on_timer();
  void begin_sync();
  void on_synced(Sequence upto, std::uint64_t offset, SegmentNumber segment, Result<> result);
  void mark_dirty(std::shared_ptr<SpoolFile> file);

  Loop& loop_;
  FileSpoolOptions options_;
  std::shared_ptr<SpoolFile> directory_;
  Contents contents_;  // until load()
  std::string store_id_;
  std::map<ShardId, Epoch> epochs_;

  std::map<SegmentNumber, std::uint64_t>
      live_;  // results not forgotten, by segment; the last is the active one
  std::unordered_map<Token, Place, TokenHash> places_;
  std::shared_ptr<SpoolFile> active_;
  std::uint64_t active_bytes_ = 0;
  bool active_bad_ = false;
  bool active_synced_ = false;   // it has been, once at least
  std::optional<Error> untold_;  // of a failed fsync that nobody waited for

  Sequence appended_ = 0;
  Sequence settled_ = 0;  // up to here nothing needs a sync: done, or all forgotten
  Sequence delete_after_ =
      0;  // no deletion before this append is settled: it carries what older segments held
  std::deque<Pending> pending_;  // of the appends settled_ + 1 to appended_
  std::vector<std::shared_ptr<SpoolFile>> dirty_;
  std::deque<Waiter> waiters_;
  bool syncing_ = false;
  bool sync_again_ = false;
  std::string buffer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  Timer timer_;
  SpoolSyncer syncer_;  // last: its thread stops first
};

}  // namespace ringmaster

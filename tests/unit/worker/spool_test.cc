#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/asio_loop.h"
#include "tests/sim/manual_loop.h"
#include "tests/unit/worker/fakes.h"
#include "worker/file_spool.h"
#include "worker/spool_record.h"

namespace ringmaster {
namespace {

namespace fs = std::filesystem;
using fakes::token;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ResultReport report(std::int64_t sequence, std::size_t tail = 0) {
  ResultReport made{token(sequence, 1), {}};
  made.result.output_tail = std::string(tail, 'x');
  return made;
}

class FileSpoolTest : public testing::Test {
 protected:
  FileSpoolTest() {
    char pattern[] = "/tmp/ringmaster_spool_XXXXXX";
    root_ = ::mkdtemp(pattern);
    options_.directory = root_ + "/spool";
    options_.write = [this](int fd, const void* data, std::size_t size) -> ssize_t {
      ++writes_;
      if (room_ && *room_ < size) {
        if (*room_ == 0) {
          errno = ENOSPC;
          return -1;
        }
        size = *room_;  // a disk that fills up writes a part first
      }
      const ssize_t n = ::write(fd, data, size);
      if (room_) *room_ -= static_cast<std::size_t>(n);
      return n;
    };
    options_.fsync = [this](int fd) {
      if (fsync_fails_) {
        errno = EIO;
        return -1;
      }
      ++fsyncs_;
      return ::fsync(fd);
    };
  }
  ~FileSpoolTest() override {
    spool_.reset();
    fs::remove_all(root_);
  }

  Result<> try_open() {
    spool_.reset();
    auto opened = FileSpool::open(loop_, options_);
    if (!opened) return std::unexpected(opened.error());
    spool_ = std::move(*opened);
    contents_ = spool_->load();
    return {};
  }
  void open() {
    const auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  std::vector<Token> held() const {
    std::vector<Token> tokens;
    for (const ResultReport& each : contents_.results) tokens.push_back(each.token);
    return tokens;
  }
  // Runs the loop until `done`, at most 10 s.
  bool run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(10);
    while (!done() && std::chrono::steady_clock::now() < deadline)
      loop_.context().run_one_for(milliseconds(20));
    return done();
  }
  Result<> sync() {
    std::optional<Result<>> outcome;
    spool_->sync([&](Result<> result) { outcome = std::move(result); });
    if (!run_until([&] { return outcome.has_value(); }))
      return fail(ErrorCode::internal, "sync never called back");
    return *outcome;
  }
  std::vector<fs::path> segments() const {
    std::set<fs::path> sorted;
    for (const auto& entry : fs::directory_iterator(options_.directory)) sorted.insert(entry.path());
    return {sorted.begin(), sorted.end()};
  }
  static std::string slurp(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void dump(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  AsioLoop loop_;
  std::string root_;
  FileSpoolOptions options_;
  std::optional<std::size_t> room_;  // bytes until the disk is full; none: endless
  std::atomic<bool> fsync_fails_ = false;
  std::atomic<int> fsyncs_ = 0;
  int writes_ = 0;
  std::unique_ptr<FileSpool> spool_;
  Spool::Contents contents_;
};

using FileSpools = FileSpoolTest;

TEST_F(FileSpools, WhatWasAppendedAndNotForgottenComesBackInOrder) {
  open();
  EXPECT_THAT(contents_.results, IsEmpty());
  ASSERT_TRUE(spool_->append({report(1), report(2)}));
  ASSERT_TRUE(spool_->append({report(3, 1000)}));
  spool_->forget({token(2, 1), token(99, 1)});
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1), token(3, 1)));
  EXPECT_EQ(contents_.results[1].result.output_tail.size(), 1000u);
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1), token(3, 1)));
}

TEST_F(FileSpools, AnAppendIsOneWrite) {
  open();
  const int before = writes_;
  ASSERT_TRUE(spool_->append({report(1), report(2), report(3)}));
  EXPECT_EQ(writes_, before + 1);
}

TEST_F(FileSpools, EpochsAndTheDatabaseSurviveEveryRestart) {
  open();
  ASSERT_TRUE(spool_->bind("store-1"));
  ASSERT_TRUE(spool_->note_epochs({{1, 5}, {2, 6}}));
  ASSERT_TRUE(spool_->note_epochs({{1, 7}}));
  for (int i = 0; i < 3; ++i) {
    open();
    EXPECT_EQ(contents_.store_id, "store-1");
    EXPECT_THAT(contents_.epochs, ElementsAre(ShardEpoch{1, 7}, ShardEpoch{2, 6}));
    EXPECT_THAT(segments(), SizeIs(1)) << "carried into the newest, the older ones go";
  }
}

TEST_F(FileSpools, AnotherDatabaseIsRefused) {
  open();
  ASSERT_TRUE(spool_->bind("store-1"));
  EXPECT_TRUE(spool_->bind("store-1"));
  const auto bound = spool_->bind("store-2");
  ASSERT_FALSE(bound);
  EXPECT_THAT(bound.error().message, HasSubstr("give this worker an empty data_dir"));
}

TEST_F(FileSpools, ASecondDaemonIsRefused) {
  open();
  const auto second = FileSpool::open(loop_, options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("another worker daemon"));
}

// ---- damage -------------------------------------------------------------------------------------

TEST_F(FileSpools, ATailTornAtAnyByteCostsOnlyTheTornRecord) {
  open();
  std::vector<std::size_t> ends;
  const fs::path path = segments().at(0);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(spool_->append({report(i, 20)}));
    ends.push_back(fs::file_size(path));
  }
  spool_.reset();
  const std::string whole = slurp(path);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    fs::remove_all(options_.directory);
    fs::create_directories(options_.directory);
    dump(path, whole.substr(0, cut));
    open();
    const auto expected = std::ranges::count_if(ends, [&](std::size_t end) { return end <= cut; });
    ASSERT_EQ(held().size(), static_cast<std::size_t>(expected)) << "cut at " << cut;
    ASSERT_TRUE(spool_->append({report(9)}));
    open();
    ASSERT_EQ(held().size(), static_cast<std::size_t>(expected) + 1) << "cut at " << cut;
  }
}

TEST_F(FileSpools, DamageInSyncedBytesIsAnErrorThatSaysWhatToDo) {
  open();
  ASSERT_TRUE(spool_->append({report(1, 20)}));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(spool_->append({report(2, 20)}));
  spool_.reset();
  const fs::path path = segments().at(0);
  std::string bytes = slurp(path);
  bytes[40] = static_cast<char>(bytes[40] ^ 1);
  dump(path, bytes);
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::internal);
  EXPECT_THAT(opened.error().message, HasSubstr("move the file out of the directory"));
  EXPECT_EQ(slurp(path), bytes) << "nothing is cut then";
}

TEST_F(FileSpools, DamageInUnsyncedBytesIsATornTail) {
  open();
  ASSERT_TRUE(spool_->append({report(1, 20)}));
  ASSERT_TRUE(sync());
  const fs::path path = segments().at(0);
  const std::size_t synced = fs::file_size(path);
  ASSERT_TRUE(spool_->append({report(2, 20), report(3, 20)}));
  spool_.reset();
  std::string bytes = slurp(path);
  bytes[synced + 30] = static_cast<char>(bytes[synced + 30] ^ 1);
  dump(path, bytes);
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1)));
}

TEST_F(FileSpools, AForeignFileIsRefused) {
  fs::create_directories(options_.directory);
  dump(segment_path(options_.directory, 1), "something else entirely");
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("no spool segment"));
}

// ---- segments -----------------------------------------------------------------------------------

TEST_F(FileSpools, ASegmentGoesWhenAllItsResultsAndAllOlderOnesAreForgotten) {
  options_.segment_bytes = 2000;
  open();
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(spool_->append({report(i, 1990)}));
  ASSERT_TRUE(sync());
  EXPECT_THAT(segments(), SizeIs(4));
  spool_->forget({token(2, 1)});
  EXPECT_THAT(segments(), SizeIs(4))
      << "the forget record must not outlive what it is about, nor go before it";
  spool_->forget({token(1, 1)});
  EXPECT_THAT(segments(), SizeIs(2));
  spool_->forget({token(3, 1), token(4, 1)});
  EXPECT_THAT(segments(), SizeIs(1));
  open();
  EXPECT_THAT(held(), IsEmpty());
}

TEST_F(FileSpools, NoSegmentGoesBeforeItsSuccessorsHeadIsSynced) {
  options_.segment_bytes = 2000;
  open();
  ASSERT_TRUE(spool_->bind("store-1"));
  ASSERT_TRUE(spool_->append({report(1, 1990)}));
  ASSERT_TRUE(spool_->append({report(2, 10)}));
  spool_->forget({token(1, 1)});
  EXPECT_THAT(segments(), SizeIs(2));
  EXPECT_TRUE(run_until([&] { return segments().size() == 1; }));
}

TEST_F(FileSpools, OneStuckResultDoesNotPinEverySegment) {
  options_.segment_bytes = 1000;
  options_.max_segments = 3;
  open();
  ASSERT_TRUE(spool_->append({report(1, 10)}));
  for (int i = 2; i <= 40; ++i) {
    ASSERT_TRUE(spool_->append({report(i, 900)}));
    spool_->forget({token(i, 1)});
    ASSERT_TRUE(sync());
  }
  EXPECT_LE(segments().size(), 4u);
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1)));
  spool_->forget({token(1, 1)});
  open();
  EXPECT_THAT(held(), IsEmpty());
}

// ---- failing disks ------------------------------------------------------------------------------

TEST_F(FileSpools, AFullDiskAtAnyByteFailsTheAppendAndLosesNothingElse) {
  std::string record;
  spool::append(record, report(2, 20));
  for (std::size_t room = 0; room < record.size(); ++room) {
    fs::remove_all(options_.directory);
    room_.reset();
    open();
    ASSERT_TRUE(spool_->append({report(1)}));
    room_ = room;
    const auto failed = spool_->append({report(2, 20)});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
    EXPECT_THAT(failed.error().message, HasSubstr("No space left"));
    room_.reset();
    ASSERT_TRUE(spool_->append({report(3)}));
    open();
    ASSERT_THAT(held(), ElementsAre(token(1, 1), token(3, 1))) << "room for " << room << " bytes";
  }
}

TEST_F(FileSpools, AFullDiskAtARotationIsSurvived) {
  options_.segment_bytes = 100;
  open();
  ASSERT_TRUE(spool_->append({report(1, 100)}));
  room_ = 3;
  EXPECT_FALSE(spool_->append({report(2)}));
  EXPECT_THAT(segments(), SizeIs(1));
  room_.reset();
  EXPECT_TRUE(spool_->append({report(2)}));
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1), token(2, 1)));
}

TEST_F(FileSpools, AFailedFsyncFailsTheSyncAndItsSegmentIsNotTrustedAgain) {
  open();
  ASSERT_TRUE(spool_->append({report(1)}));
  fsync_fails_ = true;
  const auto failed = sync();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("cannot sync"));
  fsync_fails_ = false;
  ASSERT_TRUE(spool_->append({report(1)})) << "journalled again";
  EXPECT_THAT(segments(), SizeIs(2));
  ASSERT_TRUE(sync());
  EXPECT_THAT(segments(), SizeIs(1)) << "the copy alone counts";
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1)));
}

TEST_F(FileSpools, AFailedFsyncThatNobodyWaitedForFailsTheNextAppend) {
  open();
  fsync_fails_ = true;
  ASSERT_TRUE(spool_->append({report(1)}));
  bool told = false;
  EXPECT_TRUE(run_until([&] { return told = told || !spool_->append({report(2)}); }));
  EXPECT_TRUE(spool_->append({report(3)})) << "told once";
}

TEST_F(FileSpools, EachSyncAfterAFailedOneIsOfANewSegmentAndTheFailedAreNotCollected) {
  open();
  ASSERT_TRUE(spool_->append({report(1)}));
  fsync_fails_ = true;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(sync()) << "nothing is left to sync, and nothing is kept";
  EXPECT_THAT(segments(), SizeIs(2));
  fsync_fails_ = false;
  EXPECT_TRUE(sync());
  EXPECT_THAT(segments(), SizeIs(2)) << "the first one has a result";
  open();
  EXPECT_THAT(held(), ElementsAre(token(1, 1)));
}

TEST_F(FileSpools, ASegmentOutlivesItsResultsUntilASuccessorsHeadIsSynced) {
  options_.segment_bytes = 2000;
  open();
  ASSERT_TRUE(spool_->bind("store-1"));
  ASSERT_TRUE(spool_->append({report(1, 1990)}));
  fsync_fails_ = true;
  ASSERT_TRUE(spool_->append({report(2, 10)}));
  ASSERT_FALSE(sync());
  spool_->forget({token(1, 1)});
  EXPECT_THAT(segments(), SizeIs(2)) << "the first one alone is known to name the database";
}

// ---- syncing ------------------------------------------------------------------------------------

TEST_F(FileSpools, AnUnforgottenResultIsSyncedUnasked) {
  open();
  const int before = fsyncs_;
  ASSERT_TRUE(spool_->append({report(1)}));
  EXPECT_TRUE(run_until([&] { return fsyncs_ > before; }));
}

TEST_F(FileSpools, WhatIsForgottenInTimeIsNeverSynced) {
  ManualLoop loop;
  auto spool = FileSpool::open(loop, options_);
  ASSERT_TRUE(spool);
  const int before = fsyncs_;
  for (int i = 1; i <= 1000; ++i) {
    ASSERT_TRUE((*spool)->append({report(i)}));
    loop.advance(milliseconds(9));
    if (i > 3) (*spool)->forget({token(i - 3, 1)});
  }
  spool->reset();  // its thread has ended: what it did is counted
  EXPECT_EQ(fsyncs_, before) << "the oldest was always younger than the promise";
}

TEST_F(FileSpools, EverySyncCallsBackOnce) {
  open();
  int called = 0;
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE(spool_->append({report(i)}));
    spool_->sync([&](const Result<>& result) { called += result ? 1 : 100; });
    EXPECT_EQ(called, 0) << "never inside the call";
  }
  EXPECT_TRUE(run_until([&] { return called == 20; }));
}

TEST_F(FileSpools, ItMayBeDestroyedWithASyncUnderWay) {
  open();
  bool called = false;
  ASSERT_TRUE(spool_->append({report(1)}));
  spool_->sync([&](const Result<>&) { called = true; });
  spool_.reset();
  while (loop_.context().poll_one() != 0) {
  }
  EXPECT_FALSE(called);
}

// Printed, not asserted: what one result costs in batches as they come at full load.
TEST_F(FileSpools, AnAppendedAndForgottenResultCostsMicroseconds) {
  open();
  constexpr int kBatches = 400, kBatch = 250;
  const auto from = std::chrono::steady_clock::now();
  for (int b = 0; b < kBatches; ++b) {
    std::vector<ResultReport> results;
    std::vector<Token> tokens;
    for (int i = 0; i < kBatch; ++i) {
      results.push_back(report(b * kBatch + i + 1));
      tokens.push_back(results.back().token);
    }
    ASSERT_TRUE(spool_->append(results));
    spool_->forget(tokens);
    loop_.context().poll_one();
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - from;
  std::printf("spool: %.2f us for each result\n", took.count() / (kBatches * kBatch));
  open();
  EXPECT_THAT(held(), IsEmpty());
}

}  // namespace
}  // namespace ringmaster

#include "worker/file_spool_replay.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <glog/logging.h>
#include <unistd.h>

#include "worker/spool_record.h"

namespace ringmaster {
namespace {

constexpr std::string_view kSuffix = ".spool";

class Replayer {
 public:
  explicit Replayer(std::string directory) : directory_(std::move(directory)) {}

  Result<> read(SegmentNumber number) {
    auto bytes = read_segment(directory_, number);
    if (!bytes) return std::unexpected(bytes.error());
    out_.live[number];
    std::string_view rest = *bytes;
    if (rest.size() < spool::kSegmentMagic.size()) return torn(number, 0, rest);
    if (!rest.starts_with(spool::kSegmentMagic)) {
      return fail(ErrorCode::internal,
                  segment_path(directory_, number) +
                      " is no spool segment of this version: move it out of the directory");
    }
    rest.remove_prefix(spool::kSegmentMagic.size());
    while (!rest.empty()) {
      auto parsed = spool::parse(rest);
      if (!parsed) return torn(number, bytes->size() - rest.size(), rest);
      std::visit([&](auto& record) { apply(number, record); }, parsed->record);
      rest.remove_prefix(parsed->size);
    }
    return {};
  }

  Result<SpoolReplay> finish() {
    for (const auto& [number, cut] : torn_) {
      if (marks_[number] <= cut) continue;
      return fail(ErrorCode::internal,
                  segment_path(directory_, number) + " is damaged at byte " + std::to_string(cut) +
                      ", in what was synced up to byte " + std::to_string(marks_[number]) +
                      ": check the disk; then move the file out of the directory, which gives "
                      "up the results in it (their tasks end as the masters decide)");
    }
    for (const auto& [number, cut] : torn_) {
      const std::string path = segment_path(directory_, number);
      LOG(WARNING) << "spool: cut a torn tail off " << path << " at byte " << cut;
      if (::truncate(path.c_str(), static_cast<off_t>(cut)) != 0) {
        return fail(ErrorCode::unavailable, "cannot cut " + path + ": " + std::strerror(errno));
      }
    }
    for (auto& [order, report] : results_) out_.contents.results.push_back(std::move(report));
    for (const auto& [shard, epoch] : epochs_) out_.contents.epochs.push_back({shard, epoch});
    return std::move(out_);
  }

 private:
  Result<> torn(SegmentNumber number, std::uint64_t offset, std::string_view rest) {
    torn_[number] = offset;
    // Marks behind the damage still tell whether it lies in synced bytes.
    marks_[number] = std::max(marks_[number], spool::find_sync_mark(rest, number));
    return {};
  }

  void apply(SegmentNumber, spool::StoreId& record) { out_.contents.store_id = std::move(record.value); }
  void apply(SegmentNumber, spool::Epochs& record) {
    for (const ShardEpoch& item : record.items) {
      epochs_[item.shard] = std::max(epochs_[item.shard], item.epoch);
    }
  }
  void apply(SegmentNumber number, ResultReport& record) {
    forget(record.token);  // an older copy, journalled again
    ++out_.live[number];
    out_.where[record.token] = number;
    order_[record.token] = ++last_order_;
    results_.emplace(last_order_, std::move(record));
  }
  void apply(SegmentNumber, spool::Forgets& record) {
    for (const Token& token : record.items) forget(token);
  }
  void apply(SegmentNumber, spool::SyncMark& record) {
    marks_[record.segment] = std::max(marks_[record.segment], record.offset);
  }
  void apply(SegmentNumber, spool::Unknown&) {}

  void forget(const Token& token) {
    const auto found = out_.where.find(token);
    if (found == out_.where.end()) return;
    --out_.live[found->second];
    out_.where.erase(found);
    results_.erase(order_[token]);
    order_.erase(token);
  }

  std::string directory_;
  SpoolReplay out_;
  std::map<std::uint64_t, ResultReport> results_;
  std::unordered_map<Token, std::uint64_t, TokenHash> order_;
  std::uint64_t last_order_ = 0;
  std::map<ShardId, Epoch> epochs_;
  std::map<SegmentNumber, std::uint64_t> torn_;
  std::map<SegmentNumber, std::uint64_t> marks_;
};

Result<std::vector<SegmentNumber>> list_segments(const std::string& directory) {
  std::vector<SegmentNumber> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    SegmentNumber number = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (bad == std::errc{} && std::string_view(end) == kSuffix) numbers.push_back(number);
  }
  if (error) return fail(ErrorCode::unavailable, "cannot list " + directory + ": " + error.message());
  std::ranges::sort(numbers);
  return numbers;
}

}  // namespace

std::string segment_path(const std::string& directory, SegmentNumber number) {
  std::string digits = std::to_string(number);
  digits.insert(0, digits.size() < 10 ? 10 - digits.size() : 0, '0');
  return directory + "/" + digits + std::string(kSuffix);
}

Result<std::string> read_segment(const std::string& directory, SegmentNumber number) {
  const std::string path = segment_path(directory, number);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string bytes;
  ssize_t n = fd < 0 ? -1 : 1;
  while (n > 0) {
    constexpr std::size_t kChunk = 64u << 10;
    const std::size_t at = bytes.size();
    bytes.resize(at + kChunk);
    n = ::read(fd, bytes.data() + at, kChunk);
    bytes.resize(at + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  }
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (n < 0) return fail(ErrorCode::unavailable, "cannot read " + path + ": " + std::strerror(error));
  return bytes;
}

Result<SpoolReplay> replay_spool(const std::string& directory) {
  const auto numbers = list_segments(directory);
  if (!numbers) return std::unexpected(numbers.error());
  Replayer replayer(directory);
  for (const SegmentNumber number : *numbers) {
    if (auto read = replayer.read(number); !read) return std::unexpected(read.error());
  }
  return replayer.finish();
}

}  // namespace ringmaster

// The worker's journal, as a disk gives it back. Damage is noticed; what reads is written as bytes that read
// the same; and a directory of segments is replayed to the same contents the second time, when torn tails
// have been cut off.
//
// Input: a byte for the scene. 0: one record, as it is. 1: a type and a payload, whose checksum is made here.
// 2: segments of a directory, each a 16-bit size and its bytes. 3: the same, made of payloads as in 1.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>

#include <boost/crc.hpp>
#include <fcntl.h>
#include <glog/logging.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_input.h"
#include "worker/file_spool_replay.h"
#include "worker/spool_record.h"

namespace {

using namespace ringmaster;

std::string seal(std::uint8_t type, std::string_view payload) {
  std::string body(5, '\0');
  const auto length = static_cast<std::uint32_t>(payload.size());
  std::memcpy(body.data(), &length, sizeof length);
  body[4] = static_cast<char>(type);
  body += payload;
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(body.data(), body.size());
  const std::uint32_t sum = crc.checksum();
  std::string record(reinterpret_cast<const char*>(&sum), sizeof sum);
  return record + body;
}

void check_record(std::string_view bytes) {
  const auto parsed = spool::parse(bytes);
  if (!parsed) return;
  fuzz_check(parsed->size >= 9 && parsed->size <= bytes.size(), "a record lies within its bytes");
  if (const auto* report = std::get_if<ResultReport>(&parsed->record)) {
    // A master refuses a channel that carries another number.
    fuzz_check(report->result.outcome <= Outcome::lost, "an outcome is one of ours");
  }
  std::string once, twice;
  const auto write = [](const auto& record, std::string& out) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(record)>, spool::Unknown>) spool::append(out, record);
  };
  std::visit([&](const auto& record) { write(record, once); }, parsed->record);
  if (once.empty()) return;
  const auto again = spool::parse(once);
  fuzz_check(again && again->size == once.size(), "a record reads back");
  std::visit([&](const auto& record) { write(record, twice); }, again->record);
  fuzz_check(once == twice, "as it was written");
}

// One directory for the whole run, emptied for each input; in memory where there is /dev/shm.
class Directory {
 public:
  static Directory& shared() {
    static Directory directory;
    return directory;
  }
  ~Directory() { remove_all(); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  const std::string& empty() {
    for (SegmentNumber number = 1; number <= 3; ++number) ::unlink(segment_path(path_, number).c_str());
    return path_;
  }

 private:
  Directory() {
    const auto base = std::filesystem::is_directory("/dev/shm") ? std::filesystem::path("/dev/shm")
                                                                : std::filesystem::temp_directory_path();
    path_ = (base / "ringmaster-fuzz-XXXXXX").string();
    fuzz_check(::mkdtemp(path_.data()) != nullptr, "a directory");
    FLAGS_minloglevel = google::GLOG_ERROR;  // each torn tail is a warning
  }
  void remove_all() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path_;
};

// Everything in it that can be compared.
std::string text_of(const SpoolReplay& replay) {
  std::string text = replay.contents.store_id + "\n";
  for (const auto& report : replay.contents.results) spool::append(text, report);
  for (const auto& item : replay.contents.epochs)
    text += std::to_string(item.shard) + ":" + std::to_string(item.epoch) + " ";
  std::uint64_t live = 0;
  for (const auto& [segment, results] : replay.live) live += results;
  fuzz_check(live == replay.contents.results.size() && live == replay.where.size(),
             "every result is counted once");
  return text;
}

void check_directory(FuzzInput input, bool sealed) {
  const std::string& directory = Directory::shared().empty();
  for (SegmentNumber number = 1; number <= 3 && !input.empty(); ++number) {
    std::string content(spool::kSegmentMagic);
    if (sealed) {
      for (int records = input.byte() % 8; records > 0; --records) {
        const auto type = input.byte();
        content += seal(type, input.take(input.byte()));
      }
      content += input.take(input.byte() % 16);  // a torn tail
    } else {
      std::size_t size = input.byte();
      size += std::size_t{256} * input.byte();
      content = input.take(size);
    }
    std::ofstream(segment_path(directory, number), std::ios::binary) << content;
  }
  const auto first = replay_spool(directory);
  if (!first) {
    fuzz_check(!first.error().message.empty(), "a refusal says why");
    return;
  }
  const auto second = replay_spool(directory);
  fuzz_check(second.has_value(), "what was mended reads");
  fuzz_check(text_of(*first) == text_of(*second), "and holds the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  switch (input.byte() % 4) {
    case 0:
      check_record(input.rest());
      (void)spool::find_sync_mark(input.rest(), 1);
      break;
    case 1: {
      const auto type = input.byte();
      check_record(seal(type, input.rest()));
      break;
    }
    case 2:
      check_directory(input, false);
      break;
    default:
      check_directory(input, true);
  }
  return 0;
}

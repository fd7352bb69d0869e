// Writes the binary part of the seed corpora: a valid example of every message, frame, handshake, record and
// supervisor frame. The seeds of the text formats are written by hand.
//
//   fuzz_seeds tests/fuzz/corpus
//
// Run it when a message gets a type or a field, and commit what is new.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>

#include "rpc/frame.h"
#include "rpc/handshake.h"
#include "rpc/message_codec.h"
#include "tests/unit/rpc/random_values.h"
#include "worker/spool_record.h"
#include "worker/supervisor_protocol.h"

namespace {

using namespace ringmaster;

class Corpus {
 public:
  Corpus(std::filesystem::path root, const std::string& target) : directory_(std::move(root) / target) {
    std::filesystem::create_directories(directory_);
  }
  void add(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    ++written;
  }
  static inline int written = 0;

 private:
  std::filesystem::path directory_;
};

std::string number_of(std::size_t number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

// Each alternative of a variant, with random values.
template <class Variant, std::size_t I = 0, class Fn>
void for_each_alternative(Fn fn) {
  if constexpr (I < std::variant_size_v<Variant>) {
    RandomValues values(I);
    fn(Variant(values.make<std::variant_alternative_t<I, Variant>>()));
    for_each_alternative<Variant, I + 1>(fn);
  }
}

template <class Variant>
void add_messages(Corpus& messages, Corpus& frames, const std::string& name, int kind, FrameKind frame_kind) {
  for_each_alternative<Variant>([&](const Variant& value) {
    const auto type = static_cast<std::uint16_t>(type_of(value));
    std::string payload, stream(1, '\x07');
    encode(value, payload);
    messages.add(name + "-" + number_of(type),
                 std::string{static_cast<char>(kind), static_cast<char>(type)} + payload);
    append_frame({type, frame_kind, frame_kind == FrameKind::one_way ? 0U : 9U}, payload, stream);
    frames.add(name + "-" + number_of(type), stream);
  });
}

void add_messages(const std::filesystem::path& root) {
  Corpus messages(root, "message"), frames(root, "frame");
  add_messages<Message>(messages, frames, "message", 0, FrameKind::one_way);
  add_messages<ApiRequest>(messages, frames, "request", 1, FrameKind::request);
  add_messages<ApiReply>(messages, frames, "reply", 2, FrameKind::reply);
  std::string error;
  encode(Error{ErrorCode::not_found, "there is no such task", "id"}, error);
  messages.add("error", std::string("\x03\x00", 2) + error);
}

std::string frame_of(const HandshakeFrame& frame) {
  std::string bytes;
  append_frame({static_cast<std::uint16_t>(frame.type), FrameKind::one_way, 0}, frame.payload, bytes);
  return bytes;
}

void add_handshakes(const std::filesystem::path& root) {
  Corpus corpus(root, "handshake");
  Nonce a, d;
  a.fill('a');
  d.fill('d');
  const auto identity = [](Role role, const char* id) {
    return Identity{.cluster = "test",
                    .role = role,
                    .node_id = id,
                    .incarnation = Incarnation{7},
                    .store_id = "store",
                    .version = "1.0"};
  };
  auto from = Handshake::acceptor(identity(Role::worker, "w1"), "another secret", a);
  auto to = Handshake::dialler(identity(Role::master, "m1"), "another secret", {Role::worker, "w1"}, d);
  const auto challenge = *from.start();
  const auto proof = *to.on_frame(static_cast<std::uint16_t>(challenge.type), challenge.payload);
  const auto welcome = *from.on_frame(static_cast<std::uint16_t>(proof.type), proof.payload);
  corpus.add("proof-stream", '\x00' + frame_of(proof));
  corpus.add("welcome-stream", '\x01' + frame_of(challenge) + frame_of(welcome));
  corpus.add("reject-stream", '\x01' + frame_of({FrameType::reject, "wrong cluster secret"}));
  corpus.add("prove", '\x02' + proof.payload.substr(64));
  corpus.add("welcome", '\x03' + welcome.payload.substr(32));
  corpus.add("honest", std::string("\x04\x00\x00", 3));
  corpus.add("tampered", std::string("\x04\x00\x00\x10\x01", 5));
}

void add_records(const std::filesystem::path& root) {
  Corpus corpus(root, "spool");
  RandomValues values(1);
  std::string segment(spool::kSegmentMagic);
  const auto add = [&](const std::string& name, const auto& record) {
    std::string bytes;
    spool::append(bytes, record);
    corpus.add(name, '\x00' + bytes);
    // The scene that makes the checksum itself: type and payload.
    corpus.add(name + "-sealed", '\x01' + bytes.substr(8));
    segment += bytes;
  };
  auto report = values.make<ResultReport>();
  report.result.message = "exit code 1";
  report.result.output_tail = "a line\n";
  add("store-id", spool::StoreId{"4b8f"});
  add("epochs", spool::Epochs{{{3, 5}, {4, 6}}});
  add("result", report);
  add("forgets", spool::Forgets{{report.token}});
  add("sync-mark", spool::SyncMark{1, 40});
  const auto size = static_cast<std::uint16_t>(segment.size());
  std::string directory("\x02");
  directory.append(reinterpret_cast<const char*>(&size), sizeof size);
  corpus.add("directory", directory + segment);
  std::string result, mark;
  spool::append(result, report);
  spool::append(mark, spool::SyncMark{1, 8});
  const auto counted = [](const std::string& record) {
    return record.substr(8, 1) + static_cast<char>(record.size() - 9) + record.substr(9);
  };
  corpus.add("directory-sealed", std::string("\x03\x03") + counted(result) + counted(result) + counted(mark) +
                                     std::string("\x02xy\x01", 4) + counted(mark));
}

void add_supervisor_frames(const std::filesystem::path& root) {
  Corpus corpus(root, "supervisor");
  const auto add = [&](const std::string& name, char first, const auto& value) {
    std::string bytes;
    encode(value, bytes);
    corpus.add(name, first + bytes);
  };
  add("start", '\x87',
      SupervisorOrder(StartOrder{.id = 1,
                                 .argv = {"/bin/sh", "-c", "true"},
                                 .env = {"PATH=/bin"},
                                 .cwd = "/tmp",
                                 .stdin_text = "in",
                                 .log_path = "/tmp/log",
                                 .log_limit = 100,
                                 .timeout = std::chrono::seconds(3),
                                 .kill_grace = std::chrono::seconds(1),
                                 .lease_shard = 7,
                                 .token = {TaskId{1031}, 2, 3},
                                 .success_exit_codes = {0, 3}}));
  add("kill", '\x87', SupervisorOrder(KillOrder{1}));
  add("lease", '\x87', SupervisorOrder(LeaseOrder{7, MonoTime(std::chrono::seconds(5))}));
  add("goodbye", '\x87', SupervisorOrder(GoodbyeOrder{}));
  add("ready", '\x07', SupervisorEvent(ReadyEvent{}));
  add("started", '\x07', SupervisorEvent(StartedEvent{1, from_unix_micros(5)}));
  add("finished", '\x07',
      SupervisorEvent(FinishedEvent{.id = 1,
                                    .cause = FinishCause::timed_out,
                                    .wait_status = 9,
                                    .started_at = from_unix_micros(5),
                                    .finished_at = from_unix_micros(9),
                                    .message = "timed out",
                                    .output_tail = "a line\n"}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path root(argv[1]);
  add_messages(root);
  add_handshakes(root);
  add_records(root);
  add_supervisor_frames(root);
  std::printf("%d seeds\n", Corpus::written);
  return 0;
}

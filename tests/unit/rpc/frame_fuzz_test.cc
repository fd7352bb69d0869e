// The fuzz target over a small corpus of good and damaged streams, so that it cannot rot between fuzzing
// runs.
#include "tests/fuzz/frame_fuzz.cc"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "rpc/frame.h"
#include "rpc/message_codec.h"
#include "tests/unit/rpc/random_values.h"

namespace ringmaster {
namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

template <class Value>
void append(const Value& value, FrameKind kind, std::string& stream) {
  std::string payload;
  encode(value, payload);
  append_frame({static_cast<std::uint16_t>(type_of(value)), kind, 1}, payload, stream);
}

TEST(FrameFuzz, ItsCorpusPasses) {
  std::mt19937_64 random(1);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    RandomValues values(seed);
    std::string stream(1, static_cast<char>(seed));
    append(Message(values.make<DispatchBatch>()), FrameKind::one_way, stream);
    append(Message(values.make<Inventory>()), FrameKind::one_way, stream);
    append(ApiRequest(values.make<SubmitRequest>()), FrameKind::request, stream);
    append(ApiReply(values.make<ListReply>()), FrameKind::reply, stream);
    run(stream);
    for (int i = 0; i < 20; ++i) {
      auto damaged = stream;
      damaged[random() % damaged.size()] = static_cast<char>(random());
      if (i % 3 == 0) damaged.resize(random() % damaged.size());
      run(damaged);
    }
  }
  run("");
  run("\x01");
  run("\x01GET / HTTP/1.1\r\n\r\n");
}

}  // namespace
}  // namespace ringmaster

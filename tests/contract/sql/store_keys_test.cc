// What every TaskStore does with idempotency keys.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Fates = std::vector<AcceptFate>;

TaskRow keyed(std::int64_t id, std::string key, std::string spec = "{}") {
  TaskRow row = make_row(id);
  row.task.idempotency_key = std::move(key);
  row.task.spec = std::move(spec);
  return row;
}
// `256`, or `256!` if that task has another payload.
std::vector<std::string> text(const Result<Fates>& fates) {
  std::vector<std::string> out;
  if (!fates) return {std::string(to_string(fates.error().code))};
  for (const AcceptFate& fate : *fates)
    out.push_back(std::to_string(fate.id.value) + (fate.same_payload ? "" : "!"));
  return out;
}

TEST_P(StoreContract, AKeyIsOneTaskHoweverOftenItIsSubmitted) {
  EXPECT_THAT(text(master().accept_keyed({keyed(256, "a"), keyed(512, "b")})), ElementsAre("256", "512"));
  EXPECT_THAT(text(master().accept_keyed({keyed(768, "b"), keyed(1024, "c"), keyed(1280, "a")})),
              ElementsAre("512", "1024", "256"));
  EXPECT_FALSE(master().get(TaskId{768}));
  EXPECT_TRUE(master().get(TaskId{1024}));
  EXPECT_THAT(text(master().accept_keyed({keyed(1280, "a")})), ElementsAre("256"));
  TaskRow stored = make_row(256);
  stored.task.spec = "{}";
  expect_equal(master().get(TaskId{256})->row, stored);
  EXPECT_THAT(text(master().accept_keyed({})), IsEmpty());
}

TEST_P(StoreContract, TheSameRowsMayBeAcceptedAgainWithTheirKeys) {
  const std::vector<TaskRow> rows{keyed(256, "a"), keyed(512, "b")};
  ASSERT_TRUE(master().accept_keyed(rows));
  EXPECT_THAT(text(master().accept_keyed(rows)), ElementsAre("256", "512")) << "as after an unknown outcome";
  EXPECT_EQ(master().list({}).views.size(), 2u);
}

TEST_P(StoreContract, AKeyOutlivesItsTask) {
  ASSERT_TRUE(master().accept_keyed({keyed(256, "a")}));
  ASSERT_TRUE(master().complete({make_completion(256)}));
  EXPECT_THAT(text(master().accept_keyed({keyed(512, "a")})), ElementsAre("256"));
  EXPECT_FALSE(master().get(TaskId{512}));
}

TEST_P(StoreContract, AKeyWithAnotherPayloadIsToldAndInsertsNothing) {
  ASSERT_TRUE(master().accept_keyed({keyed(256, "a")}));
  TaskRow repeated = keyed(512, "a");
  repeated.task.created_by = "somebody else";
  repeated.task.traceparent = "00-ab-cd-01";
  EXPECT_THAT(text(master().accept_keyed({repeated})), ElementsAre("256"))
      << "what was asked for is the same";
  EXPECT_THAT(text(master().accept_keyed({keyed(768, "a", R"({"x": 1})"), keyed(1024, "b")})),
              ElementsAre("256!", "1024"));
  EXPECT_FALSE(master().get(TaskId{768}));
}

TEST_P(StoreContract, AKeyTwiceInOneCallIsOneTask) {
  EXPECT_THAT(text(master().accept_keyed({keyed(256, "a"), keyed(512, "a"), keyed(768, "a", R"({"x": 1})")})),
              ElementsAre("256", "256", "256!"));
  EXPECT_EQ(master().list({}).views.size(), 1u);
}

TEST_P(StoreContract, AKeyCountsInItsNamespaceOnly) {
  ASSERT_TRUE(master().accept_keyed({keyed(256, "a")}));
  TaskRow other = keyed(512, "a");
  other.task.ns = "other";
  EXPECT_THAT(text(master().accept_keyed({other})), ElementsAre("512"));
}

TEST_P(StoreContract, EqualKeysThatMeetInFlightAreOneTaskEach) {
  constexpr int kCalls = 8, kKeys = 20;
  std::vector<std::vector<TaskRow>> calls(kCalls);
  for (int call = 0; call < kCalls; ++call) {
    for (int key = 0; key < kKeys; ++key) {
      // Each call names them in another order.
      const int shuffled = (key * 7 + call * 3) % kKeys;
      calls[static_cast<std::size_t>(call)].push_back(
          keyed((call * kKeys + key + 1) * 256, "k" + std::to_string(shuffled)));
    }
  }
  std::map<std::string, std::set<std::int64_t>> ids;
  int answered = 0;
  for (const auto& rows : calls) {
    master().store().accept_keyed(rows, [&](Result<Fates> fates) {
      ASSERT_TRUE(fates) << fates.error().message;
      for (std::size_t i = 0; i < rows.size(); ++i)
        ids[rows[i].task.idempotency_key].insert((*fates)[i].id.value);
      ++answered;
    });
  }
  ASSERT_TRUE(world().run_until([&] { return answered == kCalls; }));
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kKeys));
  for (const auto& [key, tasks] : ids) EXPECT_EQ(tasks.size(), 1u) << key;
  EXPECT_EQ(master().list({.limit = 1000}).views.size(), static_cast<std::size_t>(kKeys));
}

TEST_P(StoreContract, ADeposedMasterTakesNoKey) {
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  ASSERT_TRUE(other.take_over(master().incarnation()));
  // Its backends are ended: before it hears that it is fenced it may find its connections gone.
  std::vector<std::string> said;
  do {
    said = text(master().accept_keyed({keyed(256, "a")}));
  } while (said == std::vector<std::string>{"unavailable"} ||
           said == std::vector<std::string>{"unknown_outcome"});
  EXPECT_THAT(said, ElementsAre("fenced"));
  EXPECT_THAT(text(other.accept_keyed({keyed(512, "a")})), ElementsAre("512"));
}

}  // namespace
}  // namespace ringmaster

#include "base/attempt_json.h"

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using namespace std::string_view_literals;

AttemptRecord record() {
  AttemptRecord made{3, std::int64_t{1} << 40, "worker-1", {}};
  made.result.outcome = Outcome::timed_out;
  made.result.exit_code = -1;
  made.result.signal = 9;
  made.result.permanent = true;
  made.result.started_at = from_unix_micros(1'795'253'400'000'001);
  made.result.finished_at = from_unix_micros(1'795'253'460'999'999);
  made.result.usage = {1, std::int64_t{1} << 50, 3};
  made.result.message = "stopped after 1m";
  made.result.output_tail = "line 1\n\ttab \"quoted\" é 任务\n";
  return made;
}

// What an operator and a program see of one attempt, whole.
TEST(AttemptJson, ShowsEveryFieldOfAnAttempt) {
  EXPECT_EQ(boost::json::serialize(to_json(record())),
            R"({"attempt":3,"epoch":1099511627776,"worker":"worker-1","outcome":"timed_out","exit_code":-1,)"
            R"("signal":9,"permanent":true,"started_at":"2026-11-21T09:30:00.000001Z",)"
            R"("finished_at":"2026-11-21T09:31:00.999999Z",)"
            R"("usage":{"user_us":1,"system_us":1125899906842624,"max_rss_kib":3},)"
            R"("message":"stopped after 1m","output_tail":"line 1\n\ttab \"quoted\" é 任务\n"})");
}

TEST(AttemptJson, ShowsNullForATimeThatIsNotKnown) {
  AttemptRecord lost = record();
  lost.result.outcome = Outcome::lost;
  lost.result.started_at = {};
  const auto out = to_json(lost);
  EXPECT_TRUE(out.at("started_at").is_null());
  EXPECT_FALSE(out.at("finished_at").is_null());
}

TEST(AttemptsText, RoundTrips) {
  const auto read = attempts_from_text(attempts_to_text({record(), AttemptRecord{}}));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 2U);
  const AttemptRecord &wrote = record(), &got = read->front();
  EXPECT_EQ(got.attempt, wrote.attempt);
  EXPECT_EQ(got.epoch, wrote.epoch);
  EXPECT_EQ(got.worker, wrote.worker);
  EXPECT_EQ(got.result.outcome, wrote.result.outcome);
  EXPECT_EQ(got.result.exit_code, wrote.result.exit_code);
  EXPECT_EQ(got.result.signal, wrote.result.signal);
  EXPECT_EQ(got.result.permanent, wrote.result.permanent);
  EXPECT_EQ(got.result.started_at, wrote.result.started_at);
  EXPECT_EQ(got.result.finished_at, wrote.result.finished_at);
  EXPECT_EQ(got.result.usage.user_us, wrote.result.usage.user_us);
  EXPECT_EQ(got.result.usage.system_us, wrote.result.usage.system_us);
  EXPECT_EQ(got.result.usage.max_rss_kib, wrote.result.usage.max_rss_kib);
  EXPECT_EQ(got.result.message, wrote.result.message);
  EXPECT_EQ(got.result.output_tail, wrote.result.output_tail);
}

TEST(AttemptsText, IsAnEmptyArrayForNone) {
  EXPECT_EQ(attempts_to_text({}), "[]");
  EXPECT_TRUE(attempts_from_text("[]").value().empty());
  EXPECT_TRUE(attempts_from_text(" [ ] ").value().empty());
}

TEST(AttemptsText, HoldsNothingThatADatabaseRefuses) {
  AttemptRecord made = record();
  made.result.output_tail = "a\0b\xff"sv;
  made.result.message = "\xc3"sv;
  const std::string text = attempts_to_text({made});
  EXPECT_EQ(text.find("\\u0000"), std::string::npos);
  const auto read = attempts_from_text(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->front().result.output_tail, "a\ufffdb\ufffd");
  EXPECT_EQ(read->front().result.message, "\ufffd");
}

TEST(AttemptsText, IsReadAcrossVersions) {
  const auto read = attempts_from_text(R"([{"attempt":2,"outcome":"evaporated","cgroup":{"x":1}},{}])");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at(0).attempt, 2);
  EXPECT_EQ(read->at(0).result.outcome, Outcome::failed);
  EXPECT_EQ(read->at(1).attempt, 0);
}

TEST(AttemptsText, RefusesWhatIsNoAttemptLog) {
  for (const char* text :
       {"", "{}", "[1]", "[", R"([{"attempt":"1"}])", R"([{"attempt":1e3}])", R"([{"exit_code":4294967296}])",
        R"([{"worker":1}])", R"([{"permanent":0}])", R"([{"started_at":"noon"}])", R"([{"usage":[]}])",
        R"([{"usage":{"user_us":"1"}}])"}) {
    const auto read = attempts_from_text(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::internal);
  }
}

}  // namespace
}  // namespace ringmaster

#include "rpc/pending_calls.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/manual_loop.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

class PendingCallsTest : public testing::Test {
 protected:
  struct Outcome {
    int answers = 0;
    std::optional<ErrorCode> error;
  };
  std::uint64_t add(Outcome& outcome, LinkId link, std::uint64_t position, Duration timeout) {
    const auto id = calls.next_id();
    calls.add(id, link, position, timeout, [&outcome](Result<ApiReply> reply) {
      ++outcome.answers;
      if (!reply) outcome.error = reply.error().code;
    });
    return id;
  }
  ManualLoop loop;
  PendingCalls calls{loop};
};

TEST_F(PendingCallsTest, AReplyAnswersOnce) {
  Outcome outcome;
  const auto id = add(outcome, 1, 10, 1s);
  EXPECT_TRUE(calls.answer(1, id, ClusterReply{}));
  EXPECT_FALSE(calls.answer(1, id, ClusterReply{}));
  loop.advance(5s);
  EXPECT_EQ(outcome.answers, 1);
  EXPECT_FALSE(outcome.error);
}

TEST_F(PendingCallsTest, AnotherLinkCannotAnswer) {
  Outcome outcome;
  const auto id = add(outcome, 1, 10, 1s);
  EXPECT_FALSE(calls.answer(2, id, ClusterReply{}));
  EXPECT_EQ(outcome.answers, 0);
}

TEST_F(PendingCallsTest, EachDeadlineFallsOnItsInstant) {
  Outcome late, early, middle;
  add(late, 1, 10, 3s);
  add(early, 1, 20, 1s);
  add(middle, 2, 30, 2s);
  loop.advance(999ms);
  EXPECT_EQ(early.answers, 0);
  loop.advance(1ms);
  EXPECT_EQ(early.error, ErrorCode::deadline_exceeded);
  EXPECT_EQ(middle.answers, 0);
  loop.advance(1s);
  EXPECT_EQ(middle.answers, 1);
  loop.advance(1s);
  EXPECT_EQ(late.answers, 1);
  EXPECT_EQ(calls.size(), 0u);
}

TEST_F(PendingCallsTest, ADeadlineThatNeverComesDoesNotOverflow) {
  Outcome outcome;
  add(outcome, 1, 10, Duration::max());
  loop.advance(1h);
  EXPECT_EQ(outcome.answers, 0);
}

TEST_F(PendingCallsTest, TheEndOfALinkTellsSentFromUnsent) {
  Outcome sent, unsent, other;
  add(sent, 1, 100, 1s);
  add(unsent, 1, 200, 1s);
  add(other, 2, 50, 1s);
  calls.fail_link(1, 150, "gone");
  EXPECT_EQ(sent.error, ErrorCode::unknown_outcome);
  EXPECT_EQ(other.answers, 0);
  EXPECT_EQ(unsent.error, ErrorCode::unavailable) << "frames are handed over whole: nothing of it has left";
}

}  // namespace
}  // namespace ringmaster

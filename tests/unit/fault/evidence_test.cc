// The checker of the fault tests finds each promise that is broken, and nothing else.
#include "tests/fault/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using What = WitnessLine::What;

constexpr TaskId kTask{0x4200};

WitnessLine line(What what, Epoch epoch, Attempt attempt, std::int64_t at) {
  return {.what = what, .token = {kTask, epoch, attempt}, .boot_us = at};
}

// One witnessed task that succeeded at its first attempt.
Evidence one_success(OnWorkerLost policy = OnWorkerLost::rerun) {
  return {.accepted = {{kTask, {.policy = policy, .witnessed = true}}},
          .witness = {line(What::begin, 3, 1, 100), line(What::end, 3, 1, 200)},
          .ended = {{.id = kTask, .state = TaskState::succeeded, .attempt = 1, .epoch = 3}},
          .open = {}};
}

TEST(Evidence, OfAHealthyClusterBreaksNothing) {
  Evidence all = one_success();
  EXPECT_THAT(broken_promises(all), IsEmpty());
  all.no_worker_was_lost = true;
  EXPECT_THAT(broken_promises(all), IsEmpty());
}

TEST(Evidence, FindsWhatWasAcceptedAndIsLost) {
  Evidence all = one_success();
  all.ended.clear();
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("was accepted and is lost")));
  all.open = {kTask};
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("has not ended")));
}

TEST(Evidence, FindsTwoResults) {
  Evidence all = one_success();
  all.ended.push_back(all.ended.front());
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("two results")));
  all = one_success();
  all.open = {kTask};
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("in `task` and in task_history")));
}

TEST(Evidence, FindsAnEndThatThePolicyDoesNotAllow) {
  Evidence all = one_success();
  for (const auto state :
       {TaskState::lost, TaskState::cancelled, TaskState::timed_out, TaskState::quarantined}) {
    all.ended.front().state = state;
    EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("which its policy does not allow")));
  }
  all = one_success(OnWorkerLost::fail);
  all.ended.front().state = TaskState::lost;
  EXPECT_THAT(broken_promises(all), IsEmpty());
  all.no_worker_was_lost = true;
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("does not allow")));
}

TEST(Evidence, FindsASuccessThatNobodySaw) {
  Evidence all = one_success();
  all.witness.pop_back();
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("which never ended")));
}

TEST(Evidence, FindsAnAttemptThatBeganTwice) {
  Evidence all = one_success();
  all.witness.push_back(line(What::begin, 3, 1, 300));
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("began 2 times")));
}

TEST(Evidence, FindsASecondRunOfWhatRunsAtMostOnce) {
  Evidence all = one_success(OnWorkerLost::fail);
  all.witness.push_back(line(What::begin, 4, 1, 300));
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("may run at most once")));
}

TEST(Evidence, FindsARunThatNoLossExplains) {
  Evidence all = one_success();
  all.witness.push_back(line(What::begin, 3, 2, 300));
  EXPECT_THAT(broken_promises(all), IsEmpty());
  all.no_worker_was_lost = true;
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("although no worker was lost")));
}

TEST(Evidence, FindsAnOverlapUnderALease) {
  Evidence all = one_success(OnWorkerLost::rerun_after_lease);
  all.witness = {line(What::begin, 3, 1, 100), line(What::begin, 3, 2, 200), line(What::end, 3, 2, 400)};
  all.ended.front().attempt = 2;
  EXPECT_THAT(broken_promises(all), IsEmpty());
  all.witness.push_back(line(What::alive, 3, 1, 250));
  EXPECT_THAT(broken_promises(all), ElementsAre(HasSubstr("ran for another 50 us")));
}

TEST(Evidence, ReadsWhatWitnessesWrite) {
  const auto lines = parse_witness("begin " + to_string(kTask) + " 3 1 100 7\nalive " + to_string(kTask) +
                                   " 3 1 150 7\nend " + to_string(kTask) + " 3 1 200 7\nend task_");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].what, What::begin);
  EXPECT_EQ(lines[1].what, What::alive);
  EXPECT_EQ(lines[2].token, (Token{kTask, 3, 1}));
  EXPECT_EQ(lines[2].boot_us, 200);
}

}  // namespace
}  // namespace ringmaster

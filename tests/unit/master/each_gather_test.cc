#include "master/each_gather.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using testing::ElementsAre;

class EachGathers : public testing::Test {
 protected:
  // Of three tasks: the first and the last are one part, the one between is another.
  Result<ApiReply> gathered(const Result<ApiReply>& outer, const Result<ApiReply>& inner) {
    std::optional<Result<ApiReply>> answer;
    EachGather gather(3, [&](Result<ApiReply> whole) { answer = std::move(whole); });
    gather.open_part();
    gather.open_part();
    gather.part_done({0, 2}, outer);
    gather.part_done({1}, inner);
    EXPECT_FALSE(answer) << "not before all parts were opened";
    gather.close_part();
    return *answer;
  }
  static Result<ApiReply> ids(std::vector<TaskId> ids) { return ApiReply{SubmitReply{std::move(ids)}}; }
};

TEST_F(EachGathers, EachAnswerGoesWhereItsTaskStood) {
  const auto whole = std::get<SubmitReply>(gathered(ids({TaskId{1}, TaskId{3}}), ids({TaskId{2}})).value());
  EXPECT_THAT(whole.ids, ElementsAre(TaskId{1}, TaskId{2}, TaskId{3}));
  EXPECT_TRUE(whole.refused.empty());
}

TEST_F(EachGathers, APartThatFailedIsRefusedTaskByTask) {
  const auto whole =
      std::get<SubmitReply>(gathered(fail(ErrorCode::unavailable, "away"), ids({TaskId{2}})).value());
  EXPECT_THAT(whole.ids, ElementsAre(TaskId{}, TaskId{2}, TaskId{}));
  ASSERT_EQ(whole.refused.size(), 2u);
  EXPECT_EQ(whole.refused[0].index, 0u);
  EXPECT_EQ(whole.refused[1].index, 2u);
  EXPECT_EQ(whole.refused[1].error.code, ErrorCode::unavailable);
}

TEST_F(EachGathers, WhatMayHaveHappenedOutweighsWhatHasNot) {
  const auto unknown = fail(ErrorCode::unknown_outcome, "look first");
  const auto nothing = fail(ErrorCode::unavailable, "away");
  EXPECT_EQ(gathered(unknown, nothing).error().code, ErrorCode::unknown_outcome);
  EXPECT_EQ(gathered(nothing, unknown).error().code, ErrorCode::unknown_outcome);
  EXPECT_EQ(gathered(nothing, nothing).error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace ringmaster

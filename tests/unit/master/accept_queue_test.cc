// AcceptQueue over a store whose every answer is the test's: who is told what, and when.
#include "master/accept_queue.h"

#include <gmock/gmock.h>

#include "tests/sim/manual_loop.h"
#include "tests/unit/master/scripted_store.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AcceptQueues : public ::testing::Test {
 protected:
  AcceptQueues() { core_.on_shards_taken({{3, 1}, {200, 1}}, now()); }

  Now now() const { return {loop_.now(), loop_.wall_now()}; }
  // One request of so many tasks; answers its number. What it is told goes to said_ and, if ids, to ids_.
  std::size_t submit(std::size_t tasks = 1) {
    const std::size_t number = ids_.size();
    ids_.emplace_back();
    queue_.submit({std::vector<NewTask>(tasks)}, [this, number](Result<ApiReply> reply) {
      said_.push_back(reply ? "ids" : std::string(to_string(reply.error().code)));
      if (reply) ids_[number] = std::get<SubmitReply>(std::move(*reply)).ids;
    });
    return number;
  }
  std::size_t submit_keyed(std::vector<std::string> keys) {
    const std::size_t number = ids_.size();
    ids_.emplace_back();
    std::vector<NewTask> tasks(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) tasks[i].idempotency_key = keys[i];
    queue_.submit({std::move(tasks)}, [this, number](Result<ApiReply> reply) {
      said_.push_back(reply ? "ids" : reply.error().field + " " + std::string(to_string(reply.error().code)));
      if (reply) ids_[number] = std::get<SubmitReply>(std::move(*reply)).ids;
    });
    loop_.run_ready();
    return number;
  }
  // As if every key of the oldest batch were free.
  std::vector<AcceptFate> all_inserted() const {
    std::vector<AcceptFate> fates;
    for (const TaskRow& row : store_.keyed.front().rows) fates.push_back({row.id, true});
    return fates;
  }
  static std::vector<TaskId> ids_of(const std::vector<TaskRow>& rows) {
    std::vector<TaskId> ids;
    for (const TaskRow& row : rows) ids.push_back(row.id);
    return ids;
  }

  // What a look-up for a batch may find.
  static Result<std::vector<Lookup>> found(const TaskRow& row) {
    Lookup lookup;
    lookup.id = row.id;
    lookup.row = row;
    return std::vector<Lookup>{lookup};
  }
  static Result<std::vector<Lookup>> nothing(TaskId id) {
    Lookup lookup;
    lookup.id = id;
    return std::vector<Lookup>{lookup};
  }

  ManualLoop loop_;
  ScriptedStore store_{loop_};
  SchedulerCore core_{"m1", {}};
  std::vector<std::string> said_;  // in order: what submitters were told, and what the hooks were
  std::vector<std::vector<TaskId>> ids_;
  AcceptQueue queue_{
      loop_,
      store_,
      core_,
      {.now = [this] { return now(); },
       .accepted =
           [this](std::vector<TaskRow> rows) { said_.push_back(std::to_string(rows.size()) + " accepted"); },
       .fenced = [this](const Error&) { said_.push_back("fenced"); }}};
};

TEST_F(AcceptQueues, RequestsThatComeTogetherShareABatch) {
  const std::size_t first = submit(2), second = submit(1);
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  EXPECT_THAT(said_, IsEmpty()) << "nothing is committed yet";
  const auto ids = ids_of(store_.answer_accept({}));
  EXPECT_THAT(said_, ElementsAre("3 accepted", "ids", "ids"));
  EXPECT_THAT(ids_[first], ElementsAre(ids[0], ids[1]));
  EXPECT_THAT(ids_[second], ElementsAre(ids[2]));
}

TEST_F(AcceptQueues, AFencedBatchDidNotHappen) {
  submit();
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  store_.answer_accept(fail(ErrorCode::fenced, "declared dead"));
  EXPECT_THAT(said_, ElementsAre("unavailable", "fenced"));
}

TEST_F(AcceptQueues, AnUnknownOutcomeStaysUnknownIfTheLookUpIsFenced) {
  submit(2);
  submit(1);
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  store_.answer_accept(fail(ErrorCode::unknown_outcome, "connection lost"));
  ASSERT_THAT(store_.looks, SizeIs(1));
  EXPECT_THAT(said_, IsEmpty());
  store_.answer_look(fail(ErrorCode::fenced, "declared dead"));
  EXPECT_THAT(said_, ElementsAre("unknown_outcome", "unknown_outcome", "fenced"));
  EXPECT_TRUE(queue_.idle());
  loop_.advance(milliseconds(500));
  EXPECT_THAT(store_.accepts, IsEmpty());
  EXPECT_THAT(store_.looks, IsEmpty());
}

TEST_F(AcceptQueues, AnUnknownOutcomeThatIsInTheStoreIsAnsweredWithItsIds) {
  const std::size_t first = submit(2), second = submit(1);
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  const auto rows = store_.answer_accept(fail(ErrorCode::unknown_outcome, "connection lost"));
  ASSERT_THAT(store_.looks, SizeIs(1));
  const auto asked = store_.answer_look(found(rows[0]));
  EXPECT_THAT(asked, ElementsAre(rows[0].id)) << "a batch is all there or not at all";
  EXPECT_THAT(said_, ElementsAre("3 accepted", "ids", "ids"));
  EXPECT_THAT(ids_[first], ElementsAre(rows[0].id, rows[1].id));
  EXPECT_THAT(ids_[second], ElementsAre(rows[2].id));
  EXPECT_THAT(store_.accepts, IsEmpty());
  EXPECT_TRUE(queue_.idle());
}

TEST_F(AcceptQueues, AnUnknownOutcomeThatIsNotInTheStoreIsSentAgainWithTheSameIds) {
  const std::size_t number = submit(2);
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  queue_.pause();  // what is under way is settled all the same: a hand-over waits for it
  const auto ids = ids_of(store_.answer_accept(fail(ErrorCode::unknown_outcome, "connection lost")));
  ASSERT_THAT(store_.looks, SizeIs(1));
  EXPECT_FALSE(queue_.idle());
  store_.answer_look(nothing(ids[0]));
  ASSERT_THAT(store_.accepts, SizeIs(1));
  EXPECT_FALSE(queue_.idle());
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_EQ(ids_of(store_.answer_accept({})), ids);
  EXPECT_THAT(said_, ElementsAre("2 accepted", "ids"));
  EXPECT_EQ(ids_[number], ids);
  EXPECT_TRUE(queue_.idle());
}

TEST_F(AcceptQueues, ALookUpThatFailsIsAskedAgain) {
  submit();
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  const auto rows = store_.answer_accept(fail(ErrorCode::unknown_outcome, "connection lost"));
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(store_.looks, SizeIs(1));
    store_.answer_look(fail(ErrorCode::unavailable, "no connection"));
    EXPECT_THAT(said_, IsEmpty());
    loop_.advance(milliseconds(200));
  }
  ASSERT_THAT(store_.looks, SizeIs(1));
  store_.answer_look(found(rows[0]));
  EXPECT_THAT(said_, ElementsAre("1 accepted", "ids"));
}

TEST_F(AcceptQueues, OneRequestAtFaultIsRefusedAlone) {
  const std::size_t first = submit(1), second = submit(2), third = submit(1);
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  const auto ids = ids_of(store_.answer_accept(fail(ErrorCode::internal, "22021 invalid byte sequence")));
  EXPECT_THAT(said_, IsEmpty());
  ASSERT_THAT(store_.accepts, SizeIs(3));
  EXPECT_THAT(ids_of(store_.answer_accept({})), ElementsAre(ids[0]));
  EXPECT_THAT(ids_of(store_.answer_accept(fail(ErrorCode::internal, "22021 invalid byte sequence"))),
              ElementsAre(ids[1], ids[2]));
  EXPECT_THAT(ids_of(store_.answer_accept({})), ElementsAre(ids[3]));
  EXPECT_THAT(said_, ElementsAre("1 accepted", "ids", "internal", "1 accepted", "ids"));
  EXPECT_THAT(ids_[first], ElementsAre(ids[0]));
  EXPECT_THAT(ids_[second], IsEmpty());
  EXPECT_THAT(ids_[third], ElementsAre(ids[3]));
  EXPECT_THAT(store_.accepts, IsEmpty());
  EXPECT_TRUE(queue_.idle());
}

TEST_F(AcceptQueues, ShuttingAnswersWhatWaitsAndRefusesWhatComes) {
  submit();
  loop_.run_ready();
  submit();
  ASSERT_THAT(store_.accepts, SizeIs(2)) << "two batches are under way";
  submit();
  submit();
  EXPECT_EQ(queue_.waiting(), 2u);
  queue_.shut({ErrorCode::cancelled, "leaving", {}});
  EXPECT_THAT(said_, ElementsAre("cancelled", "cancelled"));
  EXPECT_EQ(queue_.waiting(), 0u);
  submit();
  EXPECT_THAT(said_, ElementsAre("cancelled", "cancelled", "cancelled"));
  said_.clear();
  store_.answer_accept({});
  store_.answer_accept({});
  EXPECT_THAT(said_, ElementsAre("1 accepted", "ids", "1 accepted", "ids")) << "their fate is a fact";
  EXPECT_THAT(store_.accepts, IsEmpty());
}

TEST_F(AcceptQueues, AFullQueueIsResourceExhaustedUntilThereIsRoom) {
  queue_.pause();
  for (int i = 0; i < 10; ++i) submit(10'000);
  EXPECT_EQ(queue_.waiting(), 100'000u);
  EXPECT_THAT(said_, IsEmpty());
  submit();
  EXPECT_THAT(said_, ElementsAre("resource_exhausted"));
  EXPECT_EQ(queue_.waiting(), 100'000u);
  queue_.resume();
  loop_.run_ready();
  EXPECT_EQ(queue_.waiting(), 80'000u) << "two batches are under way";
  submit();
  EXPECT_EQ(queue_.waiting(), 80'001u);
  EXPECT_THAT(said_, SizeIs(1));
}

TEST_F(AcceptQueues, IsBoundedInBytesToo) {
  queue_.pause();
  NewTask big;
  big.spec = std::string(1'000'000, ' ');
  int taken = 0;
  const auto respond = [&](Result<ApiReply> reply) {
    said_.push_back(std::string(to_string(reply.error().code)));
  };
  for (; said_.empty() && taken < 1'000; ++taken) queue_.submit({{big}}, respond);
  EXPECT_THAT(said_, ElementsAre("resource_exhausted"));
  EXPECT_LT(taken, 300);
}

// The rest of a block is given up for what does not fit into it.
TEST_F(AcceptQueues, ARequestLargerThanWhatIsLeftOfABlockOfIdsIsNotStuck) {
  submit(7'000);  // of a block of 16,384: more than half is left
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  const std::size_t second = submit(10'000);
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(2));
  for (int i = 0; i < 2; ++i) store_.answer_accept({});
  EXPECT_THAT(ids_[second], SizeIs(10'000));
}

TEST_F(AcceptQueues, SendsNothingWhilePaused) {
  submit();
  loop_.run_ready();
  ASSERT_THAT(store_.accepts, SizeIs(1));
  queue_.pause();
  submit();
  loop_.run_ready();
  EXPECT_THAT(store_.accepts, SizeIs(1));
  store_.answer_accept({});
  EXPECT_THAT(said_, ElementsAre("1 accepted", "ids"));
  EXPECT_THAT(store_.accepts, IsEmpty());
  EXPECT_TRUE(queue_.idle());
  EXPECT_EQ(queue_.waiting(), 1u);
  queue_.resume();
  EXPECT_THAT(store_.accepts, SizeIs(1));
}

// ---- idempotency keys ----

TEST_F(AcceptQueues, ARepeatedKeyIsAnsweredWithItsTaskAndAcceptsNothing) {
  const std::size_t number = submit_keyed({"a", "b"});
  ASSERT_THAT(store_.keyed, SizeIs(1));
  auto fates = all_inserted();
  const TaskId fresh = fates[1].id;
  fates[0].id = TaskId{4711};
  store_.answer_keyed(fates);
  EXPECT_THAT(said_, ElementsAre("1 accepted", "ids"));
  EXPECT_THAT(ids_[number], ElementsAre(TaskId{4711}, fresh));
}

TEST_F(AcceptQueues, AKeyWithAnotherPayloadIsRefusedAndNamed) {
  submit_keyed({"a", "b"});
  auto fates = all_inserted();
  fates[1] = {TaskId{4711}, false};
  store_.answer_keyed(fates);
  EXPECT_THAT(said_, ElementsAre("1 accepted", "tasks[1].idempotency_key key_reused"));
}

TEST_F(AcceptQueues, WhereEachIsAnsweredAReusedKeyIsARefusalAmongIds) {
  SubmitReply reply;
  SubmitRequest request{.tasks = std::vector<NewTask>(2), .each = true};
  request.tasks[0].idempotency_key = "a";
  request.tasks[1].idempotency_key = "b";
  queue_.submit(std::move(request),
                [&](Result<ApiReply> answer) { reply = std::get<SubmitReply>(answer.value()); });
  loop_.run_ready();
  ASSERT_THAT(store_.keyed, SizeIs(1));
  const TaskId first = store_.keyed.front().rows.front().id;
  auto fates = all_inserted();
  fates[1] = {TaskId{4711}, false};
  store_.answer_keyed(fates);
  EXPECT_THAT(reply.ids, ElementsAre(first, TaskId{}));
  ASSERT_THAT(reply.refused, SizeIs(1));
  EXPECT_EQ(reply.refused[0].index, 1u);
  EXPECT_EQ(reply.refused[0].error.code, ErrorCode::key_reused);
  EXPECT_EQ(reply.refused[0].error.field, "idempotency_key");
}

TEST_F(AcceptQueues, RequestsWithAndWithoutKeysGoInBatchesOfTheirOwn) {
  queue_.pause();
  submit_keyed({"a"});
  submit_keyed({"b"});
  submit();
  submit_keyed({"c"});
  queue_.resume();
  loop_.run_ready();
  ASSERT_THAT(store_.keyed, SizeIs(1));
  EXPECT_THAT(store_.keyed.front().rows, SizeIs(2));
  EXPECT_THAT(store_.accepts, SizeIs(1));
  store_.answer_keyed(all_inserted());
  store_.answer_accept({});
  loop_.run_ready();
  ASSERT_THAT(store_.keyed, SizeIs(1));
  EXPECT_EQ(store_.keyed.front().rows.front().task.idempotency_key, "c");
}

TEST_F(AcceptQueues, AKeyedBatchOfUnknownOutcomeIsSentAgainUntilItIsKnown) {
  submit_keyed({"a"});
  const TaskId id = store_.keyed.front().rows.front().id;
  for (const ErrorCode code : {ErrorCode::unknown_outcome, ErrorCode::unavailable}) {
    store_.answer_keyed(fail(code, "gone"));
    EXPECT_THAT(said_, IsEmpty()) << "it may be in the database";
    EXPECT_FALSE(queue_.idle());
    loop_.advance(milliseconds(200));
    ASSERT_THAT(store_.keyed, SizeIs(1));
    EXPECT_EQ(store_.keyed.front().rows.front().id, id);
  }
  store_.answer_keyed(all_inserted());
  EXPECT_THAT(said_, ElementsAre("1 accepted", "ids"));
  EXPECT_TRUE(queue_.idle());
}

TEST_F(AcceptQueues, AKeyedBatchThatIsFencedAfterAnUnknownOutcomeStaysUnknown) {
  submit_keyed({"a"});
  store_.answer_keyed(fail(ErrorCode::unknown_outcome, "gone"));
  loop_.advance(milliseconds(200));
  store_.answer_keyed(fail(ErrorCode::fenced, "fenced"));
  EXPECT_THAT(said_, ElementsAre(" unknown_outcome", "fenced"));
}

TEST_F(AcceptQueues, AKeyedBatchThatCouldNotBeSentIsUnavailable) {
  submit_keyed({"a"});
  store_.answer_keyed(fail(ErrorCode::unavailable, "down"));
  EXPECT_THAT(said_, ElementsAre(" unavailable")) << "nothing happened";
}

}  // namespace
}  // namespace ringmaster

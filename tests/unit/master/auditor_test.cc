// A whole audit over the in-memory store: two looks, who is asked, who does not answer.
#include "master/auditor.h"

#include <gmock/gmock.h>

#include "sql/memory_task_store.h"
#include "tests/sim/manual_loop.h"
#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Peers that answer what the test says; those without an answer are gone.
class AnsweringLinks final : public Links {
 public:
  using Answer = std::function<Result<ApiReply>(const ApiRequest&)>;
  std::map<LinkId, Answer> answers;
  int calls = 0;

  void dial(Role, const std::string&, const std::string&) override {}
  void undial(Role, const std::string&) override {}
  bool send(LinkId, Message) override { return true; }
  void call(LinkId link, ApiRequest request, Duration, ApiResponder respond) override {
    ++calls;
    const auto answer = answers.find(link);
    if (answer == answers.end()) return respond(fail(ErrorCode::unavailable, "the link is gone"));
    respond(answer->second(request));
  }
  void close(LinkId, const std::string&) override {}
};

constexpr Incarnation kSelf{7};
constexpr LinkId kPeer = 90;

class Auditors : public testing::Test {
 protected:
  Auditors() {
    store_.open({"m1", kSelf, "r", "h", "v", "test"},
                [](Result<std::string> opened) { EXPECT_TRUE(opened); });
    std::vector<ShardId> all;
    for (int i = 0; i < kShardCount; ++i) all.push_back(static_cast<ShardId>(i));
    store_.take_shards(all, [this](Result<std::vector<ShardEpoch>> taken) {
      harness_.core.on_shards_taken(*taken, harness_.now);
      harness_.answer_reads({});
    });
    loop_.run_ready();
    worker_ = harness_.add_worker("w1", 0);
    links_.answers[worker_] = [](const ApiRequest&) { return ApiReply{HeldReply{}}; };
    auditor_.start(links_);
    // The lane is known, and all of it is in memory.
    harness_.accept();
    harness_.answer_reads({});
  }

  Auditor::Hooks hooks() {
    return {.now = [this] { return Now{loop_.now(), harness_.now.wall}; },
            .peers = [this] { return peers_; },
            .shown = [] { return std::vector{kSelf}; },
            .registry_up = [this] { return registry_up_; },
            .flush = [this] { ++flushes_; }};
  }
  AuditReply audit(AuditScope scope = {}) {
    std::optional<AuditReply> reply;
    auditor_.run(scope, [&](AuditReply made) { reply = std::move(made); });
    EXPECT_TRUE(loop_.run_until([&] { return reply.has_value(); }, seconds(60)));
    return reply.value_or(AuditReply{});
  }
  static std::vector<std::string> findings(const AuditReply& reply) {
    std::vector<std::string> all;
    for (const AuditCheck& check : reply.checks) {
      for (const AuditFinding& finding : check.findings) all.push_back(check.name + " " + finding.subject);
    }
    return all;
  }
  static const AuditCheck& check(const AuditReply& reply, std::string_view name) {
    return *std::ranges::find(reply.checks, name, &AuditCheck::name);
  }
  // Into the database alone, due for a minute.
  TaskId plant() {
    TaskRow row = harness_.row();
    row.run_at -= minutes(1);
    row.rank -= Duration(minutes(1)).count();
    store_.accept({row}, [](Result<> accepted) { EXPECT_TRUE(accepted); });
    loop_.run_ready();
    return row.id;
  }
  void end(TaskId id) {
    store_.complete({{{id, 1, 1}, TaskState::succeeded, "w1", {}}}, [](auto done) { EXPECT_TRUE(done); });
    loop_.run_ready();
  }
  void add_peer(AnsweringLinks::Answer answer) {
    peers_ = {{"m2", Incarnation{8}, kPeer}};
    links_.answers[kPeer] = std::move(answer);
  }

  ManualLoop loop_;
  MemoryDatabase database_;
  MemoryTaskStore store_{loop_, database_};
  CoreHarness harness_;
  AnsweringLinks links_;
  LinkId worker_ = 0;
  std::vector<Auditor::Peer> peers_;
  bool registry_up_ = true;
  int flushes_ = 0;
  Auditor auditor_{loop_, store_, harness_.core, "m1", kSelf, hooks()};
};

TEST_F(Auditors, AHealthyClusterIsCleanInOneLook) {
  end(plant());
  const AuditReply reply = audit();
  EXPECT_EQ(verdict_of(reply), AuditVerdict::clean) << findings(reply).size();
  EXPECT_LT(reply.took, seconds(1));
  EXPECT_EQ(reply.answered_by, "m1");
  EXPECT_THAT(reply.checks, SizeIs(kAuditChecks.size()));
  EXPECT_EQ(check(reply, "shards_covered").looked_at, 256u);
  EXPECT_EQ(check(reply, "history_unique").looked_at, 1u);
  EXPECT_EQ(check(reply, "spools_draining").looked_at, 1u);
  EXPECT_EQ(check(reply, "masters_agree").looked_at, 1u);
  EXPECT_EQ(flushes_, 1) << "what is decided is on its way before a worker is asked";
}

TEST_F(Auditors, ARowThatNobodyWillReadIsFoundWhenItIsStillThereAtTheSecondLook) {
  const TaskId id = plant();
  const AuditReply reply = audit();
  EXPECT_THAT(findings(reply), ElementsAre("due_known " + to_string(id)));
  EXPECT_GE(reply.took, seconds(2));
  EXPECT_EQ(check(reply, "due_known").looked_at, 1u);
}

TEST_F(Auditors, WhatEndsBetweenTheLooksIsNoFinding) {
  const TaskId id = plant();
  loop_.after(seconds(1), [&] { end(id); });
  EXPECT_THAT(findings(audit()), IsEmpty());
}

TEST_F(Auditors, WhatMovesBetweenTheLooksIsNoFinding) {
  const TaskId id = plant();
  loop_.after(seconds(1), [&] {
    Retry retry{{id, 1, 1}, "w1", {}, 2, 1};
    retry.run_at = harness_.now.wall - minutes(1);
    retry.rank = rank_of(retry.run_at, kDefaultPriority, kDefaultAgeingStep);
    store_.retry({retry}, [](auto done) { EXPECT_TRUE(done); });
  });
  EXPECT_THAT(findings(audit()), IsEmpty());
}

TEST_F(Auditors, AFullAuditLooksAtEveryRow) {
  const TaskId id = plant();
  TaskRow late = harness_.row();
  late.run_at += minutes(60);
  late.rank += Duration(minutes(60)).count();
  late.attempt = 0;  // nobody would write that
  store_.accept({late}, [](Result<>) {});
  loop_.run_ready();
  EXPECT_THAT(findings(audit()), ElementsAre("due_known " + to_string(id)))
      << "that one is far from its time";
  EXPECT_THAT(findings(audit({.full = true})),
              ElementsAre("due_known " + to_string(id), "history_final " + to_string(late.id)));
}

TEST_F(Auditors, ALivingRowOfAMasterThatIsNowhereIsNamedUntilItAnswers) {
  MemoryTaskStore other(loop_, database_);
  other.open({"m2", Incarnation{8}, "r", "h", "v", "test"}, [](Result<std::string>) {});
  loop_.run_ready();
  EXPECT_THAT(findings(audit()), ElementsAre(HasSubstr("owners_live master m2"))) << "not shown, no answer";
  peers_ = {{"m2", Incarnation{8}, kPeer}};
  links_.answers[kPeer] = [](const ApiRequest&) { return ApiReply{AuditPartReply{.incarnation = {8}}}; };
  EXPECT_THAT(findings(audit()), IsEmpty());
  other.close();
}

TEST_F(Auditors, WithoutTheRegistryNobodyIsCalledDead) {
  MemoryTaskStore other(loop_, database_);
  other.open({"m2", Incarnation{8}, "r", "h", "v", "test"}, [](Result<std::string>) {});
  loop_.run_ready();
  registry_up_ = false;
  const AuditReply reply = audit();
  EXPECT_EQ(verdict_of(reply), AuditVerdict::incomplete);
  EXPECT_THAT(check(reply, "owners_live").not_made, HasSubstr("registry"));
  other.close();
}

TEST_F(Auditors, WhoDoesNotAnswerMakesItIncompleteAndIsNamed) {
  links_.answers.erase(worker_);
  peers_ = {{"m2", Incarnation{8}, 0}};
  const AuditReply reply = audit();
  EXPECT_EQ(verdict_of(reply), AuditVerdict::incomplete);
  EXPECT_THAT(reply.not_answered, ElementsAre(HasSubstr("master m2: it is out of reach"),
                                              HasSubstr("worker w1: the link is gone (asked by m1)")));
}

TEST_F(Auditors, WhoIsTooOldToBeAskedIsSaidAndIsNoViolation) {
  const auto unknown = [](const ApiRequest&) -> Result<ApiReply> {
    return fail(ErrorCode::invalid_argument, "unknown request type 77");
  };
  links_.answers[worker_] = unknown;
  add_peer(unknown);
  const AuditReply reply = audit();
  EXPECT_EQ(verdict_of(reply), AuditVerdict::clean);
  EXPECT_THAT(reply.too_old, ElementsAre("master m2", "worker w1"));
}

TEST_F(Auditors, WhatAnotherMasterSuspectsTwiceIsAFinding) {
  int round = 0;
  add_peer([&](const ApiRequest& request) {
    EXPECT_TRUE(std::get<AuditPartRequest>(request).held);
    AuditPartReply reply{.incarnation = {8}, .attempts = 5, .held = 6};
    reply.suspicions.push_back({"running_held", "task_1", "same", "text", "advice"});
    reply.suspicions.push_back({"held_known", "task_2", std::to_string(++round), "text", "advice"});
    return ApiReply{std::move(reply)};
  });
  const AuditReply reply = audit();
  EXPECT_THAT(findings(reply), ElementsAre("running_held task_1"));
  EXPECT_EQ(check(reply, "running_held").looked_at, 5u) << "the second look counts nothing again";
  EXPECT_EQ(check(reply, "held_known").looked_at, 6u);
}

TEST_F(Auditors, AMasterThatBelievesOtherwiseThanTheDatabaseIsFound) {
  add_peer(
      [](const ApiRequest&) { return ApiReply{AuditPartReply{.incarnation = {8}, .shards = {{9, 3}}}}; });
  EXPECT_THAT(findings(audit()), ElementsAre("masters_agree shard 9"));
}

TEST_F(Auditors, RowsOfAnotherMastersShardsAreJudgedByIt) {
  MemoryTaskStore other(loop_, database_);
  other.open({"m2", Incarnation{8}, "r", "h", "v", "test"}, [](Result<std::string>) {});
  const TaskId id = plant();
  store_.release_shards({id.shard()}, [](Result<>) {});
  other.take_shards({id.shard()}, [](auto) {});
  loop_.run_ready();
  harness_.core.on_shards_released({id.shard()});
  std::vector<TaskId> asked;
  add_peer([&](const ApiRequest& request) {
    for (const AuditRow& row : std::get<AuditPartRequest>(request).rows) asked.push_back(row.id);
    return ApiReply{AuditPartReply{.incarnation = {8}, .shards = {{id.shard(), 2}}}};
  });
  EXPECT_THAT(findings(audit()), IsEmpty());
  EXPECT_THAT(asked, ElementsAre(id));
  other.close();
}

TEST_F(Auditors, ADatabaseThatIsAwayMakesEveryCheckNotMade) {
  database_.settle({kSelf, 1, 1});  // its fence row is gone: reads are refused, too
  const AuditReply reply = audit();
  EXPECT_EQ(verdict_of(reply), AuditVerdict::incomplete);
  for (const AuditCheck& one : reply.checks) EXPECT_THAT(one.not_made, HasSubstr("database")) << one.name;
}

TEST_F(Auditors, WhoAsksWhileOneIsUnderWayGetsTheNextOne) {
  std::vector<WallTime> begun;
  int done = 0;
  const auto ask = [&] {
    auditor_.run({}, [&](AuditReply reply) {
      ++done;
      begun.push_back(reply.at);
    });
  };
  ask();
  harness_.now.wall += seconds(5);
  ask();
  ask();
  EXPECT_TRUE(loop_.run_until([&] { return done == 3; }, seconds(60)));
  ASSERT_THAT(begun, SizeIs(3));
  EXPECT_EQ(begun[1] - begun[0], seconds(5));
  EXPECT_EQ(begun[2], begun[1]) << "both get the same one";
}

}  // namespace
}  // namespace ringmaster

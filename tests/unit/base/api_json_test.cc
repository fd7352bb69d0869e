#include "base/api_json.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

namespace json = boost::json;

TEST(ApiJson, ShowsAWorker) {
  WorkerView worker;
  worker.id = "w1";
  worker.address = "127.0.0.1:7421";
  worker.incarnation = Incarnation{1};
  worker.groups = {"default", "gpu"};
  worker.slots = 4;
  worker.connected = true;
  worker.running = 3;
  EXPECT_EQ(json::serialize(to_json(worker)),
            R"({"id":"w1","address":"127.0.0.1:7421","version":"","incarnation":"inc_0000000000001",)"
            R"("groups":["default","gpu"],"slots":4,"registered":false,"connected":true,"draining":false,)"
            R"("credit_limit":0,"outstanding":0,"queued":0,"running":3,"spooled":0,)"
            R"("started_at":"1970-01-01T00:00:00.000000Z"})");
}

TEST(ApiJson, ShowsAMaster) {
  MasterView master;
  master.id = "m1";
  master.self = true;
  master.shards = 256;
  const json::object out = to_json(master);
  EXPECT_EQ(out.at("id"), "m1");
  EXPECT_EQ(out.at("self"), true);
  EXPECT_EQ(out.at("shards"), 256);
}

TEST(ApiJson, ShowsTheClusterWithItsLanes) {
  ClusterReply cluster;
  cluster.cluster = "c";
  cluster.accepted = ~std::uint64_t{0};
  cluster.lanes.push_back({"default", 7, 2, true, 1});
  const json::object out = to_json(cluster);
  EXPECT_EQ(out.at("cluster"), "c");
  EXPECT_EQ(out.at("accepted"), ~std::uint64_t{0});
  EXPECT_EQ(json::serialize(out.at("lanes")),
            R"([{"group":"default","waiting_in_memory":7,"dispatched":2,"more_in_store":true,"workers":1}])");
}

TEST(ApiJson, ShowsWhatACancelAnswers) {
  EXPECT_EQ(json::serialize(to_json(TaskId{0x1200}, ControlReply{TaskState::cancelling})),
            R"({"id":"task_00000000004g0","state":"CANCELLING"})");
}

TEST(ApiJson, ShowsReasonsInTheirOrder) {
  const ExplainReply reply{TaskState::ready, {{"no_credit", "w1 has no \"credit\""}, {"lane", "3 tasks"}}};
  EXPECT_EQ(json::serialize(to_json(TaskId{0x1200}, reply)),
            R"({"id":"task_00000000004g0","state":"READY","reasons":[)"
            R"({"code":"no_credit","text":"w1 has no \"credit\""},{"code":"lane","text":"3 tasks"}]})");
  EXPECT_EQ(json::serialize(to_json(TaskId{0x1200}, ExplainReply{})),
            R"({"id":"task_00000000004g0","state":"READY","reasons":[]})");
}

TEST(ApiJson, ShowsAnAuditWithItsVerdict) {
  AuditReply reply{.answered_by = "m1", .took = std::chrono::milliseconds(71), .rows_read = 300};
  reply.checks = {{.name = "due_known", .looked_at = 4, .findings = {{"task_7", "forgotten", "restart m1"}}}};
  reply.not_answered = {"worker w1"};
  EXPECT_EQ(
      json::serialize(to_json(reply)),
      R"({"verdict":"violations","complete":false,"answered_by":"m1","at":"1970-01-01T00:00:00.000000Z",)"
      R"("took":"71ms","full":false,"rows_read":300,"checks":[{"name":"due_known","looked_at":4,)"
      R"("findings":[{"subject":"task_7","text":"forgotten","advice":"restart m1"}],"more":0,)"
      R"("not_made":""}],"not_answered":["worker w1"],"too_old":[]})");
}

TEST(ApiJson, NamesAnErrorsFieldOnlyIfThereIsOne) {
  EXPECT_EQ(json::serialize(to_json(Error{ErrorCode::not_found, "no such task", ""})),
            R"({"code":"not_found","message":"no such task"})");
  EXPECT_EQ(json::serialize(to_json(Error{ErrorCode::invalid_argument, "bad", "priority"})),
            R"({"code":"invalid_argument","message":"bad","field":"priority"})");
}

}  // namespace
}  // namespace ringmaster

// What a real ZooKeeper can do to the registry, and what others can read there.
#include "registry/zookeeper_registry.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/member_json.h"
#include "tests/contract/registry/registry_world.h"
#include "tests/contract/registry/tcp_relay.h"
#include "tests/contract/registry/zookeeper_operator.h"
#include "tests/servers/zookeeper_server.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kSession{4};  // the most that the server grants
constexpr auto kConnected = SessionState::connected;
constexpr auto kDisconnected = SessionState::disconnected;
constexpr auto kExpired = SessionState::expired;

// A server of its own for each test, since these break it.
class ZooKeeperRegistryTest : public testing::Test {
 protected:
  std::unique_ptr<ZooKeeperRegistry> open_session(const std::string& hosts, Duration timeout = kSession) {
    return std::make_unique<ZooKeeperRegistry>(loop_, ZooKeeperOptions{hosts, "test", timeout});
  }
  template <class Predicate>
  bool wait_until(Predicate holds) {
    const auto end = std::chrono::steady_clock::now() + seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.context().run_one_for(milliseconds(10));
    }
    return true;
  }
  // Two sessions: one is a member, both watch.
  void join_and_watch() {
    member_.watch();
    member_.join("w-1", "data");
    watcher_.watch();
    ASSERT_TRUE(wait_until([&] { return watcher_.sees({"w-1"}) && member_.sees({"w-1"}); }));
    ASSERT_TRUE(wait_until([&] {
      return member_session_->session() == kConnected && watcher_session_->session() == kConnected;
    }));
    generation_ = watcher_.generation_of("w-1");
  }

  ZooKeeperServer server_;
  AsioLoop loop_;
  std::unique_ptr<ZooKeeperRegistry> member_session_ = open_session(server_.hosts());
  std::unique_ptr<ZooKeeperRegistry> watcher_session_ = open_session(server_.hosts());
  Observer member_{*member_session_}, watcher_{*watcher_session_};
  std::int64_t generation_ = 0;
};

TEST_F(ZooKeeperRegistryTest, KeepsSessionAndMembersOverAServerRestart) {
  join_and_watch();
  server_.stop();
  server_.start();
  // Where the server starts slowly, the session may have ended in between for all that is known here.
  const auto is_back = [](const Observer& node) {
    return node.states.size() >= 3 && node.states.back() == kConnected;
  };
  ASSERT_TRUE(wait_until([&] { return is_back(member_) && is_back(watcher_); }));
  EXPECT_EQ(member_.states[1], kDisconnected);
  EXPECT_EQ(member_.session_generation, 1);
  member_.join("w-2");
  ASSERT_TRUE(wait_until([&] { return watcher_.sees({"w-1", "w-2"}); })) << "the watch was not set again";
  EXPECT_EQ(watcher_.generation_of("w-1"), generation_);
}

TEST_F(ZooKeeperRegistryTest, KeepsMembersOverAnOutageLongerThanTheSession) {
  join_and_watch();
  server_.stop();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kExpired; }));
  ASSERT_TRUE(wait_until([&] { return watcher_session_->session() == kExpired; }));
  server_.start();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kConnected; }));
  EXPECT_EQ(member_.session_generation, 1) << "a restarted server keeps its sessions";
  member_.join("w-2");
  ASSERT_TRUE(wait_until([&] { return watcher_.sees({"w-1", "w-2"}); }));
  EXPECT_EQ(watcher_.generation_of("w-1"), generation_) << "an outage must not look like a death";
}

TEST_F(ZooKeeperRegistryTest, SurvivesAFreezeShorterThanTheSession) {
  join_and_watch();
  server_.freeze();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kDisconnected; }));
  server_.thaw();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kConnected; }));
  member_.join("w-2");
  ASSERT_TRUE(wait_until([&] { return watcher_.sees({"w-1", "w-2"}); }));
}

TEST_F(ZooKeeperRegistryTest, TimesItsSessionWhileTheServerIsFrozenAndRecovers) {
  join_and_watch();
  const int lists = member_.lists;
  const auto frozen = std::chrono::steady_clock::now();
  server_.freeze();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kExpired; })) << "nobody told it";
  const auto took = std::chrono::steady_clock::now() - frozen;
  EXPECT_GE(took, kSession / 2);
  EXPECT_LE(took, 2 * kSession);
  EXPECT_EQ(member_.lists, lists) << "the view is frozen";
  server_.thaw();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kConnected; }));
  member_.join("w-2");
  EXPECT_TRUE(wait_until([&] { return watcher_.sees({"w-1", "w-2"}) && member_.sees({"w-1", "w-2"}); }));
}

TEST_F(ZooKeeperRegistryTest, FindsItsNodeWhenTheReplyToCreateWasLost) {
  TcpRelay relay(server_.port());
  watcher_.watch();
  for (int round = 0; round < 20; ++round) {
    const std::string id = "r-" + std::to_string(round);
    auto session = open_session(relay.hosts());
    Observer member(*session);
    ASSERT_TRUE(wait_until([&] { return session->session() == kConnected; }));
    member.join(id);
    // Somewhere between request and reply.
    loop_.context().run_one_for(milliseconds(round % 5));
    relay.cut();
    relay.heal();
    ASSERT_TRUE(wait_until([&] { return member.joined.size() == 1 && watcher_.find(id).has_value(); }));
    EXPECT_TRUE(member.joined[0]);
    EXPECT_EQ(member.session_generation, 1);
    session.reset();
  }
}

// A daemon that cannot start, because its port is taken perhaps, has no session that would outlive it.
TEST_F(ZooKeeperRegistryTest, TheFirstCallOpensTheSession) {
  auto session = open_session(server_.hosts());
  auto other = open_session(server_.hosts());
  Observer observer(*other);
  ASSERT_TRUE(wait_until([&] { return other->session() == kConnected; }));
  loop_.context().run_one_for(milliseconds(200));
  EXPECT_EQ(session->session(), SessionState::connecting);
  session->on_session([](SessionState, std::int64_t) {});
  EXPECT_TRUE(wait_until([&] { return session->session() == kConnected; }));
}

TEST_F(ZooKeeperRegistryTest, ConnectsOnceTheServerIsThere) {
  server_.stop();
  auto session = open_session(server_.hosts());
  Observer late(*session);
  late.watch();
  late.join("w-1");
  loop_.context().run_one_for(milliseconds(200));
  EXPECT_EQ(session->session(), SessionState::connecting);
  EXPECT_EQ(late.lists, 0);
  server_.start();
  EXPECT_TRUE(wait_until([&] { return late.sees({"w-1"}) && late.joined.size() == 1; }));
}

TEST_F(ZooKeeperRegistryTest, ClosesPromptlyWhileTheServerIsGone) {
  join_and_watch();
  server_.stop();
  ASSERT_TRUE(wait_until([&] { return member_session_->session() == kDisconnected; }));
  const auto start = std::chrono::steady_clock::now();
  member_session_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(5));
}

TEST_F(ZooKeeperRegistryTest, SurvivesARandomSequenceOfFaults) {
  TcpRelay relay(server_.port());
  auto session = open_session(relay.hosts(), milliseconds(400));
  Observer member(*session);
  member.watch();
  member.join("f-1");
  watcher_.watch();
  ASSERT_TRUE(wait_until([&] { return watcher_.sees({"f-1"}) && member.sees({"f-1"}); }));
  std::uint64_t dice = 20261121;
  for (int fault = 0; fault < 12; ++fault) {
    dice = dice * 6364136223846793005U + 1442695040888963407U;
    relay.cut();
    const auto end = std::chrono::steady_clock::now() + milliseconds(dice >> 54);  // up to 1,023 ms
    wait_until([&] { return std::chrono::steady_clock::now() > end; });
    relay.heal();
    if (fault % 3 == 0) continue;  // the next fault meets the recovery
    ASSERT_TRUE(wait_until([&] { return session->session() == kConnected; })) << "fault " << fault;
    ASSERT_TRUE(wait_until([&] { return watcher_.sees({"f-1"}); })) << "fault " << fault;
  }
  ASSERT_TRUE(wait_until([&] {
    return watcher_.sees({"f-1"}) && member.sees({"f-1"}) &&
           watcher_.generation_of("f-1") == member.generation_of("f-1");
  }));
  EXPECT_GT(member.session_generation, 1) << "no fault was long enough";
  EXPECT_EQ(member.joined.size(), 1U);
}

TEST_F(ZooKeeperRegistryTest, WritesWhatTheContractSays) {
  const MasterMember master{"m-1",           "127.0.0.1:7000", "127.0.0.1:8000",
                            Incarnation{42}, "0.1.0",          from_unix_micros(1'795'253'400'000'001)};
  const WorkerMember worker{"w-1",
                            "127.0.0.1:7100",
                            Incarnation{43},
                            {"default", "gpu"},
                            8,
                            2,
                            {{"rack", "r1"}},
                            "0.1.0",
                            from_unix_micros(1'795'253'400'000'002)};
  member_.join("m-1", to_json(master), Membership::masters);
  member_.join("w-1", to_json(worker));
  ASSERT_TRUE(wait_until([&] { return member_.joined.size() == 2; }));
  ZooKeeperOperator tool(server_.hosts());
  const auto node = tool.get("/ringmaster/test/workers/w-1");
  EXPECT_NE(node.ephemeral_owner, 0);
  EXPECT_EQ(parse_worker_member(node.data).value(), worker);

  // Another client library, as an operator's tool would use it.
  const std::string command = "/usr/bin/python3 " SOURCE_ROOT "/tests/contract/registry/read_members.py " +
                              server_.hosts() + " test 2>&1";
  FILE* const pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  EXPECT_EQ(::pclose(pipe), 0) << output;
  EXPECT_EQ(output,
            "masters/m-1 http_address=127.0.0.1:8000 id=m-1 incarnation=" + to_string(master.incarnation) +
                " rpc_address=127.0.0.1:7000 schema=1 started_at=" + format_time(master.started_at) +
                " version=0.1.0\n"
                "workers/w-1 address=127.0.0.1:7100 groups=['default', 'gpu'] id=w-1 incarnation=" +
                to_string(worker.incarnation) + " labels={'rack': 'r1'} schema=1 slots=8 started_at=" +
                format_time(worker.started_at) + " version=0.1.0 weight=2\n");
}

TEST(ZooKeeperOptionsTest, RefusesWhatCannotWork) {
  EXPECT_TRUE(validate(ZooKeeperOptions{"h:2181", "main", seconds(10)}));
  EXPECT_EQ(validate(ZooKeeperOptions{"", "main", seconds(10)}).error().field, "hosts");
  EXPECT_EQ(validate(ZooKeeperOptions{"h:2181", "a/b", seconds(10)}).error().field, "cluster");
  EXPECT_EQ(validate(ZooKeeperOptions{"h:2181", "main", seconds(0)}).error().field, "session_timeout");
}

}  // namespace
}  // namespace ringmaster

#include "registry/memory_registry.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/manual_loop.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Membership kWorkers = Membership::workers;

class MemoryRegistryTest : public testing::Test {
 protected:
  void watch(MemoryRegistry& registry) {
    registry.watch(kWorkers, [this](const std::vector<Member>& members) {
      std::string ids;
      for (const auto& member : members) ids += member.id + " ";
      lists_.push_back(ids);
    });
  }
  void join(MemoryRegistry& registry, const std::string& id) {
    registry.join(kWorkers, id, "{}", [this](const Result<>& result) { joined_ += result ? 1 : 0; });
  }

  ManualLoop loop_;
  MemoryRegistryHub hub_;
  std::vector<std::string> lists_;
  int joined_ = 0;
};

TEST_F(MemoryRegistryTest, DoesNothingBeforeTheLoopRuns) {
  MemoryRegistry registry(loop_, hub_);
  watch(registry);
  join(registry, "w-1");
  EXPECT_THAT(hub_.members(kWorkers), IsEmpty());
  EXPECT_THAT(lists_, IsEmpty());
  loop_.run_ready();
  EXPECT_THAT(lists_, ElementsAre("", "w-1 "));
  EXPECT_EQ(joined_, 1);
}

TEST_F(MemoryRegistryTest, DelaysEachMessageEitherWay) {
  hub_.set_delay([](MemoryRegistryHub::ClientId) { return milliseconds(10); });
  MemoryRegistry registry(loop_, hub_);
  loop_.advance(milliseconds(9));
  EXPECT_EQ(registry.session(), SessionState::connecting);
  loop_.advance(milliseconds(1));
  EXPECT_EQ(registry.session(), SessionState::connected);
  join(registry, "w-1");
  loop_.advance(milliseconds(10));
  EXPECT_EQ(hub_.members(kWorkers).size(), 1U);
  EXPECT_EQ(joined_, 0);
  loop_.advance(milliseconds(10));
  EXPECT_EQ(joined_, 1);
}

TEST_F(MemoryRegistryTest, KeepsTheOrderOfMessagesWhateverTheirDelays) {
  std::vector<int> delays = {0, 30, 20, 0, 0, 0, 0, 0, 0, 0};
  hub_.set_delay([&, next = std::size_t{0}](MemoryRegistryHub::ClientId) mutable {
    return milliseconds(delays[next++ % delays.size()]);
  });
  MemoryRegistry registry(loop_, hub_);
  loop_.run_ready();
  join(registry, "first");
  join(registry, "second");
  loop_.advance(milliseconds(29));
  EXPECT_THAT(hub_.members(kWorkers), IsEmpty());
  loop_.advance(milliseconds(1));
  const auto members = hub_.members(kWorkers);
  ASSERT_EQ(members.size(), 2U);
  EXPECT_LT(members[0].generation, members[1].generation);
}

TEST_F(MemoryRegistryTest, FindsItsMemberWhenTheReplyWasLost) {
  MemoryRegistry registry(loop_, hub_);
  loop_.run_ready();
  hub_.set_delay([](MemoryRegistryHub::ClientId) { return milliseconds(10); });
  join(registry, "w-1");
  loop_.advance(milliseconds(10));
  const auto made = hub_.members(kWorkers);
  ASSERT_EQ(made.size(), 1U);
  hub_.disconnect(registry.client_id());
  loop_.advance(milliseconds(100));
  EXPECT_EQ(joined_, 0);
  hub_.reconnect(registry.client_id());
  loop_.advance(milliseconds(100));
  EXPECT_EQ(joined_, 1);
  EXPECT_EQ(hub_.members(kWorkers), made);
}

TEST_F(MemoryRegistryTest, LosesWhatWasUnderWayWhenTheLinkBroke) {
  hub_.set_delay([](MemoryRegistryHub::ClientId) { return milliseconds(10); });
  MemoryRegistry registry(loop_, hub_);
  loop_.advance(milliseconds(100));
  join(registry, "w-1");
  hub_.disconnect(registry.client_id());
  loop_.advance(milliseconds(100));
  EXPECT_THAT(hub_.members(kWorkers), IsEmpty());
  EXPECT_EQ(registry.session(), SessionState::disconnected);
  hub_.reconnect(registry.client_id());
  loop_.advance(milliseconds(100));
  EXPECT_EQ(hub_.members(kWorkers).size(), 1U);
}

TEST_F(MemoryRegistryTest, KeepsTheMembersOfACrashedNodeUntilTheHubExpiresThem) {
  auto crashed = std::make_unique<MemoryRegistry>(loop_, hub_);
  const auto client = crashed->client_id();
  join(*crashed, "w-1");
  loop_.run_ready();
  hub_.disconnect(client);
  crashed.reset();
  loop_.run_ready();
  EXPECT_EQ(hub_.members(kWorkers).size(), 1U);
  hub_.expire(client);
  EXPECT_THAT(hub_.members(kWorkers), IsEmpty());
}

TEST_F(MemoryRegistryTest, TellsAConnectedClientOfItsExpiryAtOnce) {
  MemoryRegistry registry(loop_, hub_);
  std::vector<SessionState> states;
  registry.on_session([&](SessionState state, std::int64_t) { states.push_back(state); });
  join(registry, "w-1");
  loop_.run_ready();
  const auto before = hub_.members(kWorkers);
  hub_.expire(registry.client_id());
  EXPECT_THAT(hub_.members(kWorkers), IsEmpty());
  loop_.run_ready();
  EXPECT_THAT(states, ElementsAre(SessionState::connected, SessionState::expired, SessionState::connected));
  ASSERT_EQ(hub_.members(kWorkers).size(), 1U);
  EXPECT_GT(hub_.members(kWorkers)[0].generation, before[0].generation);
}

TEST_F(MemoryRegistryTest, FreezesEveryViewInAnOutage) {
  MemoryRegistry a(loop_, hub_), b(loop_, hub_);
  watch(a);
  join(b, "w-1");
  loop_.run_ready();
  lists_.clear();
  hub_.disconnect_all();
  join(b, "w-2");
  loop_.run_ready();
  EXPECT_THAT(lists_, IsEmpty());
  hub_.reconnect_all();
  loop_.run_ready();
  EXPECT_THAT(lists_, ElementsAre("w-1 w-2 "));
}

TEST_F(MemoryRegistryTest, CallsNobodyAfterItsEnd) {
  auto registry = std::make_unique<MemoryRegistry>(loop_, hub_);
  watch(*registry);
  join(*registry, "w-1");
  join(*registry, "bad/id");
  registry.reset();
  loop_.run_ready();
  EXPECT_THAT(lists_, IsEmpty());
  EXPECT_EQ(joined_, 0);
}

TEST_F(MemoryRegistryTest, LetsAWatcherReplaceItself) {
  MemoryRegistry registry(loop_, hub_);
  registry.watch(kWorkers, [&](const std::vector<Member>&) { watch(registry); });
  join(registry, "w-1");
  loop_.run_ready();
  EXPECT_THAT(lists_, ElementsAre("", "w-1 "));
}

}  // namespace
}  // namespace ringmaster

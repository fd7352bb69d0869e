// What every Registry does, whoever keeps it.
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contract/registry/registry_world.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Implementation {
  const char* name;
  std::unique_ptr<RegistryWorld> (*make)();
  friend void PrintTo(const Implementation& i, std::ostream* out) { *out << i.name; }
};

class RegistryContract : public testing::TestWithParam<Implementation> {
 protected:
  Registry& open_session() {
    sessions_.push_back(world_->open_session());
    return *sessions_.back();
  }
  template <class Predicate>
  bool wait_until(Predicate holds) {
    return world_->wait_until(holds);
  }

  std::unique_ptr<RegistryWorld> world_ = GetParam().make();
  std::vector<std::unique_ptr<Registry>> sessions_;
};

TEST_P(RegistryContract, ShowsMembersSortedToEverybody) {
  Observer a(open_session()), b(open_session());
  a.watch();
  b.watch();
  b.join("w-2", R"({"n":2})");
  a.join("w-10", R"({"n":10})");
  a.join("w-1");
  ASSERT_TRUE(wait_until([&] { return a.sees({"w-1", "w-10", "w-2"}) && b.sees({"w-1", "w-10", "w-2"}); }));
  EXPECT_EQ(a.current, b.current);
  EXPECT_EQ(a.find("w-2")->data, R"({"n":2})");
  EXPECT_EQ(a.find("w-10")->data, R"({"n":10})");
  ASSERT_TRUE(wait_until([&] { return a.joined.size() == 2 && b.joined.size() == 1; }));
  EXPECT_TRUE(a.joined[0] && a.joined[1] && b.joined[0]);
}

TEST_P(RegistryContract, ShowsTheListAtOnceEvenIfItIsEmpty) {
  Observer a(open_session());
  EXPECT_EQ(a.registry_.session(), SessionState::connecting);
  a.watch();
  EXPECT_EQ(a.lists, 0) << "a callback ran inside the call";
  ASSERT_TRUE(wait_until([&] { return a.registry_.session() == SessionState::connected; }));
  EXPECT_EQ(a.lists, 1) << "connected says that the view is current";
  EXPECT_TRUE(a.current.empty());
  EXPECT_THAT(a.states, ElementsAre(SessionState::connected));
  EXPECT_EQ(a.session_generation, 1);
}

TEST_P(RegistryContract, ShowsTheListToALateWatcherAndToAReplacedOne) {
  Observer a(open_session());
  a.join("w-1");
  ASSERT_TRUE(wait_until([&] { return a.joined.size() == 1; }));
  a.watch();
  ASSERT_TRUE(wait_until([&] { return a.sees({"w-1"}); }));
  std::vector<Member> replaced;
  a.registry_.watch(Membership::workers, [&](const std::vector<Member>& members) { replaced = members; });
  ASSERT_TRUE(wait_until([&] { return replaced.size() == 1; }));
  const int lists = a.lists;
  a.join("w-2");
  ASSERT_TRUE(wait_until([&] { return replaced.size() == 2; }));
  EXPECT_EQ(a.lists, lists) << "the replaced watcher was still called";
}

TEST_P(RegistryContract, KeepsMastersAndWorkersApart) {
  Observer a(open_session()), b(open_session());
  a.watch(Membership::masters);
  b.watch(Membership::workers);
  a.join("same", "master", Membership::masters);
  a.join("same", "worker", Membership::workers);
  ASSERT_TRUE(wait_until([&] { return a.sees({"same"}) && b.sees({"same"}); }));
  EXPECT_EQ(a.find("same")->data, "master");
  EXPECT_EQ(b.find("same")->data, "worker");
}

TEST_P(RegistryContract, TakesOutAMemberThatLeavesOrWhoseSessionCloses) {
  Observer a(open_session()), b(open_session());
  a.watch();
  b.join("w-1");
  b.join("w-2");
  ASSERT_TRUE(wait_until([&] { return a.sees({"w-1", "w-2"}); }));
  b.leave("w-1");
  ASSERT_TRUE(wait_until([&] { return a.sees({"w-2"}) && b.left.size() == 1; }));
  EXPECT_TRUE(b.left[0]);
  b.join("w-1");
  ASSERT_TRUE(wait_until([&] { return a.sees({"w-1", "w-2"}); }));
  sessions_[1].reset();
  EXPECT_TRUE(wait_until([&] { return a.sees({}); }));
}

TEST_P(RegistryContract, MakesASecondSessionWaitForTheFirst) {
  Observer watcher(open_session()), first(open_session()), second(open_session());
  watcher.watch();
  first.join("w-1", "first");
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1"}); }));
  const auto generation = watcher.generation_of("w-1");
  second.join("w-1", "second");
  second.join("w-2");  // asked for later and done: the first join is not merely slow
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1", "w-2"}) && second.joined.size() == 1; }));
  EXPECT_EQ(watcher.find("w-1")->data, "first");
  EXPECT_EQ(watcher.generation_of("w-1"), generation);
  sessions_[1].reset();
  ASSERT_TRUE(wait_until([&] { return second.joined.size() == 2; }));
  ASSERT_TRUE(wait_until([&] { return watcher.generation_of("w-1") > generation; }));
  EXPECT_EQ(watcher.find("w-1")->data, "second");
}

TEST_P(RegistryContract, MakesARestartedNodeWaitForTheSessionOfItsCrashedPredecessor) {
  Observer watcher(open_session()), crashed(open_session());
  watcher.watch();
  crashed.join("w-1", "before");
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1"}); }));
  world_->cut(1);
  sessions_[1].reset();
  Observer restarted(open_session());
  restarted.join("w-1", "after");
  restarted.join("w-2");
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1", "w-2"}) && restarted.joined.size() == 1; }));
  EXPECT_EQ(watcher.find("w-1")->data, "before");
  world_->expire_cut(1);
  ASSERT_TRUE(wait_until([&] { return restarted.joined.size() == 2; }));
  EXPECT_TRUE(wait_until([&] { return watcher.find("w-1") && watcher.find("w-1")->data == "after"; }));
}

TEST_P(RegistryContract, JoinsAgainByItselfAfterAnExpiry) {
  Observer watcher(open_session()), member(open_session());
  watcher.watch();
  member.watch();
  member.join("w-1", "data");
  ASSERT_TRUE(
      wait_until([&] { return watcher.sees({"w-1"}) && member.sees({"w-1"}) && !member.joined.empty(); }));
  const auto generation = watcher.generation_of("w-1");
  world_->cut(1);
  world_->expire_cut(1);
  ASSERT_TRUE(wait_until([&] { return watcher.sees({}); })) << "the expired member stayed";
  EXPECT_TRUE(member.sees({"w-1"})) << "the view moved without a connection";
  world_->heal(1);
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1"}); })) << "it did not join again";
  EXPECT_GT(watcher.generation_of("w-1"), generation);
  EXPECT_EQ(watcher.find("w-1")->data, "data");
  ASSERT_TRUE(wait_until([&] { return member.generation_of("w-1") == watcher.generation_of("w-1"); }));
  EXPECT_THAT(member.states, ElementsAre(SessionState::connected, SessionState::disconnected,
                                         SessionState::expired, SessionState::connected));
  EXPECT_EQ(member.session_generation, 2);
  EXPECT_EQ(member.joined.size(), 1U) << "joined is answered once";
}

TEST_P(RegistryContract, MakesADeletedMemberAgain) {
  Observer watcher(open_session()), member(open_session());
  watcher.watch();
  member.join("w-1", "data");
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1"}) && member.joined.size() == 1; }));
  const auto generation = watcher.generation_of("w-1");
  world_->remove(Membership::workers, "w-1");
  ASSERT_TRUE(wait_until([&] { return watcher.generation_of("w-1") > generation; }));
  EXPECT_EQ(watcher.find("w-1")->data, "data");
}

TEST_P(RegistryContract, ShowsADeletedAndRecreatedMemberAsAnotherGeneration) {
  Observer watcher(open_session()), member(open_session());
  watcher.watch();
  member.join("w-0");
  member.join("w-1", "old");
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-0", "w-1"}) && member.joined.size() == 2; }));
  const auto before = watcher.current;
  world_->replace(Membership::workers, "w-1", "new");
  ASSERT_TRUE(wait_until([&] { return watcher.find("w-1") && watcher.find("w-1")->data == "new"; }));
  EXPECT_GT(watcher.generation_of("w-1"), before[1].generation);
  EXPECT_EQ(watcher.find("w-0"), before[0]) << "its neighbour was not touched";
}

TEST_P(RegistryContract, SeesAReplacementThatHappenedWhileItWasCutOff) {
  Observer watcher(open_session()), member(open_session());
  watcher.watch();
  member.join("w-1", "old");
  ASSERT_TRUE(wait_until([&] { return watcher.sees({"w-1"}) && member.joined.size() == 1; }));
  const auto generation = watcher.generation_of("w-1");
  world_->cut(0);
  world_->replace(Membership::workers, "w-1", "new");
  EXPECT_EQ(watcher.generation_of("w-1"), generation);
  world_->heal(0);
  ASSERT_TRUE(wait_until([&] { return watcher.generation_of("w-1") != generation; }));
  EXPECT_EQ(watcher.find("w-1")->data, "new");
}

TEST_P(RegistryContract, TreatsADisconnectAsNoDeath) {
  Observer cut_off(open_session()), other(open_session());
  cut_off.watch();
  other.watch();
  cut_off.join("w-1");
  ASSERT_TRUE(wait_until([&] { return cut_off.sees({"w-1"}) && other.sees({"w-1"}); }));
  const auto generation = other.generation_of("w-1");
  world_->cut(0);
  ASSERT_TRUE(wait_until([&] { return cut_off.registry_.session() == SessionState::disconnected; }));
  other.join("w-2");
  ASSERT_TRUE(wait_until([&] { return other.sees({"w-1", "w-2"}); })) << "w-1 must stay";
  EXPECT_TRUE(cut_off.sees({"w-1"})) << "the view is frozen";
  world_->heal(0);
  ASSERT_TRUE(wait_until([&] { return cut_off.sees({"w-1", "w-2"}); }));
  ASSERT_TRUE(wait_until([&] { return cut_off.registry_.session() == SessionState::connected; }));
  EXPECT_EQ(cut_off.session_generation, 1);
  EXPECT_EQ(other.generation_of("w-1"), generation);
}

TEST_P(RegistryContract, CatchesUpOnWhatWasAskedWhileCutOff) {
  Observer cut_off(open_session()), other(open_session());
  other.watch();
  cut_off.join("w-1");
  ASSERT_TRUE(wait_until([&] { return other.sees({"w-1"}) && cut_off.joined.size() == 1; }));
  world_->cut(0);
  ASSERT_TRUE(wait_until([&] { return cut_off.registry_.session() == SessionState::disconnected; }));
  cut_off.leave("w-1");
  cut_off.join("w-2");
  EXPECT_TRUE(cut_off.left.empty());
  world_->heal(0);
  ASSERT_TRUE(wait_until([&] { return other.sees({"w-2"}); }));
  EXPECT_TRUE(wait_until([&] { return cut_off.left.size() == 1 && cut_off.joined.size() == 2; }));
}

TEST_P(RegistryContract, CarriesAThousandMembers) {
  Observer watcher(open_session()), member(open_session());
  watcher.watch();
  ASSERT_TRUE(wait_until([&] { return watcher.lists == 1; }));
  const std::string data(300, 'x');
  for (int i = 0; i < 1000; ++i) member.join("w-" + std::to_string(i), data);
  ASSERT_TRUE(wait_until([&] { return member.joined.size() == 1000 && watcher.current.size() == 1000; }));
  EXPECT_TRUE(std::ranges::is_sorted(watcher.current, {}, &Member::id));
  EXPECT_TRUE(std::ranges::all_of(watcher.current, [&](const Member& m) { return m.data == data; }));
  Observer late(open_session());
  const auto start = std::chrono::steady_clock::now();
  late.watch();
  ASSERT_TRUE(wait_until([&] { return late.current.size() == 1000; }));
  const auto first_list = std::chrono::steady_clock::now() - start;
  RecordProperty("first_list_us", std::to_string(std::chrono::round<Duration>(first_list).count()));
  EXPECT_EQ(late.lists, 1) << "the list comes whole";
  sessions_[1].reset();
  EXPECT_TRUE(wait_until([&] { return watcher.sees({}) && late.sees({}); }));
}

TEST_P(RegistryContract, RefusesABadIdOrTooMuchData) {
  Observer a(open_session());
  const std::vector<std::string> bad = {"", ".", "..", "-a", "a/b", "a b", "w\n", "ä", std::string(129, 'a')};
  for (const auto& id : bad) a.join(id);
  EXPECT_TRUE(a.joined.empty()) << "a callback ran inside the call";
  a.join("good", std::string(64 * 1024 + 1, 'x'));
  a.join(std::string(128, 'a'));
  ASSERT_TRUE(wait_until([&] { return a.joined.size() == bad.size() + 2; }));
  for (std::size_t i = 0; i < bad.size(); ++i) {
    ASSERT_FALSE(a.joined[i]) << bad[i];
    EXPECT_EQ(a.joined[i].error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(a.joined[i].error().field, "id");
    EXPECT_THAT(a.joined[i].error().message, HasSubstr("1 to 128 letters, digits"));
  }
  EXPECT_EQ(a.joined[bad.size()].error().field, "data");
  EXPECT_TRUE(a.joined.back()) << "the longest id is good";
}

TEST_P(RegistryContract, RefusesASecondJoinAndALeaveOfNothing) {
  Observer a(open_session());
  a.leave("w-1");
  a.join("w-1");
  a.join("w-1");
  ASSERT_TRUE(wait_until([&] { return a.joined.size() == 2 && a.left.size() == 1; }));
  EXPECT_EQ(a.left[0].error().code, ErrorCode::not_found);
  EXPECT_TRUE(std::ranges::any_of(a.joined, [](const auto& r) { return r.has_value(); }));
  EXPECT_TRUE(std::ranges::any_of(
      a.joined, [](const auto& r) { return !r && r.error().code == ErrorCode::already_exists; }));
}

TEST_P(RegistryContract, CancelsAJoinThatLeavesWhileItWaits) {
  Observer holder(open_session()), waiting(open_session());
  holder.watch();
  holder.join("w-1", "holder");
  ASSERT_TRUE(wait_until([&] { return holder.sees({"w-1"}); }));
  waiting.join("w-1", "waiting");
  waiting.leave("w-1");
  ASSERT_TRUE(wait_until([&] { return waiting.joined.size() == 1 && waiting.left.size() == 1; }));
  EXPECT_EQ(waiting.joined[0].error().code, ErrorCode::cancelled);
  EXPECT_TRUE(waiting.left[0]);
  waiting.join("w-2");
  ASSERT_TRUE(wait_until([&] { return holder.sees({"w-1", "w-2"}); }));
  EXPECT_EQ(holder.find("w-1")->data, "holder") << "leave() never deletes another session's member";
}

INSTANTIATE_TEST_SUITE_P(All, RegistryContract,
                         testing::Values(Implementation{"Memory", make_memory_world},
                                         Implementation{"ZooKeeper", make_zookeeper_world}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ringmaster

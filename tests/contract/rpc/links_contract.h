// The contract of Links as a test suite: what rpc/links.h promises, for every implementation. Instantiate it
// with a factory of worlds, in the one file of a program that includes this:
//
//   INSTANTIATE_TEST_SUITE_P(Tcp, LinksContract, testing::Values(+[] { return make_tcp_world(); }));
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contract/rpc/links_world.h"

namespace ringmaster {

class LinksContract : public testing::TestWithParam<LinksWorldFactory> {
 protected:
  using Kind = RecordingNode::Kind;
  static constexpr Duration kSoon = std::chrono::seconds(10);

  std::unique_ptr<RecordingNode> make(Role role, const std::string& id, std::int64_t incarnation = 1) {
    return make({.role = role, .node_id = id, .incarnation = Incarnation{incarnation}});
  }
  std::unique_ptr<RecordingNode> make(const LinksNodeOptions& options) {
    return std::make_unique<RecordingNode>(*world, options);
  }
  bool until(const std::function<bool()>& done, Duration limit = kSoon) {
    return world->run_until(done, limit);
  }
  // Lets things happen that should not: enough time for a few round trips.
  void settle() {
    until([] { return false; }, std::chrono::milliseconds(100));
  }

  // A master `m` that has dialled a worker `w`.
  void connect() {
    worker_address = worker->listen();
    master->dial(Role::worker, "w", worker_address);
    ASSERT_TRUE(until([&] { return master->link() != 0 && worker->link() != 0; }));
  }
  // The only link of `client` to `server` refused; says how.
  std::string reason_of_rejection(const LinksNodeOptions& server_options,
                                  const LinksNodeOptions& client_options, const std::string& id = "server") {
    auto server = make(server_options);
    auto client = make(client_options);
    client->dial(server_options.role, id, server->listen());
    EXPECT_TRUE(until([&] { return client->count(Kind::dial_failed) > 0; }));
    EXPECT_EQ(client->count(Kind::up), 0u);
    EXPECT_EQ(server->count(Kind::up), 0u);
    const auto* failure = client->last(Kind::dial_failed);
    if (failure == nullptr) return "";
    EXPECT_EQ(failure->error, DialError::rejected);
    return failure->reason;
  }

  std::unique_ptr<LinksWorld> world = GetParam()();
  std::unique_ptr<RecordingNode> master = make(Role::master, "m", 11), worker = make(Role::worker, "w", 22);
  std::string worker_address;
};

// ---- up and down ----------------------------------------------------------------------------------------

TEST_P(LinksContract, BothEndsLearnWhoTheOtherIs) {
  connect();
  const auto& at_master = master->last(Kind::up)->peer;
  EXPECT_EQ(at_master.role, Role::worker);
  EXPECT_EQ(at_master.node_id, "w");
  EXPECT_EQ(at_master.incarnation, Incarnation{22});
  EXPECT_TRUE(at_master.dialled_by_us);
  const auto& at_worker = worker->last(Kind::up)->peer;
  EXPECT_EQ(at_worker.role, Role::master);
  EXPECT_EQ(at_worker.node_id, "m");
  EXPECT_EQ(at_worker.incarnation, Incarnation{11});
  EXPECT_FALSE(at_worker.dialled_by_us);
}

TEST_P(LinksContract, AMessageSentWhileTheLinkComesUpArrivesAfterIt) {
  worker->on_up_do = [&](LinkId link) { worker->send_number(link, 7); };
  connect();
  ASSERT_TRUE(until([&] { return master->count(Kind::message) == 1; }));
  EXPECT_EQ(master->events.front().kind, Kind::up);
}

TEST_P(LinksContract, ACloseEndsTheLinkOnceAtBothEnds) {
  connect();
  const LinkId link = master->link();
  master->undial(Role::worker, "w");
  master->close(link, "enough");
  EXPECT_FALSE(master->send_number(link, 1)) << "a closed link takes nothing";
  ASSERT_TRUE(until([&] { return master->links_up() == 0 && worker->links_up() == 0; }));
  settle();
  EXPECT_EQ(master->count(Kind::down), 1u);
  EXPECT_EQ(worker->count(Kind::down), 1u);
  EXPECT_EQ(worker->count(Kind::message), 0u);
  EXPECT_EQ(master->last(Kind::down)->reason, "enough");
  EXPECT_EQ(master->count(Kind::up), 1u) << "an undialled peer is not dialled again";
}

TEST_P(LinksContract, ADialledPeerIsDialledAgainWhenItsLinkWentDown) {
  connect();
  worker->close(worker->link(), "go away");
  ASSERT_TRUE(until([&] { return master->count(Kind::up) == 2 && worker->links_up() == 1; }));
  EXPECT_EQ(master->count(Kind::down), 1u);
}

TEST_P(LinksContract, TheEndOfANodeEndsItsLinks) {
  connect();
  worker.reset();
  ASSERT_TRUE(until([&] { return master->count(Kind::down) == 1; }));
}

TEST_P(LinksContract, AFrozenPeerIsDeadAfterItsTime) {
  connect();
  worker->node().freeze(true);
  master->undial(Role::worker, "w");
  ASSERT_TRUE(until([&] { return master->count(Kind::down) == 1; }, world->dead_after() * 3));
}

TEST_P(LinksContract, AQuietLinkStaysUp) {
  connect();
  EXPECT_FALSE(
      until([&] { return master->links_up() == 0 || worker->links_up() == 0; }, world->dead_after() * 3));
}

TEST_P(LinksContract, CallsOnALinkThatNeverWasAreHarmless) {
  EXPECT_FALSE(master->send_number(4711, 1));
  master->close(4711, "what for");
  master->undial(Role::worker, "nobody");
  settle();
  EXPECT_TRUE(master->events.empty());
}

// ---- dialling -------------------------------------------------------------------------------------------

TEST_P(LinksContract, EachRefusedTryIsReportedUntilUndial) {
  master->dial(Role::worker, "w", world->dead_address());
  ASSERT_TRUE(until([&] { return master->count(Kind::dial_failed) >= 3; }));
  EXPECT_EQ(master->last(Kind::dial_failed)->error, DialError::refused);
  EXPECT_EQ(master->last(Kind::dial_failed)->peer.node_id, "w");
  master->undial(Role::worker, "w");
  const auto before = master->count(Kind::dial_failed);
  EXPECT_FALSE(until([&] { return master->count(Kind::dial_failed) > before; }, std::chrono::seconds(1)));
}

TEST_P(LinksContract, ANewAddressIsDialledThere) {
  master->dial(Role::worker, "w", world->dead_address());
  ASSERT_TRUE(until([&] { return master->count(Kind::dial_failed) >= 1; }));
  master->dial(Role::worker, "w", worker->listen());
  ASSERT_TRUE(until([&] { return master->links_up() == 1; }));
}

TEST_P(LinksContract, WithoutANameWhoeverAnswersIsTakenAndDialledAgain) {
  master->dial(Role::worker, "", worker->listen());
  ASSERT_TRUE(until([&] { return master->links_up() == 1 && worker->links_up() == 1; }));
  EXPECT_EQ(master->last(Kind::up)->peer.node_id, "w");
  worker->close(worker->link(), "go away");
  ASSERT_TRUE(until([&] { return master->count(Kind::up) == 2 && worker->links_up() == 1; }));
  settle();
  EXPECT_EQ(master->count(Kind::up), 2u);
}

TEST_P(LinksContract, ANameAndNoNameForOnePeerEndWithOneLink) {
  connect();
  master->dial(Role::worker, "", worker_address);
  ASSERT_TRUE(until([&] { return master->count(Kind::up) == 2; }));
  settle();
  EXPECT_EQ(master->count(Kind::up), 2u) << "the two dials do not fight";
  EXPECT_EQ(master->links_up(), 1u);
}

TEST_P(LinksContract, TheSameAddressAgainChangesNothing) {
  connect();
  master->dial(Role::worker, "w", worker_address);
  settle();
  EXPECT_EQ(master->count(Kind::up), 1u);
}

TEST_P(LinksContract, AnotherSecretIsRejected) {
  EXPECT_THAT(reason_of_rejection({.node_id = "server"}, {.node_id = "client", .secret = "another"}),
              testing::HasSubstr("secret"));
}
TEST_P(LinksContract, AnotherClusterIsRejected) {
  EXPECT_THAT(reason_of_rejection({.node_id = "server"}, {.node_id = "client", .cluster = "other"}),
              testing::HasSubstr("cluster"));
}
TEST_P(LinksContract, AnotherStoreIsRejected) {
  EXPECT_THAT(
      reason_of_rejection({.node_id = "server", .store_id = "s1"}, {.node_id = "client", .store_id = "s2"}),
      testing::HasSubstr("store"));
}
TEST_P(LinksContract, AnotherNodeAtTheAddressIsRejected) {
  EXPECT_THAT(reason_of_rejection({.node_id = "server"}, {.node_id = "client"}, "somebody"),
              testing::HasSubstr("node"));
}

TEST_P(LinksContract, AnUnknownStoreIsAccepted) {
  auto server = make({.role = Role::worker, .node_id = "server", .store_id = "s1"});
  master->dial(Role::worker, "server", server->listen());
  EXPECT_TRUE(until([&] { return master->links_up() == 1; }));
}

// ---- one link a peer ------------------------------------------------------------------------------------

TEST_P(LinksContract, ANewerLinkOfAPeerReplacesTheOlder) {
  connect();
  const LinkId older = worker->link();
  // A second life of the same master, while the first still talks.
  auto second = make(Role::master, "m", 12);
  second->on_up_do = [&](LinkId link) { second->send_number(link, 1000); };
  master->undial(Role::worker, "w");
  for (std::uint64_t i = 1; i <= 100; ++i) master->send_number(master->link(), i);
  second->dial(Role::worker, "w", worker_address);
  ASSERT_TRUE(until([&] { return !worker->numbers().empty() && worker->numbers().back() == 1000; }));
  ASSERT_TRUE(until([&] { return master->links_up() == 0; }));

  EXPECT_EQ(worker->links_up(), 1u);
  EXPECT_NE(worker->link(), older);
  EXPECT_EQ(worker->last(Kind::up)->peer.incarnation, Incarnation{12});
  // up(older) … down(older) up(newer) …: never both, and nothing of the older behind its end (checked in
  // on_message).
  const auto down = std::ranges::find(worker->events, Kind::down, &RecordingNode::Event::kind);
  ASSERT_NE(down, worker->events.end());
  EXPECT_EQ(down->link, older);
  EXPECT_EQ((down + 1)->kind, Kind::up);
}

TEST_P(LinksContract, NothingOfAReplacedLinkArrivesBehindTheNewOne) {
  connect();
  // While the worker stands still both arrive there: messages on the old link, and a new one of the same
  // master.
  worker->node().freeze(true);
  for (std::uint64_t i = 1; i <= 100; ++i) master->send_number(master->link(), i);
  auto second = make(Role::master, "m", 12);
  second->on_up_do = [&](LinkId link) { second->send_number(link, 1000); };
  second->dial(Role::worker, "w", worker_address);
  until([] { return false; }, world->dead_after() / 4);
  worker->node().freeze(false);
  ASSERT_TRUE(until([&] { return !worker->numbers().empty() && worker->numbers().back() == 1000; }));
  master->undial(Role::worker, "w");
  const auto seen = worker->numbers().size();
  settle();
  EXPECT_EQ(worker->numbers().size(), seen);
}

TEST_P(LinksContract, TwoNodesThatDialEachOtherEndWithOneLink) {
  auto a = make(Role::master, "a"), b = make(Role::master, "b");
  const auto at_a = a->listen(), at_b = b->listen();
  a->dial(Role::master, "b", at_b);
  b->dial(Role::master, "a", at_a);
  ASSERT_TRUE(until([&] { return a->links_up() == 1 && b->links_up() == 1; }));
  settle();
  EXPECT_EQ(a->count(Kind::up), 1u);
  EXPECT_EQ(b->count(Kind::up), 1u);
  a->send_number(a->link(), 1);
  b->send_number(b->link(), 2);
  EXPECT_TRUE(until([&] { return a->count(Kind::message) == 1 && b->count(Kind::message) == 1; }));
}

// ---- messages -------------------------------------------------------------------------------------------

TEST_P(LinksContract, MessagesArriveInOrderEachOnceBothWays) {
  connect();
  constexpr std::uint64_t kCount = 20'000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(master->send_number(master->link(), i));
    ASSERT_TRUE(worker->send_number(worker->link(), i));
  }
  ASSERT_TRUE(until(
      [&] { return master->count(Kind::message) >= kCount && worker->count(Kind::message) >= kCount; }));
  std::vector<std::uint64_t> expected(kCount);
  for (std::uint64_t i = 0; i < kCount; ++i) expected[i] = i;
  EXPECT_EQ(master->numbers(), expected);
  EXPECT_EQ(worker->numbers(), expected);
}

TEST_P(LinksContract, AMessageOfAlmostFourMebibytesArrives) {
  connect();
  DispatchBatch batch;
  batch.items.resize(1);
  batch.items[0].spec.assign(4 * 1024 * 1024 - 4096, 'x');
  batch.items[0].spec.back() = 'y';
  ASSERT_TRUE(master->send(master->link(), batch));
  master->send_number(master->link(), 1);
  ASSERT_TRUE(until([&] { return worker->count(Kind::message) == 1; }));
  ASSERT_EQ(worker->other_messages.size(), 1u);
  EXPECT_EQ(std::get<DispatchBatch>(worker->other_messages[0]).items.at(0).spec, batch.items[0].spec);
}

TEST_P(LinksContract, AMessageAboveTheBoundEndsTheLink) {
  connect();
  master->undial(Role::worker, "w");
  DispatchBatch batch;
  batch.items.resize(1);
  batch.items[0].spec.assign(4 * 1024 * 1024 + 1, 'x');
  EXPECT_FALSE(master->send(master->link(), batch));
  ASSERT_TRUE(until([&] { return master->count(Kind::down) == 1 && worker->count(Kind::down) == 1; }));
  EXPECT_THAT(master->last(Kind::down)->reason, testing::HasSubstr("exceeds the bound"));
}

}  // namespace ringmaster

#include "tests/contract/rpc/links_contract_calls.h"  // the rest of the suite

// What TcpLinks promises beyond the contract of Links: it survives whatever comes over a socket.
#include "rpc/tcp_links.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/backoff.h"
#include "rpc/message_codec.h"
#include "tests/contract/rpc/raw_peer.h"
#include "tests/contract/rpc/tcp_world.h"

namespace ringmaster {
namespace {

using Kind = RecordingNode::Kind;
using namespace std::chrono_literals;

class TcpLinksTest : public testing::Test {
 protected:
  static constexpr Duration kSoon = 10s;

  void make_server() {
    server = std::make_unique<RecordingNode>(world, LinksNodeOptions{.role = Role::master, .node_id = "m"});
    address = server->listen();
  }
  TcpLinks& tcp(RecordingNode& node) { return static_cast<TcpWorld::Node&>(node.node()).tcp(); }
  bool until(const std::function<bool()>& done, Duration limit = kSoon) {
    return world.run_until(done, limit);
  }

  static Identity client() {
    return {.cluster = "test", .role = Role::client, .node_id = "raw", .incarnation = Incarnation{5}};
  }
  bool greet(RawPeer& peer) { return peer.shake_hands(client(), {Role::master, "m"}); }
  // A well-behaved client still gets in.
  void expect_service() {
    RecordingNode good(world, {.role = Role::client, .node_id = "good"});
    good.dial(Role::master, "m", address);
    EXPECT_TRUE(until([&] { return good.links_up() == 1; }));
  }

  TcpWorld world;
  std::unique_ptr<RecordingNode> server;
  std::string address;
};

TEST_F(TcpLinksTest, GarbageInsteadOfAHandshakeEndsTheConnection) {
  make_server();
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(10'000, '\0'), std::string("RNGM\x09garbage")}) {
    RawPeer peer(world, address);
    EXPECT_TRUE(peer.receive()) << "the challenge";
    peer.send(bytes);
    EXPECT_TRUE(peer.wait_for_end());
  }
  EXPECT_TRUE(server->events.empty());
  EXPECT_EQ(tcp(*server).counters().refused_handshakes, 3u);
  expect_service();
}

TEST_F(TcpLinksTest, ALargeFrameBeforeTheProofIsRefusedUnread) {
  make_server();
  RawPeer peer(world, address);
  peer.send_frame({static_cast<std::uint16_t>(FrameType::proof), FrameKind::one_way, 0},
                  std::string(5000, 'x'));
  EXPECT_TRUE(peer.wait_for_end());
}

TEST_F(TcpLinksTest, AMessageBeforeTheProofIsNotRead) {
  make_server();
  RawPeer peer(world, address);
  std::string payload;
  encode(Message(MasterStatus{1}), payload);
  peer.send_frame({20, FrameKind::one_way, 0}, payload);
  EXPECT_TRUE(peer.wait_for_end());
  EXPECT_TRUE(server->events.empty());
}

TEST_F(TcpLinksTest, WhoeverSaysNothingIsDroppedInTime) {
  world.defaults.handshake_timeout = 200ms;
  make_server();
  RawPeer peer(world, address);
  EXPECT_TRUE(peer.wait_for_end());
}

TEST_F(TcpLinksTest, AListenerThatSaysNothingIsUnreachable) {
  world.defaults.handshake_timeout = 100ms;
  AsioLoop silent;  // the kernel accepts for it, and nobody answers
  auto listener = TcpListener::listen(silent, "127.0.0.1:0", 1s, [](auto) {});
  RecordingNode node(world, {.node_id = "n"});
  node.dial(Role::worker, "w", (*listener)->address());
  ASSERT_TRUE(until([&] { return node.count(Kind::dial_failed) > 0; }));
  EXPECT_EQ(node.last(Kind::dial_failed)->error, DialError::unreachable);
}

// Whoever waits for the proof of a death waits for the second refusal.
TEST_F(TcpLinksTest, TheSecondRefusalFollowsWhenItProvesADeath) {
  for (int i = 0; i < 5; ++i) {
    RecordingNode node(world, {.node_id = "n"});
    node.dial(Role::worker, "w", world.dead_address());
    ASSERT_TRUE(until([&] { return node.count(Kind::dial_failed) == 1; }));
    const auto first = std::chrono::steady_clock::now();
    ASSERT_TRUE(until([&] { return node.count(Kind::dial_failed) == 2; }));
    EXPECT_GE(std::chrono::steady_clock::now() - first, kRefusedInterval);
  }
}

TEST_F(TcpLinksTest, AnAddressThatIsNoneIsUnreachable) {
  RecordingNode node(world, {.node_id = "n"});
  node.dial(Role::worker, "w", "nonsense");
  ASSERT_TRUE(until([&] { return node.count(Kind::dial_failed) > 0; }));
  EXPECT_EQ(node.last(Kind::dial_failed)->error, DialError::unreachable);
  EXPECT_THAT(node.last(Kind::dial_failed)->reason, testing::HasSubstr("not an address"));
}

TEST_F(TcpLinksTest, OfTooManyUnprovedConnectionsTheOldestGoes) {
  world.defaults.max_unproved = 8;
  make_server();
  std::vector<std::unique_ptr<RawPeer>> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(std::make_unique<RawPeer>(world, address));
    ASSERT_TRUE(crowd.back()->receive()) << "the challenge";
  }
  EXPECT_TRUE(crowd.front()->wait_for_end());
  EXPECT_EQ(tcp(*server).counters().dropped_unproved, 12u);
  expect_service();
}

TEST_F(TcpLinksTest, RunningOutOfDescriptorsDelaysPeersButLosesNone) {
  make_server();
  RecordingNode node(world, {.role = Role::client, .node_id = "late"});
  node.listen();  // so that its loop has what a loop needs
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  // Room for the client's own socket and no more: the server's accept fails.
  const int next = ::dup(0);
  ::close(next);
  const rlimit tight{static_cast<rlim_t>(next + 1), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &tight);
  node.dial(Role::master, "m", address);
  const bool early = until([&] { return node.links_up() == 1; }, 300ms);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_FALSE(early);
  EXPECT_TRUE(until([&] { return node.links_up() == 1; }));
}

TEST_F(TcpLinksTest, AnUnknownMessageIsCountedAndDropped) {
  make_server();
  RawPeer peer(world, address);
  ASSERT_TRUE(greet(peer));
  peer.send_frame({9999, FrameKind::one_way, 0}, "whatever");
  std::string payload;
  encode(Message(MasterStatus{42}), payload);
  peer.send_frame({20, FrameKind::one_way, 0}, payload);
  ASSERT_TRUE(until([&] { return server->count(Kind::message) == 1; }));
  EXPECT_EQ(tcp(*server).counters().unknown_messages, 1u);
  EXPECT_EQ(server->links_up(), 1u);
}

TEST_F(TcpLinksTest, AnUnknownOrBrokenRequestIsAnsweredWithAnError) {
  make_server();
  RawPeer peer(world, address);
  ASSERT_TRUE(greet(peer));
  peer.send_frame({9999, FrameKind::request, 77}, "whatever");
  auto reply = peer.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->header.kind, FrameKind::error_reply);
  EXPECT_EQ(reply->header.correlation, 77u);
  EXPECT_EQ(decode_error(reply->payload)->message, "unknown request type 9999");
  peer.send_frame({64, FrameKind::request, 78}, "\xff\xff\xff");
  reply = peer.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(decode_error(reply->payload)->code, ErrorCode::invalid_argument);
  EXPECT_EQ(server->links_up(), 1u);
}

TEST_F(TcpLinksTest, AnUndecodableMessageEndsTheLinkAndSaysWhy) {
  make_server();
  RawPeer peer(world, address);
  ASSERT_TRUE(greet(peer));
  peer.send_frame({33, FrameKind::one_way, 0}, "\xff\xff\xff");
  const auto goodbye = peer.receive();
  ASSERT_TRUE(goodbye);
  EXPECT_THAT(decode_goodbye(goodbye->payload), testing::HasSubstr("undecodable message"));
  EXPECT_TRUE(peer.wait_for_end());
  ASSERT_TRUE(until([&] { return server->count(Kind::down) == 1; }));
}

TEST_F(TcpLinksTest, AReplyThatNobodyAskedForIsCountedAndDropped) {
  make_server();
  RawPeer peer(world, address);
  ASSERT_TRUE(greet(peer));
  peer.send_frame({64, FrameKind::reply, 1}, "");
  peer.send_frame({64, FrameKind::error_reply, 2}, "");
  ASSERT_TRUE(until([&] { return tcp(*server).counters().unwanted_replies == 2; }));
  EXPECT_EQ(server->links_up(), 1u);
}

TEST_F(TcpLinksTest, TooManyOpenRequestsAreRefused) {
  world.defaults.max_open_requests = 2;
  make_server();
  std::vector<ApiResponder> open;
  server->on_request_do = [&](LinkId, ApiRequest, ApiResponder respond) {
    open.push_back(std::move(respond));
  };
  RawPeer peer(world, address);
  ASSERT_TRUE(greet(peer));
  for (std::uint64_t i = 1; i <= 3; ++i) peer.send_frame({70, FrameKind::request, i}, "");
  auto refused = peer.receive();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->header.correlation, 3u);
  EXPECT_EQ(decode_error(refused->payload)->code, ErrorCode::resource_exhausted);
  open.at(0)(ClusterReply{});
  peer.send_frame({70, FrameKind::request, 4}, "");
  EXPECT_TRUE(until([&] { return open.size() == 3; })) << "an answer makes room";
}

TEST_F(TcpLinksTest, APeerThatDoesNotReadIsClosedAtTheBound) {
  world.defaults.hard_bound = 1024 * 1024;
  world.defaults.dead_after = 10s;
  make_server();
  RawPeer peer(world, address);
  ASSERT_TRUE(greet(peer));
  DispatchBatch batch;
  batch.items.resize(1);
  batch.items[0].spec.assign(100'000, 'x');
  ASSERT_TRUE(until([&] {
    if (server->links_up() == 1) server->send(server->link(), batch);
    return server->count(Kind::down) == 1;
  }));
  EXPECT_THAT(server->last(Kind::down)->reason, testing::HasSubstr("reads too slowly"));
}

TEST_F(TcpLinksTest, TheUnreadRestOfAReplacedLinkIsDropped) {
  world.defaults.high_water = 100'000;
  world.defaults.low_water = 10'000;
  world.defaults.dead_after = 10s;
  make_server();
  RawPeer older(world, address);
  ASSERT_TRUE(greet(older));
  ASSERT_TRUE(until([&] { return server->links_up() == 1; }));
  // A client that does not read is not read either: far more waits for it than the kernel holds.
  DispatchBatch batch;
  batch.items.resize(1);
  batch.items[0].spec.assign(1'000'000, 'x');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(server->send(server->link(), batch));
  until([] { return false; }, 50ms);
  std::string payload;
  encode(Message(MasterStatus{1}), payload);
  for (int i = 0; i < 100; ++i) older.send_frame({20, FrameKind::one_way, 0}, payload);

  RawPeer newer(world, address);
  ASSERT_TRUE(greet(newer));
  newer.send_frame({20, FrameKind::one_way, 0}, payload);
  ASSERT_TRUE(until([&] { return server->count(Kind::message) == 1; }));
  until([] { return false; }, 50ms);
  EXPECT_EQ(server->count(Kind::message), 1u);
  EXPECT_EQ(server->count(Kind::down), 1u);
}

TEST_F(TcpLinksTest, CloseDeliversWhatWasSentBefore) {
  make_server();
  RecordingNode node(world, {.role = Role::worker, .node_id = "w"});
  node.dial(Role::master, "m", address);
  ASSERT_TRUE(until([&] { return node.links_up() == 1; }));
  node.undial(Role::master, "m");
  for (std::uint64_t i = 0; i < 5'000; ++i) node.send_number(node.link(), i);
  node.close(node.link(), "all said");
  ASSERT_TRUE(until([&] { return server->count(Kind::down) == 1; }));
  EXPECT_EQ(server->count(Kind::message), 5'000u);
  EXPECT_EQ(server->last(Kind::down)->reason, "the peer closed the channel: all said");
}

TEST_F(TcpLinksTest, ShutdownEndsAllLinksThenSaysSo) {
  make_server();
  RecordingNode a(world, {.role = Role::worker, .node_id = "a"}),
      b(world, {.role = Role::worker, .node_id = "b"});
  a.dial(Role::master, "m", address);
  b.dial(Role::master, "m", address);
  ASSERT_TRUE(until([&] { return server->links_up() == 2; }));
  bool done = false;
  tcp(*server).shutdown([&] { done = true; });
  EXPECT_FALSE(done);
  ASSERT_TRUE(until([&] { return done; }));
  EXPECT_EQ(server->count(Kind::down), 2u);
  ASSERT_TRUE(until([&] { return a.count(Kind::dial_failed) > 0; }));
  EXPECT_EQ(a.last(Kind::dial_failed)->error, DialError::refused) << "its port is closed";
}

TEST_F(TcpLinksTest, AStoreIdThatComesLaterCountsFromThenOn) {
  make_server();
  tcp(*server).set_store_id("s1");
  RecordingNode stranger(world, {.role = Role::worker, .node_id = "w", .store_id = "s2"});
  stranger.dial(Role::master, "m", address);
  ASSERT_TRUE(until([&] { return stranger.count(Kind::dial_failed) > 0; }));
  EXPECT_EQ(stranger.last(Kind::dial_failed)->error, DialError::rejected);
  tcp(stranger).set_store_id("s1");
  EXPECT_TRUE(until([&] { return stranger.links_up() == 1; }));
}

TEST_F(TcpLinksTest, WithoutASecretOnlyLoopbackMayListen) {
  RecordingNode open(world, {.node_id = "open", .secret = ""});
  EXPECT_TRUE(tcp(open).listen("127.0.0.1:0").has_value());
  const auto everywhere = tcp(open).listen("0.0.0.0:0");
  ASSERT_FALSE(everywhere.has_value());
  EXPECT_EQ(everywhere.error().code, ErrorCode::invalid_argument);
}

TEST_F(TcpLinksTest, APortThatIsTakenIsAnError) {
  make_server();
  RecordingNode second(world, {.node_id = "second"});
  const auto taken = tcp(second).listen(address);
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code, ErrorCode::unavailable);
  EXPECT_EQ(tcp(second).listen("nonsense").error().code, ErrorCode::invalid_argument);
}

TEST_F(TcpLinksTest, DestructionIsSilentWhateverIsUnderWay) {
  make_server();
  auto node = std::make_unique<RecordingNode>(world, LinksNodeOptions{.role = Role::client, .node_id = "c"});
  server->on_request_do = [](LinkId, ApiRequest, ApiResponder respond) { respond(ClusterReply{}); };
  node->dial(Role::master, "m", address);
  ASSERT_TRUE(until([&] { return node->links_up() == 1; }));
  int answers = 0;
  node->call(node->link(), ClusterRequest{}, 10s, [&](auto) { ++answers; });
  node->dial(Role::master, "nowhere", world.dead_address());
  node->close(node->link(), "bye");
  node.reset();
  EXPECT_TRUE(until([&] { return server->count(Kind::down) == 1; }));
  EXPECT_EQ(answers, 0);
}

}  // namespace
}  // namespace ringmaster

#include "rpc/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using testing::HasSubstr;

Nonce nonce(char fill) {
  Nonce result;
  result.fill(fill);
  return result;
}

Identity master() {
  return {.cluster = "test",
          .role = Role::master,
          .node_id = "m",
          .incarnation = Incarnation{1},
          .version = "1.0"};
}
Identity worker() {
  return {.cluster = "test",
          .role = Role::worker,
          .node_id = "w",
          .incarnation = Incarnation{2},
          .version = "1.1"};
}
const Handshake::Target kWorker{Role::worker, "w"};

struct Outcome {
  Handshake dialler, acceptor;
  bool done() const {
    return dialler.state() == Handshake::State::done && acceptor.state() == Handshake::State::done;
  }
  bool both_failed() const {
    return dialler.state() == Handshake::State::failed && acceptor.state() == Handshake::State::failed;
  }
};

// Carries frames to and fro, each changed by `tamper`, until nobody has anything to say.
Outcome run(Identity dialling, std::string dialler_secret, Identity accepting, std::string acceptor_secret,
            Handshake::Target target = kWorker, const std::function<void(HandshakeFrame&)>& tamper = {}) {
  Outcome o{Handshake::dialler(std::move(dialling), std::move(dialler_secret), std::move(target), nonce('d')),
            Handshake::acceptor(std::move(accepting), std::move(acceptor_secret), nonce('a'))};
  auto frame = o.acceptor.start();
  bool to_dialler = true;
  for (int i = 0; i < 10 && frame; ++i, to_dialler = !to_dialler) {
    if (tamper) tamper(*frame);
    frame = (to_dialler ? o.dialler : o.acceptor)
                .on_frame(static_cast<std::uint16_t>(frame->type), frame->payload);
  }
  return o;
}

TEST(Handshake, BothEndsKnowEachOtherAfterwards) {
  const auto o = run(master(), "secret", worker(), "secret");
  ASSERT_TRUE(o.done()) << o.dialler.error() << o.acceptor.error();
  EXPECT_EQ(o.dialler.peer().node_id, "w");
  EXPECT_EQ(o.dialler.peer().role, Role::worker);
  EXPECT_EQ(o.dialler.peer().incarnation, Incarnation{2});
  EXPECT_EQ(o.dialler.peer().version, "1.1");
  EXPECT_EQ(o.acceptor.peer().node_id, "m");
  EXPECT_EQ(o.acceptor.peer().role, Role::master);
  EXPECT_EQ(o.acceptor.peer().incarnation, Incarnation{1});
  EXPECT_EQ(o.dialler.protocol(), o.acceptor.protocol());
}

TEST(Handshake, AnEmptySecretIsOneToo) {
  EXPECT_TRUE(run(master(), "", worker(), "").done());
  EXPECT_TRUE(run(master(), "", worker(), "secret").both_failed());
  EXPECT_TRUE(run(master(), "secret", worker(), "").both_failed());
}

TEST(Handshake, EachMismatchHasItsOwnReason) {
  const auto reason = [](Identity d, Identity a, std::string secret = "secret",
                         Handshake::Target target = kWorker) {
    const auto o = run(std::move(d), "secret", std::move(a), std::move(secret), std::move(target));
    EXPECT_TRUE(o.both_failed());
    EXPECT_THAT(o.dialler.error(), HasSubstr(o.acceptor.error())) << "the dialler is told why";
    return o.acceptor.error();
  };
  EXPECT_EQ(reason(master(), worker(), "other"), "wrong cluster secret");

  auto cluster = worker();
  cluster.cluster = "prod";
  EXPECT_EQ(reason(master(), cluster), "wrong cluster: 'prod' here, 'test' there");

  auto known = master(), other = worker();
  known.store_id = "s1";
  other.store_id = "s2";
  EXPECT_THAT(reason(known, other), HasSubstr("wrong store"));

  auto newer = worker();
  newer.protocol_min = newer.protocol_max = 7;
  EXPECT_EQ(reason(master(), newer), "no common protocol version: 7..7 here, 1..1 there");

  EXPECT_EQ(reason(master(), worker(), "secret", {Role::worker, "x"}), "wrong node: this is worker 'w'");
  EXPECT_EQ(reason(master(), worker(), "secret", {Role::master, "w"}), "wrong node: this is worker 'w'");
  EXPECT_THAT(reason(worker(), worker()), HasSubstr("both ends are worker 'w'"));
}

TEST(Handshake, WithoutANameAnyNodeOfTheRoleWillDo) {
  EXPECT_TRUE(run(master(), "secret", worker(), "secret", {Role::worker, ""}).done());
  EXPECT_TRUE(run(master(), "secret", worker(), "secret", {Role::client, ""}).both_failed());
}

TEST(Handshake, AnUnknownStoreFitsAny) {
  auto known = master();
  known.store_id = "s1";
  EXPECT_TRUE(run(known, "secret", worker(), "secret").done());
}

TEST(Handshake, TheNewestCommonProtocolIsChosen) {
  auto older = master(), newer = worker();
  older.protocol_min = 1;
  older.protocol_max = 3;
  newer.protocol_min = 2;
  newer.protocol_max = 5;
  const auto o = run(older, "secret", newer, "secret");
  ASSERT_TRUE(o.done());
  EXPECT_EQ(o.dialler.protocol(), 3u);
  EXPECT_EQ(o.acceptor.protocol(), 3u);
}

TEST(Handshake, UnprintableOrEmptyNamesAreRefused) {
  const std::vector<std::string> names = {"", "a\nb", "\xff", std::string(257, 'x')};
  for (const auto& bad : names) {
    auto odd = master();
    odd.node_id = bad;
    EXPECT_TRUE(run(odd, "secret", worker(), "secret").both_failed()) << bad;
  }
}

TEST(Handshake, NoChangedBitGoesUnnoticed) {
  // Every bit of every frame in turn: never may both ends believe that all is well.
  for (int frame = 0; frame < 3; ++frame) {
    std::size_t size = 1;
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      int seen = 0;
      const auto o = run(master(), "secret", worker(), "secret", kWorker, [&](HandshakeFrame& f) {
        if (seen++ != frame) return;
        size = f.payload.size();
        f.payload[bit / 8] = static_cast<char>(f.payload[bit / 8] ^ (1 << bit % 8));
      });
      ASSERT_FALSE(o.done()) << "frame " << frame << ", bit " << bit;
    }
  }
}

TEST(Handshake, AnAcceptorSaysNothingOfItselfBeforeTheProof) {
  const auto acceptor = Handshake::acceptor(worker(), "secret", nonce('a'));
  EXPECT_EQ(acceptor.start()->payload, std::string(32, 'a'));
}

TEST(Handshake, AReflectedProofProvesNothing) {
  // Somebody without the secret sends a dialler's own proof back to it, as if it were the welcome, …
  auto dialler = Handshake::dialler(master(), "secret", kWorker, nonce('d'));
  const auto proof = dialler.on_frame(static_cast<std::uint16_t>(FrameType::challenge), std::string(32, 'x'));
  ASSERT_TRUE(proof);
  dialler.on_frame(static_cast<std::uint16_t>(FrameType::welcome), proof->payload.substr(32));
  EXPECT_EQ(dialler.state(), Handshake::State::failed);
  // … or its own challenge.
  auto another = Handshake::dialler(master(), "secret", kWorker, nonce('d'));
  EXPECT_FALSE(another.on_frame(static_cast<std::uint16_t>(FrameType::challenge), std::string(32, 'd')));
  EXPECT_EQ(another.state(), Handshake::State::failed);
}

TEST(Handshake, AReplayedProofProvesNothing) {
  // What an earlier handshake's proof was good for ends with its challenge.
  auto dialler = Handshake::dialler(master(), "secret", kWorker, nonce('d'));
  const auto old = dialler.on_frame(static_cast<std::uint16_t>(FrameType::challenge), std::string(32, 'o'));
  auto acceptor = Handshake::acceptor(worker(), "secret", nonce('a'));
  const auto answer = acceptor.on_frame(static_cast<std::uint16_t>(FrameType::proof), old->payload);
  EXPECT_EQ(answer->type, FrameType::reject);
  EXPECT_EQ(acceptor.state(), Handshake::State::failed);
}

TEST(Handshake, FramesOutOfTurnFail) {
  const auto fails = [](Handshake machine, FrameType type, std::string payload) {
    machine.on_frame(static_cast<std::uint16_t>(type), payload);
    return machine.state() == Handshake::State::failed;
  };
  const auto d = [] { return Handshake::dialler(master(), "s", kWorker, nonce('d')); };
  const auto a = [] { return Handshake::acceptor(worker(), "s", nonce('a')); };
  EXPECT_TRUE(fails(d(), FrameType::welcome, std::string(64, 'x')));
  EXPECT_TRUE(fails(d(), FrameType::proof, ""));
  EXPECT_TRUE(fails(d(), FrameType::submit, ""));
  EXPECT_TRUE(fails(d(), FrameType::challenge, "short"));
  EXPECT_TRUE(fails(d(), FrameType::reject, "no"));
  EXPECT_TRUE(fails(a(), FrameType::challenge, std::string(32, 'x')));
  EXPECT_TRUE(fails(a(), FrameType::proof, ""));
  EXPECT_TRUE(fails(a(), FrameType::dispatch_batch, ""));
}

TEST(Handshake, AnUnreadableRejectionIsNotRepeated) {
  auto dialler = Handshake::dialler(master(), "s", kWorker, nonce('d'));
  dialler.on_frame(static_cast<std::uint16_t>(FrameType::reject), "a\x1b[2J");
  EXPECT_EQ(dialler.error(), "the peer refused: no readable reason");
}

}  // namespace
}  // namespace ringmaster

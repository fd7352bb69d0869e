// A worker's death is proved by two refused connections: not too close, not too far apart.
#include <gmock/gmock.h>

#include "base/backoff.h"
#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerCoreLoss, RefusalsFarApartProveNothing) {
  const CoreOptions options;
  Dispatched h({.on_worker_lost = OnWorkerLost::fail});
  h.core.on_link_down(h.w1, h.now);
  h.core.on_dial_refused("w1", h.now);
  h.pass(options.worker_timeout + std::chrono::milliseconds(1));
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty()) << "it may have lived in between";
  h.pass(kRefusedInterval - std::chrono::milliseconds(1));
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty()) << "too soon for a second proof";
  h.pass(std::chrono::milliseconds(1));
  h.core.on_dial_refused("w1", h.now);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].state, TaskState::lost);
}

TEST(SchedulerCoreLoss, RefusalsBeforeAndAfterAChannelProveNothing) {
  Dispatched h({.on_worker_lost = OnWorkerLost::fail});
  h.core.on_link_down(h.w1, h.now);
  h.core.on_dial_refused("w1", h.now);
  h.pass(std::chrono::milliseconds(300));
  const LinkId again = h.connect("w1", Incarnation{101}, {{h.token, HeldState::running, h.now.wall}});
  h.core.on_link_down(again, h.now);
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty());
}

std::string explained(CoreHarness& h, TaskId id) {
  const auto reply = h.core.explain(id, h.now);
  return reply && !reply->reasons.empty() ? reply->reasons[0].code + ": " + reply->reasons[0].text : "";
}

TEST(SchedulerCoreExplain, SaysWhyAWorkerRefusesUs) {
  CoreHarness h;
  h.own_all();
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{7}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  const TaskId id = h.accept();
  h.core.on_dial_rejected("w1", "the peer refused: wrong cluster secret");
  EXPECT_EQ(explained(h, id),
            "worker_unreachable: w1 is out of reach: the peer refused: wrong cluster secret");
  h.registered[0].incarnation = Incarnation{8};
  h.core.on_workers(h.registered, h.now);
  EXPECT_EQ(explained(h, id), "worker_unreachable: w1 is out of reach") << "its next life may know better";
}

TEST(SchedulerCoreExplain, AWorkersDrainingEndsWithItsLife) {
  CoreHarness h;
  h.own_all();
  const LinkId link = h.add_worker("w1");
  h.core.on_message(link, WorkerStatus{.credit_limit = 0, .draining = true}, h.now);
  h.core.on_link_down(link, h.now);
  const TaskId id = h.accept();
  EXPECT_EQ(explained(h, id), "no_worker: no worker serves group default: start one with this group");
  h.registered[0].incarnation = Incarnation{999};
  h.core.on_workers(h.registered, h.now);
  EXPECT_EQ(explained(h, id), "worker_unreachable: w1 is out of reach");
}

}  // namespace
}  // namespace ringmaster

// A worker's death is proved by two refused connections: not too close, not too far apart.
#include <gmock/gmock.h>

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
  h.pass(options.refused_interval - std::chrono::milliseconds(1));
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

}  // namespace
}  // namespace ringmaster

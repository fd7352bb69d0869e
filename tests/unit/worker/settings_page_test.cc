#include "tests/unit/base/settings_page.h"

#include "worker/worker_settings.h"

namespace ringmaster {
namespace {

TEST(WorkerSettings, AreAllOnTheirPage) {
  expect_documented("## ringworker serve", declare_worker_settings(),
                    {{"node_id", "the host's name"}, {"slots", "one for each core"}});
}

}  // namespace
}  // namespace ringmaster

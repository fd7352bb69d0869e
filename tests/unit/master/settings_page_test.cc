#include "tests/unit/base/settings_page.h"

#include "master/master_settings.h"

namespace ringmaster {
namespace {

TEST(MasterSettings, AreAllOnTheirPage) {
  expect_documented("## ringmaster serve", declare_master_settings(), {{"node_id", "the host's name"}});
}

}  // namespace
}  // namespace ringmaster

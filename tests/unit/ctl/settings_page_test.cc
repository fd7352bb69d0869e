#include "tests/unit/base/settings_page.h"

#include "ctl/ctl_settings.h"

namespace ringmaster {
namespace {

TEST(CtlSettings, AreAllOnTheirPage) {
  expect_documented("## ringctl", CtlSettings::declared(), {});
}

}  // namespace
}  // namespace ringmaster

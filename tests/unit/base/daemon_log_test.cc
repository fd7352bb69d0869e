#include "base/daemon_log.h"

#include <csignal>
#include <string>

#include <glog/logging.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(LogLevel, NamesRoundTrip) {
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    EXPECT_EQ(parse_log_level(to_string(level)), level);
  }
  EXPECT_EQ(parse_log_level("loud"), std::nullopt);
}

TEST(InstallLog, DropsWhatIsBelowItsLevelAndLeavesSigtermAlone) {
  install_log("unit_base_tests", LogLevel::warning);
  testing::internal::CaptureStderr();
  LOG(INFO) << "dropped";
  LOG(WARNING) << "kept";
  set_log_level(LogLevel::debug);
  VLOG(1) << "detail";
  set_log_level(LogLevel::info);
  VLOG(1) << "hidden";
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("dropped"), std::string::npos);
  EXPECT_NE(text.find("kept"), std::string::npos);
  EXPECT_NE(text.find("detail"), std::string::npos);
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  struct sigaction action{};
  ASSERT_EQ(sigaction(SIGTERM, nullptr, &action), 0);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace ringmaster

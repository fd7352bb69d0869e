#include "ctl/terminal.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(DisplayWidth, CountsWhatATerminalShows) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("é€…"), 3U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("🚀"), 2U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U) << "a combining accent";
  EXPECT_EQ(display_width("\xff\xe6"), 2U) << "ill-formed bytes stand for themselves";
}

TEST(FittingBytes, NeverCutsACharacter) {
  EXPECT_EQ(fitting_bytes("abc", 2), 2U);
  EXPECT_EQ(fitting_bytes("日本", 3), 3U);
  EXPECT_EQ(fitting_bytes("日本", 1), 0U);
  EXPECT_EQ(fitting_bytes("e\xcc\x81x", 1), 3U);
  EXPECT_EQ(fitting_bytes("ab", 9), 2U);
}

}  // namespace
}  // namespace ringmaster

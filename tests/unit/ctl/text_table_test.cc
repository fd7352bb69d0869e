#include "ctl/text_table.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(TextTable, AlignsColumnsAndLeavesNoTrailingSpace) {
  TextTable table({{"ID"}, {"N", TextTable::Align::right}, {"NAME"}});
  table.add({{"a"}, {"5"}, {"x"}});
  table.add({{"long"}, {"1000"}, {"y"}});
  EXPECT_EQ(table.render(false),
            "ID       N  NAME\n"
            "a        5  x\n"
            "long  1000  y\n");
}

TEST(TextTable, CountsCodePointsNotBytes) {
  TextTable table({{"A"}, {"B"}});
  table.add({{"é€"}, {"x"}});
  table.add({{"abc"}, {"y"}});
  EXPECT_EQ(table.render(false), "A    B\né€   x\nabc  y\n");
}

TEST(TextTable, ColourDoesNotMoveColumns) {
  TextTable table({{"A"}, {"B"}});
  table.add({{"x", Tone::good}, {"1"}});
  table.add({{"yyy"}, {"2"}});
  EXPECT_EQ(table.render(true), "\x1b[2mA\x1b[0m    \x1b[2mB\x1b[0m\n\x1b[32mx\x1b[0m    1\nyyy  2\n");
}

TEST(TextTable, ShowsEmptyCellsAsDash) {
  TextTable table({{"A"}, {"B"}});
  table.add({{""}, {"1"}});
  EXPECT_EQ(table.render(false), "A  B\n-  1\n");
}

TEST(OneLine, LetsNothingSteerTheTerminal) {
  EXPECT_EQ(one_line("a\x1b[31mb\nc\td\x7f", 100), "a?[31mb?c?d?");
  EXPECT_EQ(one_line("x\xc2\x9b"
                     "31m",
                     100),
            "x?31m");  // CSI as a single C1 character
}

TEST(OneLine, CutsAtTheLimitBetweenCodePoints) {
  EXPECT_EQ(one_line("abcde", 5), "abcde");
  EXPECT_EQ(one_line("abcdef", 5), "abcd…");
  EXPECT_EQ(one_line("ééé", 2), "é…");
}

}  // namespace
}  // namespace ringmaster

#include "ctl/text_table.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(TextTable, AlignsColumnsAndLeavesNoTrailingSpace) {
  TextTable table({{"ID"}, {"N", TextTable::Align::right}, {"NAME"}});
  table.add({{"a"}, {"5"}, {"x"}});
  table.add({{"long"}, {"1000"}, {"y"}});
  EXPECT_EQ(table.render({}),
            "ID       N  NAME\n"
            "a        5  x\n"
            "long  1000  y\n");
}

TEST(TextTable, CountsCodePointsNotBytes) {
  TextTable table({{"A"}, {"B"}});
  table.add({{"é€"}, {"x"}});
  table.add({{"abc"}, {"y"}});
  EXPECT_EQ(table.render({}), "A    B\né€   x\nabc  y\n");
}

TEST(TextTable, ColourDoesNotMoveColumns) {
  TextTable table({{"A"}, {"B"}});
  table.add({{"x", Tone::good}, {"1"}});
  table.add({{"yyy"}, {"2"}});
  EXPECT_EQ(table.render({.colour = true}),
            "\x1b[2mA\x1b[0m    \x1b[2mB\x1b[0m\n\x1b[32mx\x1b[0m    1\nyyy  2\n");
}

TEST(TextTable, ShowsEmptyCellsAsDash) {
  TextTable table({{"A"}, {"B"}});
  table.add({{""}, {"1"}});
  EXPECT_EQ(table.render({}), "A  B\n-  1\n");
}

const std::string k40(40, 'x');

// ID(4) STATE(7) GROUP(7) COMMAND(40): 64 columns with the gaps.
TextTable wide_table() {
  using enum TextTable::Align;
  using enum TextTable::Fit;
  TextTable table({{"ID"}, {"STATE"}, {"GROUP", left, drop}, {"N", right, drop}, {"COMMAND", left, cut}});
  table.add({{"id-1"}, {"RUNNING"}, {"default"}, {"5"}, {k40}});
  return table;
}

TEST(TextTable, CutsTheRightColumnToTheTerminal) {
  EXPECT_EQ(wide_table().render({.width = 50}),
            "ID    STATE    GROUP    N  COMMAND\n"
            "id-1  RUNNING  default  5  " +
                k40.substr(18) + "…\n");
}

TEST(TextTable, LeavesOutColumnsBeforeItCutsTooMuch) {
  EXPECT_EQ(wide_table().render({.width = 42}),
            "ID    STATE    GROUP    COMMAND\n"
            "id-1  RUNNING  default  " +
                k40.substr(23) + "…\n");
  EXPECT_EQ(wide_table().render({.width = 24}), "ID    STATE    COMMAND\nid-1  RUNNING  xxxxxxxx…\n");
}

TEST(TextTable, IsNeverWiderThanTheTerminal) {
  EXPECT_EQ(wide_table().render({.width = 16}), "ID    STATE\nid-1  RUNNING\n");
  EXPECT_EQ(wide_table().render({.width = 3}), "ID\nid…\n");
}

TEST(TextTable, IsWholeWhereNobodyAsksForAWidth) {
  EXPECT_NE(wide_table().render({}).find(k40 + "\n"), std::string::npos);
}

TEST(TextTable, KeepsColumnsStraightWithWideCharacters) {
  TextTable table({{"A"}, {"B"}});
  table.add({{"日本"}, {"x"}});
  table.add({{"abcd"}, {"y"}});
  EXPECT_EQ(table.render({}), "A     B\n日本  x\nabcd  y\n");
}

TEST(TextTable, PiecesHaveOneTitleLineAndTheSameColumns) {
  TextTable table = wide_table();
  const TextStyle style{.width = 24};
  EXPECT_EQ(table.next_piece(style), "ID    STATE    COMMAND\nid-1  RUNNING  xxxxxxxx…\n");
  EXPECT_TRUE(table.empty());
  table.add({{"id-2"}, {"READY"}, {"default"}, {"5"}, {"true"}});
  EXPECT_EQ(table.next_piece(style), "id-2  READY    true\n");
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
  EXPECT_EQ(one_line("日本語", 4), "日…");
}

}  // namespace
}  // namespace ringmaster

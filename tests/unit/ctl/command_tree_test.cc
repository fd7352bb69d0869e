// What is said about a mistyped command, and what manual pages are made of.
#include "ctl/command_tree.h"

#include <cstdlib>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/man_page.h"
#include "tests/unit/base/scratch_directory.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::Not;

class CommandTree : public testing::Test {
 protected:
  CommandTree() {
    app_.add_option("--profile", value_, "Named settings")->type_name("PROFILE");
    CLI::App* task = app_.add_subcommand("task", "Tasks");
    CLI::App* list = task->add_subcommand("list", "List tasks");
    list->add_option("-o,--output", value_, ".form \\ of it")->type_name("text|json");
    list->footer("Said…\n\nExamples:\n  ringctl task list\n  .dot 'x'");
    task->add_subcommand("submit", "Submit");
    app_.add_subcommand("man", "Hidden")->group("");
  }
  std::string page(const std::string& name) const {
    const auto all = all_commands(app_);
    for (const Command& command : all) {
      if (page_name(command) == name) return man_page(command, all);
    }
    return "none";
  }

  CLI::App app_{"", "ringctl"};
  std::string value_;
};

TEST_F(CommandTree, SaysWhatWasMeant) {
  EXPECT_EQ(command_mistake(app_, {"tsk", "list"}),
            "`ringctl` has no command tsk; did you mean `ringctl task`?");
  EXPECT_EQ(command_mistake(app_, {"--profile", "x", "task", "lits"}),
            "`ringctl task` has no command lits; did you mean `ringctl task list`?");
  EXPECT_EQ(command_mistake(app_, {"task", "everything"}),
            "`ringctl task` has no command everything; there are list, submit");
  EXPECT_EQ(command_mistake(app_, {"task"}), "`ringctl task` needs a command: list, submit");
  EXPECT_EQ(command_mistake(app_, {"task", "list", "--nothing"}), "") << "the command is right";
}

TEST_F(CommandTree, KnowsWhereHelpIsToBeHad) {
  EXPECT_EQ(command_named(app_, {"--profile", "task", "task", "list", "--x"}), "ringctl task list");
  EXPECT_EQ(command_named(app_, {"tsk"}), "ringctl");
}

TEST_F(CommandTree, OffersNothingHidden) {
  for (const Command& command : all_commands(app_)) EXPECT_NE(page_name(command), "ringctl-man");
  EXPECT_THAT(page("ringctl"), Not(HasSubstr("Hidden")));
}

TEST_F(CommandTree, MakesAPageThatRoffReadsAsItIsMeant) {
  const std::string text = page("ringctl-task-list");
  EXPECT_THAT(text, HasSubstr(".SH NAME\nringctl\\-task\\-list \\- List tasks\n"));
  EXPECT_THAT(
      text, HasSubstr("\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fBtext\\fR|\\fBjson\\fR\n\\&.form \\e of it\n"));
  EXPECT_THAT(text, HasSubstr(".PP\nSaid\\[u2026]\n"));
  EXPECT_THAT(text, HasSubstr(".nf\nringctl task list\n\\&.dot \\(aqx\\(aq\n.fi\n"));
  EXPECT_THAT(page("ringctl"), HasSubstr("\\fBringctl\\-task\\-submit\\fR(1)\nSubmit\n"));
}

// Of the real program, where there is a groff.
TEST(ManPages, AreReadByRoffWithoutAWarning) {
  if (std::system("command -v groff >/dev/null") != 0) GTEST_SKIP() << "there is no groff";
  const ScratchDirectory folder;
  const std::string check = BINARY_ROOT "/ringctl man " + folder.path() + " && cat " + folder.path() +
                            "/*.1 | groff -ww -man -Tutf8 2>&1 >/dev/null | tee " + folder.path() +
                            "/warnings && ! test -s " + folder.path() + "/warnings";
  EXPECT_EQ(std::system(check.c_str()), 0);
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/ringctl-task-watch.1"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/ringctl-man.1"));
}

}  // namespace
}  // namespace ringmaster

// The completion script, in a real bash.
#include <array>
#include <cstdio>
#include <string>

#include <gmock/gmock.h>

#include "tests/unit/base/scratch_directory.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> bytes;
  for (std::size_t count; (count = std::fread(bytes.data(), 1, bytes.size(), pipe)) > 0;)
    text.append(bytes.data(), count);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

// What bash offers for the last of these words; `before` stands in front of it.
std::string offered(const std::string& words, const std::string& before = "") {
  return output_of(before +
                   "bash -c 'PATH=" BINARY_ROOT ":$PATH; source <(ringctl completion bash); COMP_WORDS=(" +
                   words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ringctl; echo \" ${COMPREPLY[*]} \"'");
}

TEST(Completion, OffersCommandsAndTheirOptions) {
  EXPECT_THAT(offered("ringctl ta"), HasSubstr(" task "));
  EXPECT_THAT(offered("ringctl task \"\""), HasSubstr(" submit "));
  EXPECT_THAT(offered("ringctl -o json task list --st"), HasSubstr(" --state "));
  EXPECT_THAT(offered("ringctl task list --clu"), HasSubstr(" --cluster "))
      << "global options stand anywhere";
  EXPECT_THAT(offered("ringctl task list --ea"), Not(HasSubstr("--each"))) << "that is an option of submit";
  EXPECT_THAT(offered("ringctl task submit -- --"), Not(HasSubstr("--each"))) << "a command's own words";
}

TEST(Completion, OffersWhatAnOptionTakes) {
  EXPECT_EQ(offered("ringctl task list -o \"\""), " text json jsonl \n");
  EXPECT_EQ(offered("ringctl --output = js"), " json jsonl \n") << "bash splits at =";
  EXPECT_EQ(offered("ringctl task list --state SU"), " SUCCEEDED \n");
  EXPECT_EQ(offered("ringctl completion z"), " zsh \n");
  EXPECT_EQ(offered("ringctl task submit --routing \"\""), " bounded strict \n");
  EXPECT_THAT(offered("ringctl task submit --wait --ea"), HasSubstr(" --each ")) << "a flag here";
}

TEST(Completion, OffersTheProfilesThatThereAre) {
  const ScratchDirectory folder;
  const std::string file = folder.write("profiles.yaml", "profiles:\n  one:\n  other:\n  two:\n");
  EXPECT_EQ(offered("ringctl --profile o", "RINGMASTER_CONFIG=" + file + " "), " one other \n");
  EXPECT_EQ(offered("ringctl --profile o", "RINGMASTER_CONFIG=/nowhere "), "  \n") << "and no error";
}

TEST(Completion, KnowsTheOtherShells) {
  EXPECT_THAT(output_of(BINARY_ROOT "/ringctl completion zsh"), HasSubstr("#compdef ringctl"));
  const std::string fish = output_of(BINARY_ROOT "/ringctl completion fish");
  EXPECT_THAT(
      fish,
      HasSubstr("__fish_seen_subcommand_from task; and __fish_seen_subcommand_from list' -l state -x -a "
                "'DELAYED READY"));
  EXPECT_THAT(fish, HasSubstr("complete -c ringctl -s o -l output -x -a 'text json jsonl'"));
  EXPECT_THAT(fish, HasSubstr("-l profile -x -a '(ringctl config profiles -q 2>/dev/null)'"));
}

}  // namespace
}  // namespace ringmaster

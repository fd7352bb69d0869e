// The completion script, in a real bash.
#include <array>
#include <cstdio>
#include <string>

#include <gmock/gmock.h>

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

// What bash offers for the last of these words.
std::string offered(const std::string& words) {
  return output_of("bash -c 'source <(" BINARY_ROOT "/ringctl completion bash); COMP_WORDS=(" + words +
                   "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ringctl; echo \" ${COMPREPLY[*]} \"'");
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

TEST(Completion, KnowsTheOtherShells) {
  EXPECT_THAT(output_of(BINARY_ROOT "/ringctl completion zsh"), HasSubstr("#compdef ringctl"));
  EXPECT_THAT(output_of(BINARY_ROOT "/ringctl completion fish"),
              HasSubstr("__fish_seen_subcommand_from task; and __fish_seen_subcommand_from list' -l state"));
}

}  // namespace
}  // namespace ringmaster

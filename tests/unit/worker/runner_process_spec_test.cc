#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/task.h"
#include "worker/process_spec.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

std::string argv_of(std::size_t entries, std::size_t bytes_each) {
  std::string json = R"({"argv":["x")";
  for (std::size_t i = 1; i < entries; ++i) json += ",\"" + std::string(bytes_each, 'a') + "\"";
  return json + "]}";
}

TEST(ProcessSpec, NeedsNoMoreThanAProgram) {
  const auto spec = parse_process_spec(R"({"argv":["sha256sum","/x"]})");
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_THAT(spec->argv, ElementsAre("sha256sum", "/x"));
  EXPECT_TRUE(spec->env.empty());
  EXPECT_EQ(spec->cwd, "");
  EXPECT_FALSE(spec->stdin_text);
  EXPECT_THAT(spec->success_exit_codes, ElementsAre(0));
  EXPECT_EQ(spec->kill_grace, 10s);
}

TEST(ProcessSpec, ReadsEveryField) {
  const auto spec = parse_process_spec(
      R"({"shell":"a | b","env":{"K":"V"},"cwd":"/tmp","stdin":"a\u0000b","success_exit_codes":[0,3],"kill_grace":"1m",)"
      R"("secrets":{"S":"name.of-it"},"run_as":"app","limits":{"processes":3}})");
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_THAT(spec->argv, ElementsAre("/bin/sh", "-c", "a | b"));
  EXPECT_THAT(spec->env, ElementsAre(Pair("K", "V")));
  EXPECT_THAT(spec->secrets, ElementsAre(Pair("S", "name.of-it")));
  EXPECT_EQ(spec->run_as, "app");
  EXPECT_EQ(spec->limits.processes, 3);
  EXPECT_EQ(spec->cwd, "/tmp");
  EXPECT_EQ(spec->stdin_text, std::string("a\0b", 3));
  EXPECT_THAT(spec->success_exit_codes, ElementsAre(0, 3));
  EXPECT_EQ(spec->kill_grace, 1min);
}

struct Refusal {
  std::string json, field, message;
};

class ProcessSpecRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(ProcessSpecRefuses, NamingTheFieldAndTheReason) {
  const auto spec = parse_process_spec(GetParam().json);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(spec.error().field, GetParam().field);
  EXPECT_THAT(spec.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, ProcessSpecRefuses,
    testing::Values(
        Refusal{"", "spec", "is not JSON"}, Refusal{R"({"argv":["x"]} x)", "spec", "is not JSON"},
        Refusal{"[]", "spec", "must be a JSON object"},
        Refusal{"{}", "spec", "exactly one of argv and shell"},
        Refusal{R"({"argv":["x"],"shell":"x"})", "spec", "exactly one of argv and shell"},
        Refusal{R"({"argv":["x"],"user":"root"})", "spec.user", "unknown field"},
        Refusal{R"({"argv":[]})", "spec.argv", "list of strings"},
        Refusal{R"({"argv":"x"})", "spec.argv", "list of strings"},
        Refusal{R"({"argv":[""]})", "spec.argv", "name is empty"},
        Refusal{R"({"argv":[")" + std::string(256, 'x') + R"("]})", "spec.argv", "at most 255 bytes"},
        Refusal{R"({"argv":["x"],"env":{"PATH":")" + std::string(4097, 'x') + R"("}})", "spec.env.PATH",
                "at most 4096 bytes"},
        Refusal{R"({"argv":["x",1]})", "spec.argv", "must be a string"},
        Refusal{R"({"argv":["x","a\u0000b"]})", "spec.argv", "NUL"},
        Refusal{R"({"shell":""})", "spec.shell", "is empty"},
        Refusal{R"({"shell":["x"]})", "spec.shell", "must be a string"},
        Refusal{R"({"argv":["x"],"env":[]})", "spec.env", "object of strings"},
        Refusal{R"({"argv":["x"],"env":{"A":1}})", "spec.env.A", "must be a string"},
        Refusal{R"({"argv":["x"],"env":{"A=B":"1"}})", "spec.env", "'='"},
        Refusal{R"({"argv":["x"],"env":{"":"1"}})", "spec.env", "must not be empty"},
        Refusal{R"({"argv":["x"],"env":{"RINGMASTER_FENCE":"1"}})", "spec.env", "reserved"},
        Refusal{R"({"argv":["x"],"run_as":""})", "spec.run_as", "name of a user"},
        Refusal{R"({"argv":["x"],"run_as":1000})", "spec.run_as", "name of a user"},
        Refusal{R"({"argv":["x"],"run_as":"a\u0000b"})", "spec.run_as", "name of a user"},
        Refusal{R"({"argv":["x"],"limits":{"cpus":1}})", "spec.limits.cpus", "unknown field"},
        Refusal{R"({"argv":["x"],"secrets":["a"]})", "spec.secrets", "must be an object"},
        Refusal{R"({"argv":["x"],"secrets":{"A":".."}})", "spec.secrets.A", "name of a secret"},
        Refusal{R"({"argv":["x"],"cwd":"tmp"})", "spec.cwd", "absolute"},
        Refusal{R"({"argv":["x"],"stdin":1})", "spec.stdin", "must be a string"},
        Refusal{R"({"argv":["x"],"success_exit_codes":[]})", "spec.success_exit_codes", "1 to 256"},
        Refusal{R"({"argv":["x"],"success_exit_codes":[256]})", "spec.success_exit_codes", "0 to 255"},
        Refusal{R"({"argv":["x"],"success_exit_codes":[-1]})", "spec.success_exit_codes", "0 to 255"},
        Refusal{R"({"argv":["x"],"success_exit_codes":[1.5]})", "spec.success_exit_codes", "0 to 255"},
        Refusal{R"({"argv":["x"],"kill_grace":5})", "spec.kill_grace", "duration"},
        Refusal{R"({"argv":["x"],"kill_grace":"5"})", "spec.kill_grace", "duration"},
        Refusal{R"({"argv":["x"],"kill_grace":"61m"})", "spec.kill_grace", "at most 1h"},
        Refusal{argv_of(kMaxArguments + 1, 1), "spec.argv", "at most 4096 entries"},
        Refusal{argv_of(2, kMaxArgumentBytes), "spec", "at most 131072 bytes"},
        Refusal{R"({"argv":["x"],"stdin":")" + std::string(kMaxSpecBytes, 'x') + R"("})", "spec",
                "at most 262144"}));

TEST(ProcessSpec, AllowsTheLongestNameAndPathOfAProgram) {
  EXPECT_TRUE(parse_process_spec(R"({"argv":[")" + std::string(255, 'x') + R"("],"env":{"PATH":")" +
                                 std::string(4096, 'x') + R"("}})"));
  EXPECT_TRUE(parse_process_spec(R"({"argv":["/)" + std::string(256, 'x') + R"("]})"));
}

TEST(ProcessSpec, AllowsAsManyArgumentsAsItsBoundsSay) {
  EXPECT_TRUE(parse_process_spec(argv_of(kMaxArguments, 1)));
  EXPECT_TRUE(parse_process_spec(argv_of(2, kMaxArgumentBytes - 3)));
  EXPECT_FALSE(parse_process_spec(argv_of(2, kMaxArgumentBytes - 2)));
}

}  // namespace
}  // namespace ringmaster

// Secrets of a worker: which files it takes for one, who gets them, and where they never show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/http_fixture.h"
#include "worker/process_order.h"
#include "worker/secret_store.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr auto kValue = "s3cr3t-of-the-house";

class SecretsTest : public testing::Test {
 protected:
  SecretsTest() {
    std::filesystem::create_directory(secrets_);
    ::chmod(secrets_.c_str(), 0700);
    put("db", std::string(kValue) + "\n");
  }
  void put(const std::string& name, const std::string& value, mode_t mode = 0600) const {
    std::ofstream(secrets_ + "/" + name, std::ios::binary) << value;
    ::chmod((secrets_ + "/" + name).c_str(), mode);
  }
  std::string fault(const std::string& name) const {
    const auto value = SecretStore(secrets_).read(name);
    EXPECT_FALSE(value) << name;
    return value ? "" : value.error().message;
  }
  RunnerWorld& world() {
    if (!world_) world_.emplace(directory_.path() + "/data", ProcessRules{.secrets_dir = secrets_});
    return *world_;
  }

  TempDirectory directory_;
  std::string secrets_ = directory_.path() + "/secrets";
  std::optional<RunnerWorld> world_;
};

TEST_F(SecretsTest, AreReadWithoutTheirLastLineBreak) {
  EXPECT_EQ(*SecretStore(secrets_).read("db"), kValue);
  put("lines", "a\nb\n\n");
  EXPECT_EQ(*SecretStore(secrets_).read("lines"), "a\nb\n");
  put("dos", "a\r\n", 0400);
  EXPECT_EQ(*SecretStore(secrets_).read("dos"), "a");
  put("long", std::string(kMaxSecretBytes, 'x'), 0640);
  EXPECT_EQ(SecretStore(secrets_).read("long")->size(), kMaxSecretBytes);
}

TEST_F(SecretsTest, TakeNoOtherFilesThanTheirOwn) {
  std::ofstream(directory_.path() + "/outside") << "x";
  for (const std::string name : {"", ".", "..", "../outside", ".hidden", "a/b", "a b", "db\n", "é"})
    EXPECT_THAT(fault(name), HasSubstr("a name is 1 to 128 letters")) << name;
  EXPECT_THAT(fault(std::string(129, 'a')), HasSubstr("a name is 1 to 128 letters"));
  std::filesystem::create_symlink("db", secrets_ + "/link");
  EXPECT_EQ(fault("link"), "secret link: a link, not a regular file");
  std::filesystem::create_directory(secrets_ + "/folder");
  EXPECT_EQ(fault("folder"), "secret folder: not a regular file");
  ASSERT_EQ(::mkfifo((secrets_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(fault("fifo"), "secret fifo: not a regular file");
  EXPECT_EQ(fault("none"), "secret none: this worker has no such secret");
}

TEST_F(SecretsTest, AreRefusedWhenOthersCouldReadOrChangeThem) {
  for (const mode_t mode : {0604, 0602, 0620, 0644, 0666}) {
    put("open", kValue, mode);
    EXPECT_EQ(fault("open"), "secret open: others may read or change its file; run chmod 600 on it");
    std::filesystem::remove(secrets_ + "/open");
  }
  for (const mode_t mode : {0720, 0702, 0777}) {
    ::chmod(secrets_.c_str(), mode);
    EXPECT_THAT(fault("db"), HasSubstr("others may change it"));
  }
  ::chmod(secrets_.c_str(), 0755);
  EXPECT_TRUE(SecretStore(secrets_).read("db"));
}

TEST_F(SecretsTest, AreRefusedFromAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown((secrets_ + "/db").c_str(), 65534, 65534), 0);
  EXPECT_THAT(fault("db"), HasSubstr("belongs neither to the worker's user nor to root"));
}

TEST_F(SecretsTest, AreRefusedEmptyOrTooLong) {
  put("empty", "\n");
  EXPECT_EQ(fault("empty"), "secret empty: empty");
  put("long", std::string(kMaxSecretBytes + 1, 'x'));
  EXPECT_EQ(fault("long"), "secret long: longer than 64 KiB");
}

TEST_F(SecretsTest, AWorkerWithoutADirectoryHasNone) {
  EXPECT_EQ(SecretStore("").read("db").error().message, "secret db: this worker has none (secrets_dir)");
  EXPECT_TRUE(SecretStore("").check());
  EXPECT_EQ(SecretStore("/no/such").check().error().message,
            "secrets_dir /no/such: No such file or directory");
}

TEST(Redaction, LeavesNothingOfASecretBehind) {
  const auto redacted = [](std::string text, const std::vector<std::string>& secrets, Cut cut = Cut::none) {
    redact(text, secrets, cut);
    return text;
  };
  EXPECT_EQ(redacted("a pass b passpass", {"pass"}), "a [secret] b [secret][secret]");
  EXPECT_EQ(redacted("password", {"pass", "password"}), "[secret]") << "the longest first";
  EXPECT_EQ(redacted("x", {"", "secret"}), "x");
  EXPECT_EQ(redacted("word more", {"password"}, Cut::begin), "[secret] more");
  EXPECT_EQ(redacted("word more", {"password"}), "word more");
  EXPECT_EQ(redacted("rd more", {"password"}, Cut::begin), "rd more") << "two letters are chance";
  EXPECT_EQ(redacted("more pass", {"password"}, Cut::end), "more [secret]");
  EXPECT_EQ(redacted("more pass", {"password"}), "more pass");
  EXPECT_EQ(redacted("more pas", {"password"}, Cut::end), "more pas");
  EXPECT_EQ(redacted("abcdef", {"abcd", "cdef"}), "[secret]") << "they overlap";
  EXPECT_EQ(redacted("ssword, pass", {"pass", "password"}, Cut::begin), "[secret], [secret]");
}

TEST(Redaction, KnowsEachLineOfASecret) {
  std::string text = "| first line\n| second\n| one, one\n";
  redact(text, {"first line\r\nsecond\none\n"});
  EXPECT_EQ(text, "| [secret]\n| [secret]\n| one, one\n") << "three letters are chance";
}

TEST_F(SecretsTest, ReachTheAttemptsEnvironment) {
  const auto result = world().run(R"({"shell":"printf %s \"$DB\" | sha256sum","secrets":{"DB":"db"}})");
  EXPECT_EQ(result.output_tail, "15f8dfc75624e43b39373ac119f3f2c1bc7869d0c2c98656959e21f6bdb033be  -\n");
}

TEST_F(SecretsTest, AreReadAnewForEachAttempt) {
  const auto length = R"({"shell":"echo ${#DB}","secrets":{"DB":"db"}})";
  EXPECT_EQ(world().run(length).output_tail, "19\n");
  put("db", "four");
  EXPECT_EQ(world().run(length).output_tail, "4\n");
}

TEST_F(SecretsTest, NeverShowInAResult) {
  const auto spec = R"({"shell":"echo value is $DB; exit 3","secrets":{"DB":"db"}})";
  EXPECT_EQ(world().run(spec).output_tail, "value is [secret]\n");
  // More than is kept, so that the beginning of what is kept falls into one.
  const auto flood = world().run(
      R"({"shell":"i=0; while [ $i -lt 3000 ]; do printf %s $DB; i=$((i+1)); done","secrets":{"DB":"db"}})");
  EXPECT_THAT(flood.output_tail, Not(HasSubstr("the-house")));
  EXPECT_THAT(flood.output_tail, HasSubstr("[secret]"));
}

TEST_F(SecretsTest, NeverShowInAMessage) {
  put("path", "/no/such/program");
  const auto result = world().run(R"({"argv":["/no/such/program"],"secrets":{"P":"path"}})");
  EXPECT_EQ(result.message, "no such file: [secret]");
  if (::geteuid() != 0) return;
  RunnerWorld other(directory_.path() + "/other", {.run_as = {{"nobody"}, ""}, .secrets_dir = secrets_});
  EXPECT_EQ(other.run(R"({"argv":["/no/such/program"],"secrets":{"P":"path"},"run_as":"nobody"})").message,
            "no such file: [secret]");
}

// At 0 a program in core_pattern would get one.
TEST_F(SecretsTest, AreLeftInNoCore) {
  const auto result = world().run(R"({"shell":"grep core /proc/self/limits","secrets":{"DB":"db"}})");
  EXPECT_THAT(result.output_tail, testing::ContainsRegex("core file size +1 +1 "));
}

TEST_F(SecretsTest, MakeNoPathToSearchForever) {
  std::string path;
  while (path.size() < 60'000) path += "/x:";
  put("path", path + "/bin");
  EXPECT_EQ(world().run(R"({"argv":["true"],"secrets":{"PATH":"path"}})").message,
            "no such command in PATH: true");
  put("path", "/bin:" + path);
  EXPECT_EQ(world().run(R"({"argv":["true"],"secrets":{"PATH":"path"}})").outcome, Outcome::succeeded);
}

TEST_F(SecretsTest, AMissingOneFailsTheAttemptForGood) {
  put("nul", std::string("a\0b", 3));
  for (const auto& [secrets, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"DB":"none"})", "spec.secrets.DB: secret none: this worker has no such secret"},
           {R"({"DB":"nul"})", "spec.secrets.DB: secret nul has a NUL character, which no variable can hold"},
           {R"({"DB":"../secrets/db"})", "spec.secrets.DB: must be the name of a secret"},
           {R"({"DB":{"secret":"db"}})", "spec.secrets.DB: must be the name of a secret"},
           {R"({"RINGMASTER_FENCE":"db"})", "spec.secrets: names that begin with RINGMASTER_ are reserved"},
           {R"({"A=B":"db"})", "spec.secrets: a name must not be empty nor contain '='"},
           {R"({"DB":"db"},"env":{"DB":"x"})", "spec.secrets.DB: is in env too"},
       }) {
    const auto result = world().run(R"({"argv":["true"],"secrets":)" + secrets + "}");
    EXPECT_THAT(result.message, testing::StartsWith(message));
    EXPECT_TRUE(result.permanent);
  }
  EXPECT_TRUE(world().handler.started.empty());
}

TEST_F(SecretsTest, AreNotMoreThanAProgramCanTake) {
  for (const auto* name : {"a", "b", "c"}) put(name, std::string(kMaxSecretBytes, 'x'));
  EXPECT_EQ(world().run(R"({"argv":["true"],"secrets":{"A":"a","B":"b"}})").outcome, Outcome::succeeded);
  EXPECT_EQ(world().run(R"({"argv":["true"],"secrets":{"A":"a","B":"b","C":"c"}})").message,
            "spec.secrets: more than 128 KiB together");
}

// ---- kind http --------------------------------------------------------------------------------------------

class HttpSecrets : public HttpRunnerPlain {
 protected:
  HttpSecrets() {
    std::filesystem::create_directory(secrets_);
    ::chmod(secrets_.c_str(), 0700);
    put("token", std::string(kValue) + "\n");
    options_.secrets_dir = secrets_;
  }
  void put(const std::string& name, const std::string& value) const {
    std::ofstream(secrets_ + "/" + name, std::ios::binary) << value;
    ::chmod((secrets_ + "/" + name).c_str(), 0600);
  }
  std::string secrets_ = directory_.path() + "/secrets";
};

TEST_F(HttpSecrets, AreSentAsAHeaderAndNeverComeBack) {
  const auto result = get_answered(
      http_answer("401 Unauthorized", "bad token " + std::string(kValue)),
      R"(,"headers":{"Authorization":{"secret":"token","prefix":"Bearer "},"X-Key":{"secret":"token"}})");
  EXPECT_EQ(header("Authorization"), "Bearer " + std::string(kValue));
  EXPECT_EQ(header("X-Key"), kValue);
  EXPECT_EQ(result.output_tail, "bad token [secret]");
  EXPECT_EQ(result.message, "HTTP 401 Unauthorized");
}

TEST_F(HttpSecrets, RefusesWhatNoHeaderCanHold) {
  put("lines", "a\r\nX-Evil: b");
  put("long", std::string(kMaxHeaderValue + 1, 'x'));
  for (const auto& [value, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"secret":"lines"})", "spec.headers.A: secret lines is too long for a header, or has control"},
           {R"({"secret":"long"})", "spec.headers.A: secret long is too long for a header"},
           {R"({"secret":"none"})", "spec.headers.A: secret none: this worker has no such secret"},
           {R"({"secret":"../x"})", "spec.headers.A.secret: must be 1 to 128 letters"},
           {R"({"prefix":"x"})", "spec.headers.A.secret: must be 1 to 128 letters"},
           {R"({"secret":"token","prefix":"a\r\n"})", "spec.headers.A.prefix: must not contain control"},
           {R"({"secret":"token","suffix":"a"})", "spec.headers.A: expected {\"secret\""},
       }) {
    const auto result = get(R"(,"headers":{"A":)" + value + "}");
    EXPECT_THAT(result.message, testing::StartsWith(message));
    EXPECT_TRUE(result.permanent);
  }
  EXPECT_TRUE(server_.requests.empty());
}

}  // namespace
}  // namespace ringmaster

#include "base/secret_file.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/base/scratch_directory.h"

namespace ringmaster {
namespace {

class SecretFile : public testing::Test {
 protected:
  std::string write(const std::string& content, mode_t mode) {
    const std::string path = directory_.write("secret", content);
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  ScratchDirectory directory_;
};

TEST_F(SecretFile, GivesItsContentWithoutTheFinalLineBreak) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"s3cret", "s3cret"}, {"s3cret\n", "s3cret"}, {"s3cret\r\n", "s3cret"}, {" a b \n\n", " a b \n"}};
  for (const auto& [content, expected] : cases) {
    EXPECT_EQ(read_secret_file(write(content, 0600)).value(), expected);
  }
}

TEST_F(SecretFile, MayBeReadOnly) {
  EXPECT_TRUE(read_secret_file(write("s3cret", 0400)));
}

TEST_F(SecretFile, IsRefusedWhenOthersMayTouchIt) {
  for (const mode_t mode : {0644, 0640, 0604, 0620, 0601, 0666, 0700}) {
    const auto secret = read_secret_file(write("s3cret", mode));
    ASSERT_FALSE(secret) << std::oct << mode;
    EXPECT_EQ(secret.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(secret.error().message.find("s3cret"), std::string::npos);
  }
}

TEST_F(SecretFile, IsRefusedWhenItHoldsNoSecret) {
  EXPECT_FALSE(read_secret_file(write("", 0600)));
  EXPECT_FALSE(read_secret_file(write("\n", 0600)));
  EXPECT_TRUE(read_secret_file(write(std::string(4096, 'x'), 0600)));
  EXPECT_FALSE(read_secret_file(write(std::string(4097, 'x'), 0600)));
}

TEST_F(SecretFile, IsRefusedWhenItIsNoRegularFile) {
  EXPECT_FALSE(read_secret_file(directory_.path()));
  EXPECT_FALSE(read_secret_file(directory_.path() + "/missing"));
  const std::string pipe = directory_.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(read_secret_file(pipe));  // and does not wait for a writer
}

}  // namespace
}  // namespace ringmaster

#include "base/address.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(Address, SplitsHostAndPort) {
  const std::vector<std::pair<std::string, HostPort>> cases{{"127.0.0.1:7420", {"127.0.0.1", 7420}},
                                                            {"node-1.example_x:0", {"node-1.example_x", 0}},
                                                            {"[::1]:65535", {"::1", 65535}}};
  for (const auto& [text, expected] : cases) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(*address, expected) << text;
  }
}

TEST(Address, RefusesWhatIsNotHostAndPort) {
  for (const char* text :
       {"", ":", "host", "host:", ":80", "host:x", "host:65536", "host:-1", "host:+1", "host:80 ", "ho st:80",
        "::1:80", "[::1]", "[::1]80", "[host]:80", "[]:80", "a/b:80"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Address, KnowsLoopback) {
  for (const char* text : {"localhost", "localhost:80", "127.0.0.1", "127.8.9.1:80", "::1", "[::1]",
                           "[::1]:80", "[::ffff:127.0.0.1]:80"}) {
    EXPECT_TRUE(is_loopback(text)) << text;
  }
  for (const char* text : {"", "0.0.0.0:80", "10.0.0.1", "127.evil.example:80", "localhost.example:80",
                           "[::]:80", "::2", "[::ffff:10.0.0.1]:80", "128.0.0.1:80"}) {
    EXPECT_FALSE(is_loopback(text)) << text;
  }
}

}  // namespace
}  // namespace ringmaster

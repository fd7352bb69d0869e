#include "base/nearest_word.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(NearestWord, IsWhatWasMeant) {
  EXPECT_EQ(nearest_word("lits", {"get", "list", "wait"}), "list");
  EXPECT_EQ(nearest_word("wrker_timeout", {"timeout", "worker_timeout"}), "worker_timeout");
}

TEST(NearestWord, IsNothingFarAway) {
  EXPECT_EQ(nearest_word("everything", {"get", "list"}), "");
  EXPECT_EQ(nearest_word("list", {}), "");
}

}  // namespace
}  // namespace ringmaster

#include "registry/member_json.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using testing::HasSubstr;

MasterMember a_master() {
  return {"m-1",          "10.0.0.1:7000", "10.0.0.1:8000",
          Incarnation{7}, "0.1.0",         from_unix_micros(1'795'253'400'000'001)};
}

WorkerMember a_worker() {
  return {.id = "w-1",
          .address = "10.0.0.2:7100",
          .incarnation = Incarnation{9},
          .groups = {"default", "gpu"},
          .slots = 16,
          .weight = 3,
          .labels = {{"rack", "r\"1"}, {"zone", "ä"}},
          .version = "0.1.0",
          .started_at = from_unix_micros(1'795'253'400'000'002)};
}

// The worker's JSON with one field's text replaced (or, with an empty text, left out).
std::string worker_with(const std::string& field, const std::string& value) {
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"schema", "1"},
      {"id", R"("w-1")"},
      {"address", R"("h:1")"},
      {"incarnation", '"' + to_string(Incarnation{9}) + '"'},
      {"groups", R"(["default"])"},
      {"slots", "4"},
      {"version", R"("0.1.0")"},
      {"started_at", R"("2026-11-21T09:30:00Z")"}};
  std::string json = "{\"unknown\":[1,{}]";
  bool known = false;
  for (const auto& [name, text] : fields) {
    known = known || name == field;
    const std::string& used = name == field ? value : text;
    if (!used.empty()) json += ",\"" + name + "\":" + used;
  }
  if (!known && !value.empty()) json += ",\"" + field + "\":" + value;
  return json + "}";
}

TEST(MemberJson, ReadsBackWhatItWrites) {
  EXPECT_EQ(parse_master_member(to_json(a_master())).value(), a_master());
  EXPECT_EQ(parse_worker_member(to_json(a_worker())).value(), a_worker());
}

TEST(MemberJson, WritesTheTextOfTheContract) {
  EXPECT_EQ(to_json(a_master()), R"({"schema":1,"id":"m-1","rpc_address":"10.0.0.1:7000",)"
                                 R"("http_address":"10.0.0.1:8000","incarnation":")" +
                                     to_string(Incarnation{7}) +
                                     R"(","version":"0.1.0","started_at":"2026-11-21T09:30:00.000001Z"})");
}

TEST(MemberJson, IgnoresUnknownFieldsAndALaterSchema) {
  const auto member = parse_worker_member(worker_with("schema", "2"));
  ASSERT_TRUE(member) << member.error().message;
  EXPECT_EQ(member->slots, 4U);
  EXPECT_EQ(member->weight, 1U);
  EXPECT_TRUE(member->labels.empty());
}

TEST(MemberJson, NamesTheFieldThatIsMissingOrWrong) {
  struct Case {
    std::string field, value, message;
  };
  const std::vector<Case> cases = {
      {"schema", "", "`schema` is missing"},
      {"schema", "0", "`schema` must be at least 1"},
      {"schema", R"("1")", "`schema` must be a whole number"},
      {"id", "", "worker member: `id` is missing"},
      {"id", "7", "`id` must be a string"},
      {"address", "null", "`address` must be a string"},
      {"incarnation", R"("9")", "`incarnation` is wrong"},
      {"groups", R"("default")", "`groups` must be an array of strings"},
      {"groups", "[1]", "`groups` must be an array of strings"},
      {"slots", "-1", "`slots` must be a whole number"},
      {"slots", "1.5", "`slots` must be a whole number"},
      {"slots", "4294967296", "`slots` must be a whole number"},
      {"weight", R"("2")", "`weight` must be a whole number"},
      {"labels", "[]", "`labels` must be an object of strings"},
      {"labels", R"({"a":1})", "`labels` must be an object of strings"},
      {"version", "", "`version` is missing"},
      {"started_at", R"("yesterday")", "`started_at` is wrong"},
  };
  for (const auto& c : cases) {
    const auto member = parse_worker_member(worker_with(c.field, c.value));
    ASSERT_FALSE(member) << c.message;
    EXPECT_EQ(member.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(member.error().field, c.field);
    EXPECT_THAT(member.error().message, HasSubstr(c.message));
  }
}

TEST(MemberJson, RefusesWhatIsNoJsonObject) {
  for (const std::string text : {"", "{", "[]", "1", "\xff", "{}x"}) {
    const auto member = parse_master_member(text);
    ASSERT_FALSE(member) << text;
    EXPECT_THAT(member.error().message, HasSubstr("master member is not "));
  }
}

}  // namespace
}  // namespace ringmaster

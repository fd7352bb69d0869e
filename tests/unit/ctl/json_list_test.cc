// What -o json and -o jsonl print.
#include "ctl/json_list.h"

#include <sstream>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

std::string listed(const std::string& output, bool terminal, int count, bool end = true) {
  std::ostringstream out, err;
  Ctl ctl(out, err, terminal, false);
  ctl.options.output = output;
  JsonList list(ctl);
  for (int i = 1; i <= count; ++i) list.add(boost::json::object{{"n", i}});
  if (end) list.end();
  return out.str();
}

TEST(JsonList, IsAnArrayOrADocumentALine) {
  EXPECT_EQ(listed("json", false, 2), "[{\"n\":1},\n{\"n\":2}]\n");
  EXPECT_EQ(listed("jsonl", false, 2), "{\"n\":1}\n{\"n\":2}\n");
  EXPECT_EQ(listed("json", false, 0), "[]\n");
  EXPECT_EQ(listed("jsonl", false, 0), "");
}

TEST(JsonList, AnArrayThatWasCutShortIsNoJson) {
  EXPECT_EQ(listed("json", false, 1, false), "[{\"n\":1}");
}

TEST(JsonList, IsIndentedForPeople) {
  EXPECT_EQ(listed("json", true, 2), "[\n  {\n    \"n\": 1\n  },\n  {\n    \"n\": 2\n  }\n]\n");
  EXPECT_EQ(listed("json", true, 0), "[]\n");
  EXPECT_EQ(listed("jsonl", true, 1), "{\"n\":1}\n") << "a line is a line";
}

TEST(WriteIndented, ChangesNothingButTheLayout) {
  const auto value = boost::json::parse(R"({"a\"b":[1,[],{}],"c":{"d":null},"e":"x\ny"})");
  std::ostringstream out;
  write_indented(out, value);
  EXPECT_EQ(out.str(),
            "{\n  \"a\\\"b\": [\n    1,\n    [],\n    {}\n  ],\n  \"c\": {\n    \"d\": null\n  },\n"
            "  \"e\": \"x\\ny\"\n}");
  EXPECT_EQ(boost::json::parse(out.str()), value);
}

}  // namespace
}  // namespace ringmaster

// What ringctl prints of an audit.
#include "ctl/audit_text.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::Not;

AuditReply reply() {
  AuditReply made{.answered_by = "m1", .took = std::chrono::milliseconds(71), .rows_read = 300};
  made.checks = {{.name = "shards_covered", .looked_at = 256}, {.name = "due_known", .looked_at = 4}};
  return made;
}

TEST(AuditText, ACleanAuditIsATableAndAWord) {
  EXPECT_EQ(audit_text(reply(), {}),
            "CHECK           LOOKED AT  OUTCOME\n"
            "shards_covered        256  ok\n"
            "due_known               4  ok\n"
            "\n"
            "clean (audit by m1, 71ms, 300 rows read)\n");
}

TEST(AuditText, AFindingSaysWhatIsWrongAndWhatToDo) {
  AuditReply found = reply();
  found.full = true;
  found.checks[1].findings = {{"task_7", "nobody will start it", "restart m1"}};
  found.checks[1].more = 2;
  EXPECT_EQ(audit_text(found, {}),
            "CHECK           LOOKED AT  OUTCOME\n"
            "shards_covered        256  ok\n"
            "due_known               4  3 found\n"
            "\n"
            "due_known\n"
            "  task_7: nobody will start it\n"
            "    do: restart m1\n"
            "  and 2 more\n"
            "\n"
            "3 violations (full audit by m1, 71ms, 300 rows read)\n");
}

TEST(AuditText, WhoDidNotAnswerAndWhatWasNotMadeIsNeverCalledClean) {
  AuditReply lame = reply();
  lame.checks[0].not_made = "the database cannot be read";
  lame.not_answered = {"worker w1 (asked by m1)"};
  lame.too_old = {"worker w2"};
  const std::string text = audit_text(lame, {});
  EXPECT_THAT(text, HasSubstr("shards_covered        256  not made\n"));
  EXPECT_THAT(text, HasSubstr("  not made: the database cannot be read\n"));
  EXPECT_THAT(text, HasSubstr("not answered\n  worker w1 (asked by m1)\n"));
  EXPECT_THAT(text, HasSubstr("too old to be asked\n  worker w2\n"));
  EXPECT_THAT(text, HasSubstr("incomplete: nothing was found"));
  EXPECT_THAT(text, Not(HasSubstr("clean")));
}

TEST(AuditText, WhatStandsInItCannotSteerTheTerminal) {
  AuditReply found = reply();
  found.checks[1].findings = {{"task\x1b[2J", "x\ny", "z\r"}};
  EXPECT_THAT(audit_text(found, {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(audit_text(found, {}), Not(HasSubstr("x\ny")));
}

}  // namespace
}  // namespace ringmaster

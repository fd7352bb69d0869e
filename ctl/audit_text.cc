#include "ctl/audit_text.h"

#include <algorithm>

namespace ringmaster {
namespace {

constexpr std::size_t kMaxLine = 500;

TextTable::Cell outcome_of(const AuditCheck& check) {
  const std::uint64_t found = check.findings.size() + check.more;
  if (found > 0) return {std::to_string(found) + " found", Tone::bad};
  if (!check.not_made.empty()) return {"not made", Tone::busy};
  return {"ok", Tone::good};
}

std::string summary_of(const AuditReply& reply, bool colour) {
  std::uint64_t found = 0;
  for (const AuditCheck& check : reply.checks) found += check.findings.size() + check.more;
  std::string text;
  switch (verdict_of(reply)) {
    case AuditVerdict::clean:
      text = toned("clean", Tone::good, colour);
      break;
    case AuditVerdict::violations:
      text = toned(std::to_string(found) + (found == 1 ? " violation" : " violations"), Tone::bad, colour);
      if (!reply.complete()) text += ", and incomplete";
      break;
    case AuditVerdict::incomplete:
      text = toned("incomplete", Tone::busy, colour) + ": nothing was found where it could be looked";
      break;
  }
  const auto took = std::chrono::ceil<std::chrono::milliseconds>(reply.took);
  return text + " (" + (reply.full ? "full audit" : "audit") + " by " +
         one_line(reply.answered_by, kMaxLine) + ", " + format_duration(took) + ", " +
         std::to_string(reply.rows_read) + " rows read)\n";
}

}  // namespace

std::string audit_text(const AuditReply& reply, const TextStyle& style) {
  using enum TextTable::Align;
  TextTable table({{"CHECK"}, {"LOOKED AT", right}, {"OUTCOME"}});
  for (const AuditCheck& check : reply.checks)
    table.add({{check.name}, {std::to_string(check.looked_at)}, outcome_of(check)});
  std::string text = table.render(style);

  for (const AuditCheck& check : reply.checks) {
    if (check.findings.empty() && check.not_made.empty()) continue;
    text += "\n" + one_line(check.name, kMaxLine) + "\n";
    if (!check.not_made.empty()) text += "  not made: " + one_line(check.not_made, kMaxLine) + "\n";
    for (const AuditFinding& finding : check.findings) {
      text += "  " + toned(one_line(finding.subject, kMaxLine), Tone::bad, style.colour) + ": " +
              one_line(finding.text, kMaxLine) + "\n    do: " + one_line(finding.advice, kMaxLine) + "\n";
    }
    if (check.more > 0) text += "  and " + std::to_string(check.more) + " more\n";
  }
  if (!reply.not_answered.empty()) text += "\nnot answered\n";
  for (const std::string& who : reply.not_answered) text += "  " + one_line(who, kMaxLine) + "\n";
  if (!reply.too_old.empty()) text += "\ntoo old to be asked\n";
  for (const std::string& who : reply.too_old) text += "  " + one_line(who, kMaxLine) + "\n";
  return text + "\n" + summary_of(reply, style.colour);
}

}  // namespace ringmaster

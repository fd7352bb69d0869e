#include "base/audit.h"

#include <algorithm>

namespace ringmaster {

bool AuditReply::complete() const {
  const auto not_made = [](const AuditCheck& check) { return !check.not_made.empty(); };
  return not_answered.empty() && !std::ranges::any_of(checks, not_made);
}

AuditVerdict verdict_of(const AuditReply& reply) {
  const auto found = [](const AuditCheck& check) { return !check.findings.empty() || check.more > 0; };
  if (std::ranges::any_of(reply.checks, found)) return AuditVerdict::violations;
  return reply.complete() ? AuditVerdict::clean : AuditVerdict::incomplete;
}

std::string_view to_string(AuditVerdict verdict) {
  switch (verdict) {
    case AuditVerdict::clean:
      return "clean";
    case AuditVerdict::violations:
      return "violations";
    case AuditVerdict::incomplete:
      return "incomplete";
  }
  return "";
}

}  // namespace ringmaster

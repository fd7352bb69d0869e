// What an audit found, for people. Pure.
#pragma once

#include <string>

#include "base/audit.h"
#include "ctl/text_table.h"

namespace ringmaster {

std::string audit_text(const AuditReply& reply, const TextStyle& style);

}  // namespace ringmaster

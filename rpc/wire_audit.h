// What an audit asks and is answered, in its protobuf form, for the codec only; as in wire_task.h. Any
// thread.
#pragma once

#include "base/audit.h"
#include "rpc/proto/ringmaster.pb.h"

namespace ringmaster {

void put(const AuditRequest& from, wire::AuditRequest& to);
[[nodiscard]] bool take(const wire::AuditRequest& from, AuditRequest& to);
void put(const AuditReply& from, wire::AuditReply& to);
[[nodiscard]] bool take(const wire::AuditReply& from, AuditReply& to);
void put(const AuditPartRequest& from, wire::AuditPartRequest& to);
[[nodiscard]] bool take(const wire::AuditPartRequest& from, AuditPartRequest& to);
void put(const AuditPartReply& from, wire::AuditPartReply& to);
[[nodiscard]] bool take(const wire::AuditPartReply& from, AuditPartReply& to);
void put(const HeldRequest& from, wire::HeldRequest& to);
[[nodiscard]] bool take(const wire::HeldRequest& from, HeldRequest& to);
void put(const HeldReply& from, wire::HeldReply& to);
[[nodiscard]] bool take(const wire::HeldReply& from, HeldReply& to);

}  // namespace ringmaster

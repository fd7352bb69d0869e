// What masters tell of the cluster, in its protobuf form, for the codec only; as in wire_task.h. Any thread.
#pragma once

#include "base/api.h"
#include "rpc/proto/ringmaster.pb.h"

namespace ringmaster {

void put(const WorkersReply& from, wire::WorkersReply& to);
[[nodiscard]] bool take(const wire::WorkersReply& from, WorkersReply& to);
void put(const MastersReply& from, wire::MastersReply& to);
[[nodiscard]] bool take(const wire::MastersReply& from, MastersReply& to);
void put(const ClusterReply& from, wire::ClusterReply& to);
[[nodiscard]] bool take(const wire::ClusterReply& from, ClusterReply& to);
void put(const GroupsReply& from, wire::GroupsReply& to);
[[nodiscard]] bool take(const wire::GroupsReply& from, GroupsReply& to);

}  // namespace ringmaster

// The other replies of the API as JSON, for HTTP and ringctl. Incarnations as text, times RFC 3339 UTC. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "base/api.h"
#include "base/result.h"

namespace ringmaster {

boost::json::object to_json(const WorkerView& worker);
boost::json::object to_json(const MasterView& master);
boost::json::object to_json(const ClusterReply& cluster);
// {"groups":[…],"not_answered":["m2"]}
boost::json::object to_json(const GroupsReply& reply);
boost::json::object to_json(const GroupsReply::Group& group);
// {"id":…,"state":…}
boost::json::object to_json(TaskId id, const ControlReply& reply);
// {"id":…,"state":…,"reasons":[{"code":…,"text":…}]}
boost::json::object to_json(TaskId id, const ExplainReply& reply);
// {"verdict":"clean","checks":[…],…}
boost::json::object to_json(const AuditReply& reply);
boost::json::object to_json(const AuditCheck& check);
// {"code":"not_found","message":…} and "field", if the error names one.
boost::json::object to_json(const Error& error);

}  // namespace ringmaster

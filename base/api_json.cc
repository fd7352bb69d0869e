#include "base/api_json.h"

#include <utility>

#include <boost/json/array.hpp>

namespace ringmaster {

namespace json = boost::json;

json::object to_json(const WorkerView& worker) {
  json::array groups;
  groups.reserve(worker.groups.size());
  for (const std::string& group : worker.groups) groups.emplace_back(group);
  return {{"id", worker.id},
          {"address", worker.address},
          {"version", worker.version},
          {"incarnation", to_string(worker.incarnation)},
          {"groups", std::move(groups)},
          {"slots", worker.slots},
          {"registered", worker.registered},
          {"connected", worker.connected},
          {"draining", worker.draining},
          {"credit_limit", worker.credit_limit},
          {"outstanding", worker.outstanding},
          {"queued", worker.queued},
          {"running", worker.running},
          {"spooled", worker.spooled},
          {"started_at", format_time(worker.started_at)}};
}

json::object to_json(const MasterView& master) {
  return {{"id", master.id},
          {"rpc_address", master.rpc_address},
          {"http_address", master.http_address},
          {"version", master.version},
          {"incarnation", to_string(master.incarnation)},
          {"self", master.self},
          {"shards", master.shards},
          {"started_at", format_time(master.started_at)}};
}

json::object to_json(const ClusterReply& cluster) {
  json::array lanes;
  lanes.reserve(cluster.lanes.size());
  for (const ClusterReply::Lane& lane : cluster.lanes) {
    lanes.push_back({{"group", lane.group},
                     {"waiting_in_memory", lane.waiting_in_memory},
                     {"dispatched", lane.dispatched},
                     {"more_in_store", lane.more_in_store},
                     {"workers", lane.workers}});
  }
  return {{"cluster", cluster.cluster},
          {"store_id", cluster.store_id},
          {"answered_by", cluster.answered_by},
          {"shards_owned", cluster.shards_owned},
          {"shards_unowned", cluster.shards_unowned},
          {"masters", cluster.masters},
          {"workers", cluster.workers},
          {"lanes", std::move(lanes)},
          {"accepted", cluster.accepted},
          {"completed", cluster.completed},
          {"retried", cluster.retried},
          {"store_up", cluster.store_up},
          {"registry_up", cluster.registry_up}};
}

json::object to_json(const GroupsReply::Group& group) {
  return {{"group", group.name},
          {"workers", group.workers},
          {"slots", group.slots},
          {"waiting_in_memory", group.waiting_in_memory},
          {"dispatched", group.dispatched},
          {"more_in_store", group.more_in_store}};
}

json::object to_json(const GroupsReply& reply) {
  json::array groups;
  for (const GroupsReply::Group& group : reply.groups) groups.push_back(to_json(group));
  return {{"groups", std::move(groups)},
          {"not_answered", json::array(reply.not_answered.begin(), reply.not_answered.end())}};
}

json::object to_json(TaskId id, const ControlReply& reply) {
  return {{"id", to_string(id)}, {"state", to_string(reply.state)}};
}

json::object to_json(TaskId id, const ExplainReply& reply) {
  json::array reasons;
  reasons.reserve(reply.reasons.size());
  for (const ExplainReply::Reason& reason : reply.reasons) {
    reasons.push_back({{"code", reason.code}, {"text", reason.text}});
  }
  return {{"id", to_string(id)}, {"state", to_string(reply.state)}, {"reasons", std::move(reasons)}};
}

json::object to_json(const AuditCheck& check) {
  json::array findings;
  findings.reserve(check.findings.size());
  for (const AuditFinding& finding : check.findings) {
    findings.push_back({{"subject", finding.subject}, {"text", finding.text}, {"advice", finding.advice}});
  }
  return {{"name", check.name},
          {"looked_at", check.looked_at},
          {"findings", std::move(findings)},
          {"more", check.more},
          {"not_made", check.not_made}};
}

json::object to_json(const AuditReply& reply) {
  json::array checks;
  checks.reserve(reply.checks.size());
  for (const AuditCheck& check : reply.checks) checks.push_back(to_json(check));
  const std::string_view verdict = to_string(verdict_of(reply));
  return {{"verdict", json::string_view(verdict.data(), verdict.size())},
          {"complete", reply.complete()},
          {"answered_by", reply.answered_by},
          {"at", format_time(reply.at)},
          {"took", format_duration(reply.took)},
          {"full", reply.full},
          {"rows_read", reply.rows_read},
          {"checks", std::move(checks)},
          {"not_answered", json::array(reply.not_answered.begin(), reply.not_answered.end())},
          {"too_old", json::array(reply.too_old.begin(), reply.too_old.end())}};
}

json::object to_json(const Error& error) {
  const std::string_view code = to_string(error.code);
  json::object out{{"code", json::string_view(code.data(), code.size())}, {"message", error.message}};
  if (!error.field.empty()) out["field"] = error.field;
  return out;
}

}  // namespace ringmaster

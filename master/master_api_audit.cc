// MasterNode as ApiService: audits. Any master makes one when it is asked; one of them makes one each minute.
#include <algorithm>

#include <glog/logging.h>

#include "master/master_node.h"

namespace ringmaster {

namespace {
constexpr std::size_t kLoggedFindings = 10;
constexpr ShardId kLeadersShard = 0;
}  // namespace

Auditor::Hooks MasterNode::audit_hooks() {
  return {.now = [this] { return now(); },
          .peers =
              [this] {
                std::vector<Auditor::Peer> peers;
                for (const MasterView& master : members_) {
                  if (master.self) continue;
                  const auto link = master_links_.find(master.id);
                  peers.push_back(
                      {master.id, master.incarnation, link == master_links_.end() ? 0 : link->second});
                }
                return peers;
              },
          .shown =
              [this] {
                std::vector<Incarnation> all;
                for (const MasterView& master : members_) all.push_back(master.incarnation);
                return all;
              },
          .registry_up = [this] { return registry_.session() == SessionState::connected; },
          .flush = [this] { flush(); }};
}

void MasterNode::audit(AuditRequest request, ApiResponder respond) {
  AuditScope scope;
  scope.full = request.full;
  auditor_.run(scope, [respond = std::move(respond)](AuditReply reply) mutable {
    respond(ApiReply{std::move(reply)});
  });
}

bool MasterNode::leads() const {
  return core_.shards().owns(kLeadersShard);
}

// One master makes it for all: the owner of shard 0, which PostgreSQL decides.
void MasterNode::audit_now_and_then() {
  if (options_.audit_interval == Duration{0}) return;
  audit_timer_.start(options_.audit_interval, [this] {
    audit_now_and_then();
    if (!leads()) {
      last_audit_.reset();
      return;
    }
    if (std::exchange(auditing_, true)) return;  // the last one is not over
    auditor_.run(kPeriodicAudit, [this](AuditReply reply) { on_audited(std::move(reply)); });
  });
}

void MasterNode::on_audited(AuditReply reply) {
  auditing_ = false;
  ++audits_;
  std::size_t logged = 0;
  for (const AuditCheck& check : reply.checks) {
    for (const AuditFinding& finding : check.findings) {
      if (++logged > kLoggedFindings) break;
      LOG(ERROR) << "audit: " << check.name << ": " << finding.subject << ": " << finding.text;
    }
  }
  last_audit_ = std::move(reply);
}

}  // namespace ringmaster

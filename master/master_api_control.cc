// MasterNode as ApiService: cancel and release, which its owner commits; and why a task is where it is.
#include <string>

#include "master/master_node.h"

namespace ringmaster {

void MasterNode::control(ControlRequest request, ApiResponder respond) {
  const ShardId shard = request.id.shard();
  if (!core_.shards().owns(shard)) {
    const LinkId owner = request.forwarded ? 0 : owner_link(shard);
    if (owner == 0) {
      return respond(fail(ErrorCode::unavailable, "the owner of this task is out of reach: try again"));
    }
    request.forwarded = true;
    return links_->call(owner, request, kForwardSlack, std::move(respond));
  }
  const Control item{request.id, request.action, now().wall, options_.core.ageing_step};
  controlling_.emplace(request.id, std::move(respond));
  controls_.push({item});
}

void MasterNode::answer_controls(const std::vector<Control>& items, const std::vector<WriteFate>& fates) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto node = controlling_.extract(items[i].id);
    if (node.empty()) continue;
    ApiResponder& respond = node.mapped();
    const bool cancel = items[i].action == ControlAction::cancel;
    if (fates[i] == WriteFate::applied) {
      respond(ApiReply{ControlReply{cancel ? TaskState::cancelling : TaskState::ready}});
    } else if (fates[i] == WriteFate::stale) {
      respond(fail(ErrorCode::already_exists, "the task is not quarantined: there is nothing to release"));
    } else {  // it has ended, or never was
      store_.lookup(
          {items[i].id}, guard([respond = std::move(respond)](Result<std::vector<Lookup>> found) mutable {
            if (!found) return respond(std::unexpected(found.error()));
            const auto& end = found->front().end;
            if (!end) return respond(fail(ErrorCode::not_found, "there is no such task"));
            respond(
                fail(ErrorCode::already_exists, "the task has ended: " + std::string(to_string(end->state))));
          }));
    }
  }
}

// Their shards went to another master before the intent was written.
void MasterNode::drop_controls(const std::set<ShardId>& shards) {
  controls_.drop_if([&](const Control& item) {
    if (!shards.contains(item.id.shard())) return false;
    if (const auto node = controlling_.extract(item.id)) {
      node.mapped()(fail(ErrorCode::unavailable, "the task has just moved to another master: try again"));
    }
    return true;
  });
}

void MasterNode::explain(ExplainRequest request, ApiResponder respond) {
  if (auto reply = core_.explain(request.id, now())) return respond(ApiReply{std::move(*reply)});
  const ShardId shard = request.id.shard();
  const LinkId owner = request.forwarded ? 0 : owner_link(shard);
  if (owner == 0) return explain_from_store(request.id, std::move(respond));
  request.forwarded = true;
  links_->call(owner, request, kForwardSlack,
               guard([this, id = request.id, respond = std::move(respond)](Result<ApiReply> reply) mutable {
                 if (reply) return respond(std::move(reply));
                 explain_from_store(id, std::move(respond));
               }));
}

// It is not in its owner's memory, or nobody owns it: what the row says.
void MasterNode::explain_from_store(TaskId id, ApiResponder respond) {
  store_.lookup(
      {id}, guard([this, id, respond = std::move(respond)](Result<std::vector<Lookup>> found) mutable {
        if (!found) return respond(std::unexpected(found.error()));
        const Lookup& lookup = found->front();
        ExplainReply reply;
        if (lookup.end) {
          reply.state = lookup.end->state;
          reply.reasons.push_back({"ended", "it has ended: " + std::string(to_string(reply.state))});
          return respond(ApiReply{std::move(reply)});
        }
        if (!lookup.row) return respond(fail(ErrorCode::not_found, "there is no such task"));
        const TaskRow& row = *lookup.row;
        reply.state = row.state;
        if (row.state == TaskState::quarantined) {
          reply.reasons.push_back(
              {"quarantined", "it ran on " + std::to_string(row.crashes) +
                                  " workers when they died: look at it, then `ringctl task release` "
                                  "or `ringctl task cancel`"});
        } else if (!core_.shards().owns(id.shard())) {
          const std::string& owner = shards_.owner_node(id.shard());
          reply.reasons.push_back(
              {"no_owner", owner.empty() ? "its shard has no owner at the moment"
                                         : "its owner " + owner + " is out of reach of this master"});
        } else if (row.run_at > now().wall) {
          reply.reasons.push_back({"not_due", "it is due at " + format_time(row.run_at)});
        } else {
          reply.reasons.push_back(
              {"in_store", "it waits in the database behind the tasks of its group that are ahead of it"});
        }
        respond(ApiReply{std::move(reply)});
      }));
}

}  // namespace ringmaster

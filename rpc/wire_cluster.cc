#include "rpc/wire_cluster.h"

namespace ringmaster {

void put(const WorkersReply& from, wire::WorkersReply& to) {
  for (const auto& view : from.workers) {
    auto& form = *to.add_workers();
    form.set_id(view.id);
    form.set_address(view.address);
    form.set_version(view.version);
    form.set_incarnation(view.incarnation.value);
    for (const auto& group : view.groups) form.add_groups(group);
    form.set_slots(view.slots);
    form.set_registered(view.registered);
    form.set_connected(view.connected);
    form.set_draining(view.draining);
    form.set_credit_limit(view.credit_limit);
    form.set_outstanding(view.outstanding);
    form.set_queued(view.queued);
    form.set_running(view.running);
    form.set_spooled(view.spooled);
    form.set_started_at(to_unix_micros(view.started_at));
  }
}
bool take(const wire::WorkersReply& from, WorkersReply& to) {
  for (const auto& form : from.workers()) {
    auto& view = to.workers.emplace_back();
    view.id = form.id();
    view.address = form.address();
    view.version = form.version();
    view.incarnation = Incarnation{form.incarnation()};
    view.groups.assign(form.groups().begin(), form.groups().end());
    view.slots = form.slots();
    view.registered = form.registered();
    view.connected = form.connected();
    view.draining = form.draining();
    view.credit_limit = form.credit_limit();
    view.outstanding = form.outstanding();
    view.queued = form.queued();
    view.running = form.running();
    view.spooled = form.spooled();
    view.started_at = from_unix_micros(form.started_at());
  }
  return true;
}

void put(const MastersReply& from, wire::MastersReply& to) {
  for (const auto& view : from.masters) {
    auto& form = *to.add_masters();
    form.set_id(view.id);
    form.set_rpc_address(view.rpc_address);
    form.set_http_address(view.http_address);
    form.set_version(view.version);
    form.set_incarnation(view.incarnation.value);
    form.set_self(view.self);
    form.set_shards(view.shards);
    form.set_started_at(to_unix_micros(view.started_at));
  }
}
bool take(const wire::MastersReply& from, MastersReply& to) {
  for (const auto& form : from.masters()) {
    to.masters.push_back({form.id(), form.rpc_address(), form.http_address(), form.version(),
                          Incarnation{form.incarnation()}, form.self(), form.shards(),
                          from_unix_micros(form.started_at())});
  }
  return true;
}

void put(const ClusterReply& from, wire::ClusterReply& to) {
  to.set_cluster(from.cluster);
  to.set_store_id(from.store_id);
  to.set_answered_by(from.answered_by);
  to.set_shards_owned(from.shards_owned);
  to.set_shards_unowned(from.shards_unowned);
  to.set_masters(from.masters);
  to.set_workers(from.workers);
  for (const auto& lane : from.lanes) {
    auto& form = *to.add_lanes();
    form.set_group(lane.group);
    form.set_waiting_in_memory(lane.waiting_in_memory);
    form.set_dispatched(lane.dispatched);
    form.set_more_in_store(lane.more_in_store);
    form.set_workers(lane.workers);
  }
  to.set_accepted(from.accepted);
  to.set_completed(from.completed);
  to.set_retried(from.retried);
  to.set_store_up(from.store_up);
  to.set_registry_up(from.registry_up);
}
bool take(const wire::ClusterReply& from, ClusterReply& to) {
  to.cluster = from.cluster();
  to.store_id = from.store_id();
  to.answered_by = from.answered_by();
  to.shards_owned = from.shards_owned();
  to.shards_unowned = from.shards_unowned();
  to.masters = from.masters();
  to.workers = from.workers();
  for (const auto& form : from.lanes()) {
    to.lanes.push_back(
        {form.group(), form.waiting_in_memory(), form.dispatched(), form.more_in_store(), form.workers()});
  }
  to.accepted = from.accepted();
  to.completed = from.completed();
  to.retried = from.retried();
  to.store_up = from.store_up();
  to.registry_up = from.registry_up();
  return true;
}

void put(const GroupsReply& from, wire::GroupsReply& to) {
  for (const auto& group : from.groups) {
    auto& form = *to.add_groups();
    form.set_name(group.name);
    form.set_workers(group.workers);
    form.set_slots(group.slots);
    form.set_waiting_in_memory(group.waiting_in_memory);
    form.set_dispatched(group.dispatched);
    form.set_more_in_store(group.more_in_store);
  }
  for (const auto& master : from.not_answered) to.add_not_answered(master);
}
bool take(const wire::GroupsReply& from, GroupsReply& to) {
  for (const auto& form : from.groups()) {
    to.groups.push_back({form.name(), form.workers(), form.slots(), form.waiting_in_memory(),
                         form.dispatched(), form.more_in_store()});
  }
  to.not_answered.assign(from.not_answered().begin(), from.not_answered().end());
  return true;
}

}  // namespace ringmaster

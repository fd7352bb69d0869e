// MasterNode as ApiService: submissions and queries. A query for another master's task is answered by its
// owner.
#include <algorithm>

#include <glog/logging.h>

#include "master/master_node.h"

namespace ringmaster {

namespace {
constexpr Duration kMaxWait = std::chrono::seconds(60);
constexpr Duration kRepoll = std::chrono::milliseconds(250);  // tasks whose owner cannot wake us
constexpr Duration kStoreSlack = std::chrono::seconds(4);     // less than kForwardSlack
constexpr Duration kRelook = std::chrono::seconds(5);         // shards that moved away while somebody waited
constexpr std::size_t kMaxWaitIds = 10'000;
constexpr std::uint32_t kMaxList = 1'000;
constexpr std::size_t kListsAtOnce = 2;
constexpr std::size_t kMostListsWaiting = 5'000;
constexpr std::size_t kMaxPageBytes = 3 << 20;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

// Whatever becomes of this master, a request is answered: if it goes down first, then by saying so.
class AnswerOnce {
 public:
  explicit AnswerOnce(ApiResponder respond) : respond_(std::move(respond)) {}
  AnswerOnce(AnswerOnce&& other) noexcept : respond_(std::exchange(other.respond_, nullptr)) {}
  AnswerOnce& operator=(AnswerOnce&&) = delete;
  ~AnswerOnce() {
    if (respond_)
      (*this)(fail(ErrorCode::unknown_outcome,
                   "this master stopped before it knew the outcome: look before you repeat"));
  }
  void operator()(Result<ApiReply> reply) { std::exchange(respond_, nullptr)(std::move(reply)); }

 private:
  ApiResponder respond_;
};

// A page that one frame can carry, whatever the specs are; the rest is the next page's.
void cut_page(ListReply& reply) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < reply.views.size(); ++i) {
    const TaskView& view = reply.views[i];
    bytes += 1'000 + view.row.task.spec.size() + view.row.task.labels.size();
    if (view.result) bytes += view.result->output_tail.size() + view.result->message.size();
    for (const AttemptRecord& record : view.attempts) {
      bytes += 300 + record.result.output_tail.size() + record.result.message.size();
    }
    if (bytes <= kMaxPageBytes || i == 0) continue;
    reply.views.resize(i);
    reply.next = reply.views.back().row.id;
    return;
  }
}
}  // namespace

void MasterNode::call(ApiRequest request, ApiResponder respond) {
  if (over_ || store_id_.empty())
    return respond(fail(ErrorCode::unavailable, "this master is starting or stopping: try again"));
  respond = AnswerOnce(std::move(respond));
  std::visit(
      Overloaded{[&](SubmitRequest& r) { submit(std::move(r), std::move(respond)); },
                 [&](GetRequest& r) { get(r, std::move(respond)); },
                 [&](WaitRequest& r) { wait(std::move(r), std::move(respond)); },
                 [&](ListRequest& r) { list(std::move(r), std::move(respond)); },
                 [&](WorkersRequest&) { respond(ApiReply{WorkersReply{core_.workers()}}); },
                 [&](MastersRequest&) { respond(ApiReply{masters()}); },
                 [&](ClusterRequest&) { respond(ApiReply{cluster()}); },
                 [&](ControlRequest& r) { control(r, std::move(respond)); },
                 [&](ExplainRequest& r) { explain(r, std::move(respond)); },
                 [&](LogRequest& r) { log(r, std::move(respond)); },
                 [&](GroupsRequest& r) { groups(r, std::move(respond)); },
                 [&](AuditRequest& r) { audit(r, std::move(respond)); },
                 [&](AuditPartRequest& r) { auditor_.part(r, std::move(respond)); },
                 [&](HeldRequest&) {
                   respond(fail(ErrorCode::invalid_argument, "a master holds no attempts: ask a worker"));
                 }},
      request);
}

LinkId MasterNode::owner_link(ShardId shard) const {
  if (core_.shards().owns(shard)) return 0;
  const auto it = master_links_.find(shards_.owner_node(shard));
  return it == master_links_.end() ? 0 : it->second;
}

namespace {
// The end of an attempt that was reported twice is in the log already: it was not late. A verdict has another
// time.
void forget_repeats(TaskView& view) {
  std::erase_if(view.late, [&](const AttemptRecord& late) {
    return std::ranges::any_of(view.attempts, [&](const AttemptRecord& known) {
      return known.attempt == late.attempt && known.epoch == late.epoch &&
             known.result.finished_at == late.result.finished_at;
    });
  });
}
}  // namespace

void MasterNode::show_live(TaskView& view) const {
  if (view.row.cancel_requested && !is_terminal(view.row.state)) view.row.state = TaskState::cancelling;
  if (is_terminal(view.row.state) || !core_.shards().owns(view.row.id.shard())) return;
  const auto live = core_.live(view.row.id);
  if (!live) return;
  view.row.state = live->state;
  view.row.worker = live->worker;
  view.row.started_at = live->started_at;
  view.row.attempt = live->token.attempt;
  view.row.epoch = live->token.epoch;
  view.progress = live->progress;
}

void MasterNode::get_here(TaskId id, ApiResponder respond) {
  store_.get(id, guard([this, respond = std::move(respond)](Result<TaskView> view) mutable {
               if (!view) return respond(std::unexpected(view.error()));
               forget_repeats(*view);
               show_live(*view);
               respond(ApiReply{GetReply{std::move(*view)}});
             }));
}

void MasterNode::get(GetRequest request, ApiResponder respond) {
  if (request.wait < Duration{0} || request.wait > kMaxWait) {
    return respond(fail(ErrorCode::invalid_argument, "wait must be between 0s and 60s", "wait"));
  }
  const LinkId owner = request.forwarded ? 0 : owner_link(request.id.shard());
  if (owner != 0) {
    auto fallback = [this, id = request.id, respond = std::move(respond)](Result<ApiReply> reply) mutable {
      // The owner is out of reach: PostgreSQL knows all but what is running this very second.
      if (!reply && reply.error().code != ErrorCode::not_found) return get_here(id, std::move(respond));
      respond(std::move(reply));
    };
    request.forwarded = true;
    return links_->call(owner, request, request.wait + kForwardSlack, guard(std::move(fallback)));
  }
  if (request.wait == Duration{0}) return get_here(request.id, std::move(respond));
  wait_here({request.id}, request.wait,
            [this, id = request.id, respond = std::make_shared<ApiResponder>(std::move(respond))](
                Result<WaitReply>) { get_here(id, std::move(*respond)); });
}

// Waits first and looks then, so that an end that falls in between is seen by either. Ends that are committed
// here wake the waiter; for tasks of another owner, who is out of reach, the store is looked at again and
// again.
struct MasterNode::Wait {
  std::vector<TaskId> ids;
  std::map<TaskId, WaitReply::Item> items;
  Waiters::WaiterId waiter = 0;
  MonoTime deadline;
  bool looked = false;  // the store has answered at least once
  bool over = false;
};

void MasterNode::wait_here(std::vector<TaskId> ids, Duration duration, WaitDone done) {
  auto wait = std::make_shared<Wait>();
  for (const TaskId id : ids) wait->items[id].id = id;
  wait->ids = std::move(ids);
  wait->deadline = loop_.now() + duration;
  // look() ends it at the deadline; beyond that the store gets a while to answer at all.
  wait->waiter =
      waiters_.add(wait->ids, duration + kStoreSlack,
                   [wait, done = std::move(done)](std::vector<FinishedTask> ended) mutable {
                     wait->over = true;
                     // Ends may come faster than the first look: then nothing need be looked at.
                     if (!wait->looked && ended.size() < wait->items.size())
                       return done(fail(ErrorCode::unavailable, "the database does not answer: try again"));
                     for (const FinishedTask& task : ended) {
                       wait->items[task.id] = {task.id, true, task.state, task.exit_code, task.worker};
                     }
                     WaitReply reply;
                     for (const TaskId id : wait->ids) reply.items.push_back(wait->items[id]);
                     done(std::move(reply));
                   });
  look(std::move(wait));
}

void MasterNode::look(std::shared_ptr<Wait> wait) {
  std::vector<TaskId> open;
  for (const auto& [id, item] : wait->items) {
    if (!is_terminal(item.state)) open.push_back(id);
  }
  store_.lookup(std::move(open), guard([this, wait](Result<std::vector<Lookup>> found) {
                  const bool foreign = !found || note_lookups(*wait, *found);
                  if (wait->over) return;
                  const Duration left = wait->deadline - loop_.now();
                  if (wait->looked && left <= Duration{0}) return waiters_.give_up(wait->waiter);
                  const Duration pause = foreign ? kRepoll : kRelook;
                  loop_.after(wait->looked ? std::min(pause, left) : pause, guard([this, wait] {
                                if (wait->over) return;
                                if (wait->looked && loop_.now() >= wait->deadline)
                                  return waiters_.give_up(wait->waiter);
                                look(wait);
                              }));
                }));
}

// True: some of these belong to another master, whose ends do not wake us.
bool MasterNode::note_lookups(Wait& wait, const std::vector<Lookup>& found) {
  wait.looked = true;
  bool foreign = false;
  for (const Lookup& lookup : found) {
    if (lookup.end) {
      waiters_.ended({lookup.id, lookup.end->state, lookup.end->result.exit_code, lookup.end->worker});
    } else if (lookup.row) {
      wait.items[lookup.id].found = true;
      wait.items[lookup.id].state = lookup.row->state;
      foreign |= !core_.shards().owns(lookup.id.shard());
    } else {
      waiters_.forget(wait.waiter, lookup.id);
    }
  }
  return foreign;
}

void MasterNode::wait(WaitRequest request, ApiResponder respond) {
  if (request.ids.empty() || request.ids.size() > kMaxWaitIds) {
    return respond(
        fail(ErrorCode::invalid_argument, "between 1 and 10000 ids can be waited for at once", "ids"));
  }
  if (request.wait < Duration{0} || request.wait > kMaxWait) {
    return respond(fail(ErrorCode::invalid_argument, "wait must be between 0s and 60s", "wait"));
  }
  // Each owner waits for its own tasks; the answers are put together in request order.
  std::map<LinkId, std::vector<TaskId>> parts;
  for (const TaskId id : request.ids) parts[request.forwarded ? 0 : owner_link(id.shard())].push_back(id);
  struct Gather {
    std::vector<TaskId> ids;
    std::map<TaskId, WaitReply::Item> items;
    std::size_t left = 0;
    std::optional<Error> error;
    ApiResponder respond;
  };
  auto gather = std::make_shared<Gather>();
  gather->ids = std::move(request.ids);
  gather->left = parts.size();
  gather->respond = std::move(respond);
  auto part_done = [gather](Result<WaitReply> reply) {
    if (reply) {
      for (WaitReply::Item& item : reply->items) gather->items[item.id] = std::move(item);
    } else {
      gather->error = reply.error();
    }
    if (--gather->left > 0) return;
    if (gather->error) return gather->respond(std::unexpected(*gather->error));
    WaitReply whole;
    for (const TaskId id : gather->ids) whole.items.push_back(gather->items[id]);
    gather->respond(ApiReply{std::move(whole)});
  };
  for (auto& [link, ids] : parts) {
    if (link == 0) {
      wait_here(std::move(ids), request.wait, part_done);
      continue;
    }
    links_->call(link, WaitRequest{ids, request.wait, true}, request.wait + kForwardSlack,
                 guard([this, ids = ids, part_done](Result<ApiReply> reply) {
                   if (reply) return part_done(std::get<WaitReply>(std::move(*reply)));
                   wait_here(ids, Duration{0}, part_done);  // the owner went away: say what the store knows
                 }));
  }
}

void MasterNode::list(ListRequest request, ApiResponder respond) {
  if (request.limit < 1 || request.limit > kMaxList) {
    return respond(fail(ErrorCode::invalid_argument, "limit must be between 1 and 1000", "limit"));
  }
  if (lists_waiting_.size() >= kMostListsWaiting) {
    return respond(fail(ErrorCode::resource_exhausted, "too many lists are asked for at once: slow down"));
  }
  lists_waiting_.emplace_back(std::move(request), std::move(respond));
  read_lists();
}

// A few at a time: long answers must not stand before other clients' statements, whoever asks for thousands.
void MasterNode::read_lists() {
  while (lists_reading_ < kListsAtOnce && !lists_waiting_.empty()) {
    auto [request, respond] = std::move(lists_waiting_.front());
    lists_waiting_.pop_front();
    ++lists_reading_;
    store_.list(std::move(request),
                guard([this, respond = std::move(respond)](Result<ListReply> reply) mutable {
                  --lists_reading_;
                  read_lists();
                  if (!reply) return respond(std::unexpected(reply.error()));
                  cut_page(*reply);
                  for (TaskView& view : reply->views) show_live(view);
                  respond(ApiReply{std::move(*reply)});
                }));
  }
}

// ---- the cluster ---------------------------------------------------------------------------------------

void MasterNode::groups(GroupsRequest request, ApiResponder respond) {
  struct Gather {
    std::map<std::string, GroupsReply::Group> groups;
    std::vector<std::string> not_answered;
    std::size_t open = 1;
    ApiResponder respond;

    void add(const std::vector<GroupsReply::Group>& part) {
      for (const GroupsReply::Group& group : part) {
        GroupsReply::Group& sum = groups[group.name];
        sum.name = group.name;
        sum.workers = std::max(sum.workers, group.workers);  // all masters see the same registry
        sum.slots = std::max(sum.slots, group.slots);
        sum.waiting_in_memory += group.waiting_in_memory;
        sum.dispatched += group.dispatched;
        sum.more_in_store |= group.more_in_store;
      }
    }
    void part_done() {
      if (--open > 0) return;
      GroupsReply reply{{}, std::move(not_answered)};
      for (auto& [name, group] : groups) reply.groups.push_back(std::move(group));
      respond(ApiReply{std::move(reply)});
    }
  };
  auto gather = std::make_shared<Gather>();
  gather->respond = std::move(respond);
  gather->add(core_.groups());
  for (const MasterView& master : members_) {
    if (master.self || request.forwarded) continue;
    const auto link = master_links_.find(master.id);
    if (link == master_links_.end()) {
      gather->not_answered.push_back(master.id);
      continue;
    }
    ++gather->open;
    links_->call(link->second, GroupsRequest{true}, kForwardSlack,
                 [gather, id = master.id](const Result<ApiReply>& reply) {
                   reply ? gather->add(std::get<GroupsReply>(*reply).groups)
                         : gather->not_answered.push_back(id);
                   gather->part_done();
                 });
  }
  gather->part_done();
}

MastersReply MasterNode::masters() const {
  MastersReply reply{members_};
  for (MasterView& master : reply.masters) {
    master.shards = master.self ? core_.shards().count() : shards_.shards_of(master.id);
  }
  return reply;
}

ClusterReply MasterNode::cluster() const {
  ClusterReply reply;
  reply.cluster = options_.cluster;
  reply.store_id = store_id_;
  reply.answered_by = options_.self.node_id;
  reply.shards_owned = core_.shards().count();
  reply.shards_unowned = shards_.unowned();
  reply.masters = static_cast<std::uint32_t>(members_.size());
  for (const WorkerView& worker : core_.workers()) reply.workers += worker.registered ? 1 : 0;
  reply.lanes = core_.lanes();
  reply.accepted = core_.counters().accepted;
  reply.completed = core_.counters().completed;
  reply.retried = core_.counters().retried;
  reply.store_up = store_up_;
  reply.registry_up = registry_.session() == SessionState::connected;
  return reply;
}

}  // namespace ringmaster

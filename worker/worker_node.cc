#include "worker/worker_node.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>

#include "base/failpoint.h"
#include "registry/member_json.h"

namespace ringmaster {
namespace {

constexpr Duration kStatusEvery = std::chrono::seconds(1);

// Room beyond the credits: limits overlap for a moment when they move between masters, and by the floors.
LedgerOptions ledger_options(const WorkerOptions& options) {
  const std::uint64_t granted = std::uint64_t{options.slots} * options.prefetch;
  const std::uint64_t slack = std::max<std::uint64_t>(16, options.slots);
  LedgerOptions ledger;
  ledger.incarnation = options.incarnation;
  ledger.lease = options.lease;
  ledger.slots = options.slots;
  ledger.capacity = static_cast<std::uint32_t>(std::min<std::uint64_t>(granted + slack, UINT32_MAX));
  return ledger;
}

}  // namespace

template <class F>
auto WorkerNode::guarded(F fn) {
  return [alive = std::weak_ptr<int>(alive_), fn = std::move(fn)]<class... Args>(Args&&... args) mutable {
    if (!alive.expired()) fn(std::forward<Args>(args)...);
  };
}

WorkerNode::WorkerNode(Loop& loop, Registry& registry, Spool& spool, Runner& runner, WorkerOptions options)
    : loop_(loop),
      registry_(registry),
      spool_(spool),
      runner_(runner),
      options_(std::move(options)),
      ledger_(ledger_options(options_)),
      credits_(options_.slots, options_.prefetch),
      delivery_(options_.report_redials),
      tick_(loop) {
  Spool::Contents contents = spool_.load();
  store_id_ = std::move(contents.store_id);
  ledger_.load(std::move(contents.results), contents.epochs);
  runner_.set_handler(*this);
}

WorkerNode::~WorkerNode() = default;

bool WorkerNode::inherit(std::vector<ResultReport> last_words) {
  ledger_.inherit(std::move(last_words));
  journal();
  return spool_error_.empty();
}

void WorkerNode::start(Links& links, std::string address, Registry::Joined joined) {
  links_ = &links;
  WorkerMember member;
  member.id = options_.node_id;
  member.address = std::move(address);
  member.incarnation = options_.incarnation;
  member.groups = options_.groups;
  member.slots = options_.slots;
  member.weight = options_.weight;
  member.labels = options_.labels;
  member.version = options_.version;
  member.started_at = loop_.wall_now();
  registry_.watch(Membership::masters,
                  guarded([this](const std::vector<Member>& members) { on_masters(members); }));
  registry_.join(Membership::workers, member.id, to_json(member), guarded(std::move(joined)));
  tick_.start(kStatusEvery, [this] { tick(); });
}

void WorkerNode::drain(Callback done) {
  if (draining_) return;
  draining_ = true;
  drained_ = std::move(done);
  ledger_.drain();
  credits_.set_open(false);
  for (const auto& [link, master] : masters_) send_status(link);
  schedule_flush();
}

// ---- links --------------------------------------------------------------------------------------

void WorkerNode::on_link_up(LinkId link, const PeerInfo& peer) {
  if (peer.role != Role::master) {
    links_->close(link, "a worker serves masters only");
    return;
  }
  if (const auto bound = bind_store(peer.store_id); !bound) {
    LOG(ERROR) << "master " << peer.node_id << " is refused: " << bound.error().message;
    links_->close(link, bound.error().message);
    return;
  }
  masters_[link] = peer.node_id;
  delivery_.channel_up(peer.node_id);
  ledger_.link_up(link, peer.node_id);
  credits_.link_up(link);
  if (!peer.dialled_by_us && delivery_.own_channel_up(peer.node_id)) {
    links_->undial(Role::master, peer.node_id);
  }
  schedule_flush();
}

Result<> WorkerNode::bind_store(const std::string& store_id) {
  if (store_id.empty() || store_id == store_id_) return {};
  if (!store_id_.empty()) {
    return fail(ErrorCode::invalid_argument, "this worker's results belong to database " + store_id_ +
                                                 ", not " + store_id +
                                                 ": give it an empty data_dir to serve another one");
  }
  auto bound = spool_.bind(store_id);
  if (!bound) return bound;
  store_id_ = store_id;
  if (options_.bound) options_.bound(store_id_);
  return {};
}

void WorkerNode::on_link_down(LinkId link, const PeerInfo&, const std::string&) {
  if (masters_.erase(link) == 0) return;
  ledger_.link_down(link);
  credits_.link_down(link);
  schedule_flush();
}

void WorkerNode::on_dial_failed(Role, const std::string& node_id, DialError, const std::string& reason) {
  delivery_.dial_failed(node_id);
  VLOG(1) << "cannot deliver results to master " << node_id << ": " << reason;
}

void WorkerNode::on_message(LinkId link, Message message) {
  if (!masters_.contains(link)) return;
  std::visit([&](auto& body) { on(link, std::move(body)); }, message);
}

void WorkerNode::on_request(LinkId link, ApiRequest request, ApiResponder respond) {
  if (const auto* held = std::get_if<HeldRequest>(&request); held != nullptr && masters_.contains(link)) {
    flush();  // what was decided before leaves before: the answer contradicts nothing
    return respond(ApiReply{ledger_.audit(*held, loop_.wall_now())});
  }
  const auto* log = std::get_if<LogRequest>(&request);
  if (log != nullptr && options_.read_log) {
    auto read = options_.read_log(*log);
    return respond(read ? Result<ApiReply>(std::move(*read)) : std::unexpected(read.error()));
  }
  respond(fail(ErrorCode::invalid_argument, "a worker answers no requests: ask a master"));
}

void WorkerNode::on(LinkId link, Announce announce) {
  // What was decided before leaves before: the inventory then says what is held after it, and contradicts
  // nothing.
  flush();
  if (!masters_.contains(link)) return;
  if (auto noted = spool_.note_epochs(ledger_.raised_by(announce)); !noted) {
    journal_failed(noted.error());
    links_->close(link, "epochs cannot be journalled");  // the master comes back and announces again
    return;
  }
  for (Inventory& part : ledger_.announce(link, announce)) links_->send(link, std::move(part));
  schedule_flush();
}

void WorkerNode::on(LinkId link, DispatchBatch batch) {
  ledger_.dispatch(link, std::move(batch));
  RINGMASTER_FAILPOINT("attempt.accepted");
  start_attempts();
  schedule_flush();
}

void WorkerNode::on(LinkId, ResultAckBatch batch) {
  RINGMASTER_FAILPOINT("result.acknowledged");
  ledger_.acknowledge(batch);
  schedule_flush();
}

void WorkerNode::on(LinkId link, KillBatch batch) {
  ledger_.kill(link, batch, loop_.wall_now());
  schedule_flush();
}

void WorkerNode::on(LinkId link, MasterStatus status) {
  credits_.set_demand(link, status.demand);
  schedule_flush();
}

void WorkerNode::on(LinkId link, LeaseGrant grant) {
  ledger_.grant(link, grant);
  start_attempts();
  schedule_flush();
}

// ---- attempts -----------------------------------------------------------------------------------

// At once, not at the flush: what starts and ends within one turn then costs one message.
void WorkerNode::start_attempts() {
  while (auto attempt = ledger_.next_start(loop_.now())) {
    extend_leases();  // before the first that lives under it
    runner_.start(std::move(*attempt));
  }
}

void WorkerNode::extend_leases() {
  for (const auto& [shard, until] : ledger_.take_extensions()) runner_.extend_lease(shard, until);
}

void WorkerNode::on_attempt_started(Token token, WallTime started_at) {
  ledger_.started(token, started_at);
  RINGMASTER_FAILPOINT("attempt.started");
  schedule_flush();
}

void WorkerNode::on_attempt_progress(Token token, Progress progress) {
  ledger_.progressed(token, std::move(progress));
  schedule_flush();
}

void WorkerNode::on_attempt_finished(Token token, AttemptResult result) {
  RINGMASTER_FAILPOINT("attempt.ended");
  ledger_.finished(token, std::move(result));
  start_attempts();
  schedule_flush();
}

// ---- once a turn --------------------------------------------------------------------------------

void WorkerNode::schedule_flush() {
  if (std::exchange(flush_scheduled_, true)) return;
  loop_.post(guarded([this] {
    flush_scheduled_ = false;
    flush();
  }));
}

void WorkerNode::flush() {
  if (links_ == nullptr) return;
  if (spool_error_.empty()) journal();  // broken: tick() tries again
  const std::vector<Token> forgets = ledger_.take_forgets();
  if (!forgets.empty()) spool_.forget(forgets);
  start_attempts();
  extend_leases();
  for (const Token& token : ledger_.take_kills()) runner_.kill(token);
  for (Ledger::Outgoing& out : ledger_.take_outgoing(loop_.now())) {
    const bool reports = std::holds_alternative<ResultBatch>(out.message);
    links_->send(out.link, std::move(out.message));
    if (reports) RINGMASTER_FAILPOINT_ONCE_SENT(loop_, "result.reported");
  }
  send_changed_limits();
  if (draining_) finish_drain();
}

void WorkerNode::journal() {
  std::vector<ResultReport> results = ledger_.take_unspooled();
  if (!results.empty()) {
    const Result<> appended = spool_.append(results);
    ledger_.give_back(std::move(results), appended.has_value());
    if (!appended) {
      journal_failed(appended.error());
      return;
    }
    RINGMASTER_FAILPOINT("spool.appended");
  }
  sync_results();
}

void WorkerNode::journal_mended() {
  LOG(INFO) << "spool: works again";
  spool_error_.clear();
  ledger_.set_accepting(true);
}

void WorkerNode::journal_failed(const Error& error) {
  if (spool_error_.empty()) LOG(ERROR) << "spool: " << error.message << "; no new work until this is mended";
  spool_error_ = error.message;
  ++spool_failures_;
  ledger_.set_accepting(false);
  schedule_flush();
}

void WorkerNode::sync_results() {
  const std::uint64_t number = ledger_.begin_sync();
  // That it takes what is written shows nothing: it works again once it has kept something since it failed.
  const bool broken = !spool_error_.empty();
  if (number == 0 && !broken) return;
  spool_.sync(guarded([this, number, broken, failures = spool_failures_](const Result<>& synced) {
    if (synced) RINGMASTER_FAILPOINT("spool.synced");
    ledger_.synced(number, synced.has_value());
    if (!synced) {
      journal_failed(synced.error());
    } else if (broken && failures == spool_failures_) {
      journal_mended();
    }
    schedule_flush();
  }));
}

void WorkerNode::send_changed_limits() {
  credits_.set_open(!draining_ && spool_error_.empty() && !ledger_.saturated());
  for (const LinkId link : credits_.take_changed()) send_status(link);
}

void WorkerNode::send_status(LinkId link) {
  if (links_ == nullptr) return;
  WorkerStatus status;
  status.credit_limit = credits_.limit(link);
  status.draining = draining_;
  status.queued = ledger_.queued();
  status.running = ledger_.running();
  status.spooled = ledger_.spooled();
  status.sent_at = loop_.now();
  links_->send(link, status);
}

// ---- once a second ------------------------------------------------------------------------------

void WorkerNode::tick() {
  tick_.start(kStatusEvery, [this] { tick(); });
  if (!spool_error_.empty()) journal();
  for (const auto& [link, master] : masters_) send_status(link);
  deliver();
  flush();
}

void WorkerNode::deliver() {
  const auto has_link = [this](const std::string& id) {
    return std::ranges::any_of(masters_, [&](const auto& entry) { return entry.second == id; });
  };
  const Delivery::Step step = delivery_.step(ledger_.orphans(), has_link);
  for (const std::string& master : step.undial) links_->undial(Role::master, master);
  for (const Delivery::Dial& dial : step.dial) {
    LOG(INFO) << "results wait for master " << dial.master << ": dialling " << dial.address;
    links_->dial(Role::master, dial.master, dial.address);
  }
  for (Ledger::Outgoing& offer : ledger_.take_offers(loop_.now(), step.given_up)) {
    links_->send(offer.link, std::move(offer.message));
  }
}

void WorkerNode::on_masters(const std::vector<Member>& members) {
  std::map<std::string, std::string> addresses;
  for (const Member& member : members) {
    const auto master = parse_master_member(member.data);
    if (master) {
      addresses[member.id] = master->rpc_address;
    } else {
      LOG(WARNING) << "registry: master " << member.id << ": " << master.error().message;
    }
  }
  delivery_.set_masters(std::move(addresses));
}

void WorkerNode::finish_drain() {
  if (leaving_ || !ledger_.holds_nothing()) return;
  leaving_ = true;
  const auto over = [this] {
    if (drained_) std::exchange(drained_, nullptr)();
  };
  registry_.leave(Membership::workers, options_.node_id, guarded([over](const Result<>&) { over(); }));
  // A registry that does not answer keeps nobody here: the session ends by itself.
  if (registry_.session() != SessionState::connected) loop_.post(guarded(over));
}

}  // namespace ringmaster

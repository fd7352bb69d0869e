#include "master/master_node.h"

#include <algorithm>

#include <glog/logging.h>

#include "base/failpoint.h"

namespace ringmaster {

namespace {
constexpr std::size_t kCompletionsInFlight = 2;
constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr double kLogEvery = 5;  // seconds
constexpr Duration kTimeRefresh = std::chrono::seconds(5);
constexpr Duration kProofEvery = std::chrono::seconds(1);
constexpr Duration kProofPause = std::chrono::milliseconds(20);  // while somebody waits for one
constexpr Duration kClockJump = std::chrono::seconds(1);
}  // namespace

MasterNode::MasterNode(Loop& loop, TaskStore& store, Registry& registry, MasterOptions options,
                       std::function<void(const Error&)> fenced)
    : loop_(loop),
      store_(store),
      registry_(registry),
      options_(std::move(options)),
      fenced_(std::move(fenced)),
      core_(options_.self.node_id, options_.core),
      accepts_(loop, store, core_,
               {.now = [this] { return now(); },
                .accepted =
                    [this](std::vector<TaskRow> rows) {
                      core_.on_accepted(std::move(rows), now());
                      wake();
                    },
                .fenced = [this](const Error& e) { on_fenced(e); }}),
      completions_(
          loop, options_.batch, kCompletionsInFlight,
          [this](std::vector<Completion> items, auto done) {
            RINGMASTER_FAILPOINT("record.arrived");
            store_.complete(std::move(items), std::move(done));
            RINGMASTER_FAILPOINT("record.sent");
          },
          [this](const auto& items, const auto& fates) {
            RINGMASTER_FAILPOINT("record.committed");
            core_.on_completed(items, fates);
            wake();
          },
          [this](const Error& e) { on_fenced(e); }),
      retries_(
          loop, options_.batch, 1,
          [this](std::vector<Retry> items, auto done) { store_.retry(std::move(items), std::move(done)); },
          [this](const auto& items, const auto& fates) {
            RINGMASTER_FAILPOINT("retry.committed");
            core_.on_retried(items, fates, now());
            wake();
          },
          [this](const Error& e) { on_fenced(e); }),
      records_(
          loop, options_.batch, 1,
          [this](std::vector<RunningMark> items, auto done) {
            store_.mark_running(std::move(items), std::move(done));
          },
          [this](const auto& items, const auto& fates) {
            RINGMASTER_FAILPOINT("dispatch.recorded");
            core_.on_recorded(items, fates, now());
            wake();
          },
          [this](const Error& e) { on_fenced(e); }),
      marks_(
          loop, options_.batch, 1,
          [this](std::vector<RunningMark> items, auto done) {
            store_.mark_running(std::move(items), std::move(done));
          },
          [this](const auto& items, const auto& fates) {
            RINGMASTER_FAILPOINT("mark.committed");
            core_.on_marked(items, fates);
          },
          [this](const Error& e) { on_fenced(e); }),
      lates_(
          loop, options_.batch, 1,
          [this](std::vector<LateResult> items, auto done) {
            store_.keep_late(std::move(items), std::move(done));
          },
          [this](const auto& items, const auto&) {
            core_.on_late_kept(items);
            wake();
          },
          [this](const Error& e) { on_fenced(e); }),
      controls_(
          loop, options_.batch, 1,
          [this](std::vector<Control> items, auto done) {
            store_.control(std::move(items), std::move(done));
          },
          [this](const auto& items, const auto& fates) {
            RINGMASTER_FAILPOINT("cancel.committed");
            core_.on_controlled(items, fates);
            answer_controls(items, fates);
            wake();
          },
          [this](const Error& e) { on_fenced(e); }),
      shards_(loop, store, core_, options_.self.node_id, options_.self.incarnation, options_.dead_after,
              {.now = [this] { return now(); },
               .changed = [this] { wake(); },
               .hold_writes = [this](bool hold) { hold_writes(hold); },
               .registry_up = [this] { return registry_.session() == SessionState::connected; },
               .writes_idle = [this] { return writes_idle(); },
               .released =
                   [this](const std::vector<ShardId>& ids) {
                     const std::set<ShardId> gone(ids.begin(), ids.end());
                     const auto theirs = [&](const auto& item) {
                       return gone.contains(item.token.task.shard());
                     };
                     completions_.drop_if(theirs);
                     retries_.drop_if(theirs);
                     records_.drop_if(theirs);
                     marks_.drop_if(theirs);
                     lates_.drop_if(theirs);
                     drop_controls(gone);
                   },
               .fenced = [this](const Error& e) { on_fenced(e); }}),
      waiters_(loop),
      namesake_(options_.self.incarnation, options_.self.rpc_address),
      auditor_(loop, store, core_, options_.self.node_id, options_.self.incarnation, audit_hooks()),
      tick_timer_(loop),
      wake_timer_(loop),
      time_timer_(loop),
      proof_timer_(loop),
      peer_timer_(loop),
      audit_timer_(loop) {}

MasterNode::~MasterNode() = default;

// ---- life ----

void MasterNode::start(Links& links, std::function<void(Result<std::string>)> started) {
  links_ = &links;
  auditor_.start(links);
  store_.open(options_.self, guard([this, started = std::move(started)](Result<std::string> store_id) {
                if (!store_id) return started(std::unexpected(store_id.error()));
                store_id_ = *store_id;
                const MonoTime asked = loop_.now();
                store_.database_time(guard([this, started, asked](Result<WallTime> time) {
                  if (!time) return started(std::unexpected(time.error()));
                  clock_.learn(asked, loop_.now(), *time);
                  store_up_ = true;
                  refresh_time();
                  prove();
                  tick();
                  began_ = loop_.now();
                  talk_to_peers();
                  audit_now_and_then();
                  started(store_id_);  // the links learn the store_id before the first channel
                  watch_members();
                  join();
                }));
              }));
}

void MasterNode::stop(std::function<void()> stopped) {
  accepts_.shut({ErrorCode::unavailable, "this master is stopping: try another one", {}});
  // Leave the registry first: the others learn at once whom the shards go to.
  registry_.leave(Membership::masters, options_.self.node_id, guard([](Result<>) {}));
  shards_.leave([this, stopped = std::move(stopped)] {
    store_.resign(guard([this, stopped](Result<> done) {
      if (!done) LOG(WARNING) << "resigning: " << done.error().message;
      over_ = true;
      stopped();
    }));
  });
}

void MasterNode::on_fenced(const Error& error) {
  if (over_) return;
  over_ = true;
  LOG(WARNING) << "this incarnation is over: " << error.message;
  accepts_.shut({ErrorCode::unavailable, "this master is being replaced: try again, or another master", {}});
  // Never from inside a callback of what is about to be destroyed.
  loop_.post(guard([this, error] { fenced_(error); }));
}

// ---- time ----

Now MasterNode::now() const {
  const MonoTime mono = loop_.now();
  return {mono, clock_.at(mono)};
}

void MasterNode::refresh_time() {
  time_timer_.start(kTimeRefresh, [this] {
    const MonoTime asked = loop_.now();
    store_.database_time(guard([this, asked](Result<WallTime> time) {
      store_up_ = time.has_value();
      if (time) {
        const Duration jump = std::chrono::abs(clock_.learn(asked, loop_.now(), *time));
        if (jump > kClockJump) LOG(ERROR) << "PostgreSQL's clock jumped by " << format_duration(jump);
      }
      refresh_time();
    }));
  });
}

// What leases rest on: a writing fence check, begun every second.
void MasterNode::prove() {
  // A release changes the generation: a check that was under way would look like a deposition.
  if (holding_) return proof_timer_.start(kTick, [this] { prove(); });
  const MonoTime begun = loop_.now();
  proving_ = true;
  store_.prove(guard([this, begun](Result<> held) {
    proving_ = false;
    shards_.on_progress();
    if (held) {
      core_.on_proved(begun);
      wake();
    } else if (held.error().code == ErrorCode::fenced) {
      return on_fenced(held.error());
    }
    const Duration rest = std::exchange(proof_wanted_, false) ? kProofPause : kProofEvery;
    proof_timer_.start(std::max(rest - (loop_.now() - begun), Duration{0}), [this] { prove(); });
  }));
}

void MasterNode::tick() {
  core_.tick(now());
  update_dials();  // a page may have brought attempts of workers that nobody dials: their death must be
                   // proved
  wake();
  tick_timer_.start(kTick, [this] { tick(); });
}

void MasterNode::set_wake_timer() {
  const auto next = core_.next_wake();
  if (!next) return wake_timer_.stop();
  const Duration delay = std::max(*next - now().wall, Duration{0});
  if (delay > kTick) return wake_timer_.stop();  // the tick comes first
  wake_timer_.start(delay, [this] {
    core_.tick(now());
    wake();
  });
}

// ---- effects ----

void MasterNode::wake() {
  if (std::exchange(flush_pending_, true)) return;
  loop_.post(guard([this] {
    flush_pending_ = false;
    flush();
  }));
}

void MasterNode::flush() {
  if (over_) return;
  Effects effects = core_.take_effects(now());
  if (!effects.completions.empty()) completions_.push(std::move(effects.completions));
  if (!effects.retries.empty()) retries_.push(std::move(effects.retries));
  if (!effects.records.empty()) records_.push(std::move(effects.records));
  if (!effects.marks.empty()) marks_.push(std::move(effects.marks));
  if (!effects.lates.empty()) lates_.push(std::move(effects.lates));
  for (auto& [link, message] : effects.sends) send(link, std::move(message));
  for (ReadRequest& read : effects.reads) perform(std::move(read));
  for (const FinishedTask& task : effects.finished) waiters_.ended(task);
  if (effects.prove) {
    proof_wanted_ = proving_;
    if (!proving_) proof_timer_.start(Duration{0}, [this] { prove(); });
  }
  if (!effects.foreign.empty()) relay(std::move(effects.foreign));
  set_wake_timer();
  shards_.on_progress();
  if (core_.take_shard_doubt()) shards_.check_soon();
}

void MasterNode::send(LinkId link, Message message) {
  const bool dispatches = std::holds_alternative<DispatchBatch>(message);
  const bool acknowledges = std::holds_alternative<ResultAckBatch>(message);
  const bool announces = std::holds_alternative<Announce>(message);
  if (dispatches) RINGMASTER_FAILPOINT("dispatch.decided");
  links_->send(link, std::move(message));
  if (dispatches) RINGMASTER_FAILPOINT_ONCE_SENT(loop_, "dispatch.sent");
  if (acknowledges) RINGMASTER_FAILPOINT_ONCE_SENT(loop_, "ack.sent");
  if (announces) RINGMASTER_FAILPOINT_ONCE_SENT(loop_, "take.announced");
}

// To their owners, who judge them. Whose owner is out of reach goes nowhere: the worker asks others, and
// again.
void MasterNode::relay(std::vector<ForeignResult> results) {
  std::map<std::pair<LinkId, std::string>, RelayedResults> parts;
  for (ForeignResult& result : results) {
    const LinkId owner = owner_link(result.report.token.task.shard());
    if (owner == 0) continue;
    RelayedResults& part = parts[{owner, result.worker}];
    part.worker = result.worker;
    part.items.push_back(std::move(result.report));
  }
  for (auto& [to, part] : parts) links_->send(to.first, std::move(part));
}

void MasterNode::perform(ReadRequest request) {
  // Every answer goes back into the core, then the next flush.
  auto answer = [this]<class T>(ReadRequest asked, auto apply) {
    return guard([this, asked = std::move(asked), apply](Result<T> result) {
      if (result) {
        apply(std::move(*result));
      } else {
        LOG_EVERY_T(WARNING, kLogEvery) << "reading the backlog: " << result.error().message;
        core_.read_failed(asked, now());
      }
      wake();
    });
  };
  if (std::holds_alternative<GroupsRead>(request)) {
    store_.groups(answer.operator()<std::vector<std::string>>(
        request, [this](std::vector<std::string> groups) { core_.on_groups(groups); }));
  } else if (const auto* page = std::get_if<PageRead>(&request)) {
    store_.page(page->group, page->after, page->due_before, core_.shards().owned(), page->limit,
                answer.operator()<TaskStore::Page>(request, [this, asked = *page](TaskStore::Page got) {
                  core_.on_page(asked, std::move(got.rows), got.last, got.exhausted, now());
                }));
  } else if (const auto* due = std::get_if<DueRead>(&request)) {
    store_.page_due(
        due->groups, due->after, due->until, core_.shards().owned(), due->limit,
        answer.operator()<std::vector<TaskRow>>(request, [this, asked = *due](std::vector<TaskRow> rows) {
          core_.on_due(asked, std::move(rows), now());
        }));
  } else {
    store_.lookup(std::get<LookupRead>(request).ids,
                  answer.operator()<std::vector<Lookup>>(
                      request, [this, asked = std::get<LookupRead>(request)](std::vector<Lookup> found) {
                        core_.on_lookup(asked, std::move(found), now());
                      }));
  }
}

void MasterNode::hold_writes(bool hold) {
  holding_ = hold;
  if (hold) {
    accepts_.pause();
    completions_.pause();
    retries_.pause();
    records_.pause();
    marks_.pause();
    lates_.pause();
    controls_.pause();
  } else {
    accepts_.resume();
    completions_.resume();
    retries_.resume();
    records_.resume();
    marks_.resume();
    lates_.resume();
    controls_.resume();
  }
}

bool MasterNode::writes_idle() const {
  return accepts_.idle() && completions_.idle() && retries_.idle() && records_.idle() && marks_.idle() &&
         lates_.idle() && controls_.idle() && !proving_;
}

}  // namespace ringmaster

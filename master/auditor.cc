#include "master/auditor.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace ringmaster {

namespace {
constexpr Duration kGap = std::chrono::seconds(2);           // between the two looks
constexpr Duration kPause = std::chrono::milliseconds(10);   // between two reads: others go first
constexpr Duration kPartTimeout = std::chrono::seconds(12);  // longer than its workers take
constexpr int kBatch = 5'000;                                // rows of one statement
constexpr std::size_t kLeastOfALane = 20;
constexpr std::size_t kMaxSuspects = 500;  // rows that are looked at again; the first ones
constexpr int kTwins = 16;                 // rows that are read to find an id again
constexpr TaskId kHighest{std::numeric_limits<std::int64_t>::max()};
static_assert(kBatch <= static_cast<int>(kMaxAuditRows));
}  // namespace

// One audit under way: where it is, and what it knows.
struct Auditor::Run {
  AuditScope scope;
  std::vector<Done> waiting;
  AuditReply reply;
  AuditTally tally;
  MonoTime begun;
  bool second = false;
  AuditSuspicions first, found;  // of the first look; of the present one
  std::vector<ShardRow> shards;
  std::vector<AuditMasterRow> master_rows;
  bool masters_read = false;
  std::vector<AuditMaster> masters;     // that answered in this look
  std::map<TaskId, AuditRow> suspects;  // rows to be looked at again
  std::vector<AuditHistoryRow> odd;     // and rows of the history
  std::set<std::string> not_answered, too_old;
  std::vector<std::string> groups;  // still to be looked at
  std::optional<PageKey> after;     // in the last of them
  std::size_t of_a_lane = 0, left_of_it = 0;

  void note(AuditSuspicions suspicions) {
    const std::size_t room = 2 * kMaxAuditSuspicions - std::min(found.size(), 2 * kMaxAuditSuspicions);
    if (suspicions.size() > room) suspicions.resize(room);
    std::ranges::move(suspicions, std::back_inserter(found));
  }
  // The counts are those of the first look: the second one looks at what is suspected.
  void looked(std::string_view check, std::uint64_t at) {
    if (!second) tally.looked(check, at);
  }
};

Auditor::Auditor(Loop& loop, TaskStore& store, const SchedulerCore& core, std::string self,
                 Incarnation incarnation, Hooks hooks)
    : loop_(loop),
      store_(store),
      core_(core),
      self_(std::move(self)),
      incarnation_(incarnation),
      hooks_(std::move(hooks)) {}

void Auditor::later(Callback step) {
  loop_.after(kPause, guard([step = std::move(step)]() mutable { step(); }));
}

void Auditor::run(AuditScope scope, Done done) {
  Kind& kind = kinds_.at(scope.full ? 1 : 0);
  if (kind.waiting.empty()) kind.scope = scope;
  kind.scope.lane_rows = std::max(kind.scope.lane_rows, scope.lane_rows);
  kind.scope.history_ids = std::max(kind.scope.history_ids, scope.history_ids);
  kind.waiting.push_back(std::move(done));
  if (!kind.under_way) begin(scope.full);
}

void Auditor::begin(bool full) {
  Kind& kind = kinds_.at(full ? 1 : 0);
  kind.under_way = true;
  auto run = std::make_shared<Run>();
  run->scope = kind.scope;
  run->waiting = std::exchange(kind.waiting, {});
  run->begun = loop_.now();
  run->reply.answered_by = self_;
  run->reply.at = hooks_.now().wall;
  run->reply.full = full;
  look(std::move(run));
}

// ---- the database ----

void Auditor::look(RunPtr run) {
  run->found.clear();
  run->masters.clear();
  run->shards.clear();
  run->masters_read = false;
  store_.shards(guard([this, run](Result<std::vector<ShardRow>> rows) {
    if (!rows) {
      run->tally.not_made_all("the database cannot be read: " + rows.error().message);
      return ask_parts(run);
    }
    run->shards = std::move(*rows);
    run->reply.rows_read += run->shards.size();
    run->looked("shards_covered", run->shards.size());
    run->note(judge_shards(run->shards));
    read_masters(run);
  }));
}

void Auditor::read_masters(RunPtr run) {
  store_.audit_masters(guard([this, run](Result<std::vector<AuditMasterRow>> rows) {
    if (rows) {
      run->master_rows = std::move(*rows);
      run->masters_read = true;
      run->reply.rows_read += run->master_rows.size();
      run->looked("owners_live", run->master_rows.size());
    } else {
      run->tally.not_made("owners_live", "the database cannot be read: " + rows.error().message);
    }
    if (run->second) return read_suspects(run);
    run->scope.full ? read_tasks(run, TaskId{std::numeric_limits<std::int64_t>::min()}) : read_groups(run);
  }));
}

void Auditor::read_groups(RunPtr run) {
  store_.groups(guard([this, run](Result<std::vector<std::string>> groups) {
    if (!groups) {
      run->tally.not_made("due_known", "the database cannot be read: " + groups.error().message);
      return read_history(run, kHighest, run->scope.history_ids);
    }
    // Where there are too many for one audit, each begins where the last one ended.
    const std::size_t most = std::max<std::size_t>(run->scope.lane_rows / kLeastOfALane, 1);
    if (groups->size() > most) {
      const std::size_t from = std::exchange(turn_, turn_ + most) % groups->size();
      std::ranges::rotate(*groups, groups->begin() + static_cast<std::ptrdiff_t>(from));
      groups->resize(most);
    }
    run->groups = std::move(*groups);
    run->of_a_lane = run->scope.lane_rows / std::max<std::size_t>(run->groups.size(), 1);
    run->left_of_it = run->of_a_lane;
    read_lane(run);
  }));
}

void Auditor::read_lane(RunPtr run) {
  if (run->groups.empty()) return read_history(run, kHighest, run->scope.history_ids);
  const auto limit = static_cast<int>(std::min<std::size_t>(run->left_of_it, kBatch));
  store_.audit_lane(run->groups.back(), run->after, hooks_.now().wall, limit,
                    guard([this, run, limit](Result<std::vector<AuditRow>> rows) {
                      if (!rows) {
                        run->tally.not_made("due_known",
                                            "the database cannot be read: " + rows.error().message);
                        return read_history(run, kHighest, run->scope.history_ids);
                      }
                      run->left_of_it -= rows->size();
                      if (rows->size() < static_cast<std::size_t>(limit) || run->left_of_it == 0) {
                        run->groups.pop_back();
                        run->after.reset();
                        run->left_of_it = run->of_a_lane;
                      } else {
                        run->after = PageKey{rows->back().rank, rows->back().id};
                      }
                      judge_batch(run, std::move(*rows), [this, run] { read_lane(run); });
                    }));
}

void Auditor::read_tasks(RunPtr run, TaskId after) {
  store_.audit_tasks(after, kBatch, guard([this, run](Result<std::vector<AuditRow>> rows) {
                       constexpr auto kAll = std::numeric_limits<std::uint64_t>::max();
                       if (!rows)
                         run->tally.not_made("due_known",
                                             "the database cannot be read: " + rows.error().message);
                       if (!rows || rows->empty()) return read_history(run, kHighest, kAll);
                       const TaskId last = rows->back().id;
                       const bool end = rows->size() < static_cast<std::size_t>(kBatch);
                       judge_batch(run, std::move(*rows), [this, run, last, end] {
                         end ? read_history(run, kHighest, kAll) : read_tasks(run, last);
                       });
                     }));
}

// What their owners and the rules make of these rows; the suspected ones are remembered.
void Auditor::judge_batch(RunPtr run, std::vector<AuditRow> rows, Callback next) {
  const Now now = hooks_.now();
  constexpr auto kRunning = static_cast<std::int32_t>(TaskState::running);
  struct Batch {
    std::map<TaskId, AuditRow> rows;
    std::size_t open = 1;
    AuditSuspicions suspicions;
    Callback next;
  };
  auto batch = std::make_shared<Batch>();
  batch->next = std::move(next);
  run->reply.rows_read += rows.size();
  run->looked("history_final", rows.size());
  batch->suspicions = judge_states(rows, now.wall);

  std::map<std::string, AuditPartRequest> by_owner;
  for (const AuditRow& row : rows) {
    const bool running = row.state == kRunning;
    if (!running && now.wall - row.run_at <= kAuditDueFor) continue;
    const auto shard = std::ranges::find(run->shards, row.id.shard(), &ShardRow::id);
    if (shard == run->shards.end() || shard->owner_node.empty()) continue;  // said of the shard
    run->looked(running ? "running_held" : "due_known", 1);
    by_owner[shard->owner_node].rows.push_back(row);
  }
  for (AuditRow& row : rows) batch->rows.emplace(row.id, std::move(row));

  const auto part_done = [this, run, batch] {
    if (--batch->open > 0) return;
    for (const AuditSuspicion& suspicion : batch->suspicions) {
      const auto id = parse_task_id(suspicion.subject);
      const auto row = id ? batch->rows.find(*id) : batch->rows.end();
      if (row != batch->rows.end() && run->suspects.size() < kMaxSuspects) run->suspects.insert(*row);
    }
    run->note(std::move(batch->suspicions));
    later(std::move(batch->next));
  };
  std::map<std::string, LinkId> links;
  for (const Peer& peer : hooks_.peers()) links[peer.node] = peer.link;
  for (auto& [owner, request] : by_owner) {
    if (owner != self_ && !links.contains(owner)) continue;  // said of the master
    ++batch->open;
    ask_master(owner, owner == self_ ? 0 : links[owner], std::move(request),
               [run, batch, part_done, owner](Result<ApiReply> reply) {
                 if (reply) {
                   std::ranges::move(std::get<AuditPartReply>(*reply).suspicions,
                                     std::back_inserter(batch->suspicions));
                 } else if (reply.error().code != ErrorCode::invalid_argument) {
                   run->not_answered.insert("master " + owner + ": " + reply.error().message);
                 }
                 part_done();
               });
  }
  part_done();
}

// At the second look: the rows that were suspected, as they are now. What has moved on is not there any more.
void Auditor::read_suspects(RunPtr run) {
  if (run->suspects.empty()) return read_odd(run, 0);
  std::vector<TaskId> ids;
  for (const auto& [id, row] : run->suspects) ids.push_back(id);
  store_.lookup(std::move(ids), guard([this, run](Result<std::vector<Lookup>> found) {
                  if (!found) {
                    run->tally.not_made("due_known", "the database cannot be read: " + found.error().message);
                    return read_odd(run, 0);
                  }
                  std::vector<AuditRow> rows;
                  for (const Lookup& lookup : *found) {
                    if (!lookup.row) continue;
                    AuditRow row = run->suspects.at(lookup.id);
                    const TaskRow& is = *lookup.row;
                    row.rank = is.rank;
                    row.run_at = is.run_at;
                    row.attempt = is.attempt;
                    row.failures = is.failures;
                    row.crashes = is.crashes;
                    row.state = static_cast<std::int32_t>(is.state);
                    row.worker = is.worker;
                    row.worker_incarnation = is.worker_incarnation;
                    row.epoch = is.epoch;
                    if (!is.cancel_requested) row.cancel_requested_at.reset();
                    rows.push_back(std::move(row));
                  }
                  judge_batch(run, std::move(rows), [this, run] { read_odd(run, 0); });
                }));
}

void Auditor::read_history(RunPtr run, TaskId from, std::uint64_t left) {
  const int limit = static_cast<int>(std::min<std::uint64_t>(left, kBatch));
  if (limit < 2) return ask_parts(run);
  store_.audit_history(from, limit, guard([this, run, from, left](Result<AuditHistory> found) {
                         if (!found) {
                           const std::string why = "the database cannot be read: " + found.error().message;
                           run->tally.not_made("history_unique", why);
                           run->tally.not_made("history_final", why);
                           return ask_parts(run);
                         }
                         run->reply.rows_read += found->looked_at;
                         run->looked("history_unique", found->looked_at);
                         run->looked("history_final", found->looked_at);
                         run->note(judge_history(found->odd));
                         for (AuditHistoryRow& row : found->odd) {
                           if (run->odd.size() < kMaxSuspects) run->odd.push_back(row);
                         }
                         if (!found->last) return ask_parts(run);
                         const bool stuck = *found->last == from;  // nothing but twins of one id
                         const TaskId next = stuck ? TaskId{from.value - 1} : *found->last;
                         later([this, run, next, left, read = found->looked_at] {
                           read_history(run, next, left - std::min(left, read));
                         });
                       }));
}

void Auditor::read_odd(RunPtr run, std::size_t next) {
  if (next >= run->odd.size()) return ask_parts(run);
  const TaskId id = run->odd[next].id;
  store_.audit_history(id, kTwins, guard([this, run, next, id](Result<AuditHistory> found) {
                         if (found) {
                           std::erase_if(found->odd, [&](const auto& row) { return row.id != id; });
                           run->note(judge_history(found->odd));
                         } else {
                           run->tally.not_made("history_unique",
                                               "the database cannot be read: " + found.error().message);
                         }
                         read_odd(run, next + 1);
                       }));
}

// ---- the masters ----

void Auditor::ask_master(const std::string& node, LinkId link, AuditPartRequest request,
                         ApiResponder respond) {
  if (node == self_) return part(request, std::move(respond));
  if (link == 0) return respond(fail(ErrorCode::unavailable, "it is out of reach of " + self_));
  links_->call(link, std::move(request), kPartTimeout, guard(std::move(respond)));
}

void Auditor::ask_parts(RunPtr run) {
  auto open = std::make_shared<std::size_t>(1);
  const auto part_done = [this, run, open] {
    if (--*open == 0) end_look(run);
  };
  std::vector<Peer> peers = hooks_.peers();
  peers.push_back({self_, incarnation_, 0});
  for (const Peer& peer : peers) {
    ++*open;
    const std::string name = "master " + peer.node;
    ask_master(peer.node, peer.link, {.held = true, .rows = {}},
               [run, part_done, name, node = peer.node](Result<ApiReply> reply) {
                 if (reply) {
                   auto& part = std::get<AuditPartReply>(*reply);
                   run->looked("running_held", part.attempts);
                   run->looked("held_known", part.held);
                   run->looked("spools_draining", part.workers);
                   run->looked("masters_agree", 1);
                   run->note(std::move(part.suspicions));
                   for (std::string& who : part.not_answered)
                     run->not_answered.insert("worker " + who + " (asked by " + node + ")");
                   for (std::string& who : part.too_old) run->too_old.insert("worker " + who);
                   run->masters.push_back({node, part.incarnation, std::move(part.shards)});
                 } else if (reply.error().code == ErrorCode::invalid_argument) {
                   run->too_old.insert(name);
                 } else {
                   run->not_answered.insert(name + ": " + reply.error().message);
                 }
                 part_done();
               });
  }
  part_done();
}

void Auditor::end_look(RunPtr run) {
  if (run->masters_read && hooks_.registry_up()) {
    std::set<Incarnation> alive;
    for (const AuditMaster& master : run->masters) alive.insert(master.incarnation);
    for (const Incarnation shown : hooks_.shown()) alive.insert(shown);
    run->note(judge_masters(run->master_rows, alive));
  } else if (run->masters_read) {
    run->tally.not_made("owners_live", "the registry is away: nobody knows who is alive");
  }
  if (!run->shards.empty()) run->note(judge_beliefs(run->shards, run->masters));

  if (run->second || run->found.empty()) return finish(run);
  run->second = true;
  run->first = std::move(run->found);
  loop_.after(kGap, guard([this, run] { look(run); }));
}

void Auditor::finish(RunPtr run) {
  run->tally.add(confirmed(run->first, run->found));
  AuditReply& reply = run->reply;
  reply.checks = run->tally.take();
  reply.not_answered.assign(run->not_answered.begin(), run->not_answered.end());
  reply.too_old.assign(run->too_old.begin(), run->too_old.end());
  reply.took = loop_.now() - run->begun;
  Kind& kind = kinds_.at(reply.full ? 1 : 0);
  kind.under_way = false;
  if (!kind.waiting.empty()) begin(reply.full);
  const std::weak_ptr<int> alive = alive_;
  for (Done& done : run->waiting) {
    if (!alive.expired()) done(reply);
  }
}

}  // namespace ringmaster

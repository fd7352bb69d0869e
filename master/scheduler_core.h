// SchedulerCore: everything that one master decides about tasks and workers. Events and the time go in;
// Effects come out: transitions to commit, messages to send, pages to read. Pure and deterministic: no clock,
// socket, thread or database. The shell (master_node.h) carries the effects out and reports back what was
// committed.
//
// Memory follows a commit: a task is known here only after its insert (or as a row that was read); it leaves
// when its end is committed. A dispatch is sent once on a link, and again only after an inventory on a newer
// one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "base/api.h"
#include "base/lease.h"
#include "base/messages.h"
#include "base/transition.h"
#include "master/lane_core.h"
#include "master/shard_table_core.h"

namespace ringmaster {

// mono drives time-outs; wall is cluster time (PostgreSQL's, carried forward) and drives due times.
struct Now {
  MonoTime mono;
  WallTime wall;
};

struct CoreOptions {
  Duration ageing_step = kDefaultAgeingStep;
  Duration worker_timeout = std::chrono::seconds(10);  // registered, yet unreachable for so long: lost
  Duration inventory_wait = std::chrono::seconds(1);   // a new owner waits so long for silent workers
  Duration due_horizon = std::chrono::seconds(10);     // tasks due within it are in memory
  Duration running_mark_after = std::chrono::seconds(1);
  LeaseTimes lease;
  // After a daemon refuses connections its supervisor still kills what ran: so long an attempt that must not
  // overlap waits. A second for the supervisor to notice, on a crowded machine; the rest is the kernel's.
  Duration death_settle = std::chrono::seconds(4);
  std::int32_t max_crashes = 3;          // worker deaths while it ran: then a task is quarantined
  std::size_t lane_window = 20'000;      // ready tasks of a lane in memory
  std::size_t waiting_window = 200'000;  // of all lanes; one without workers has a small share
  int page_size = 2'000;
};

// What is to be read from the store; answered by the matching on_… event, or read_failed. `begun` orders a
// read against what became of tasks while it was under way.
using ReadStamp = std::uint64_t;
struct GroupsRead {};
struct PageRead {
  std::string group;
  std::optional<PageKey> after;
  WallTime due_before;
  int limit = 0;
  ReadStamp begun = 0;
};
struct DueRead {
  std::vector<std::string> groups;
  WallTime after, until;
  int limit = 0;
  ReadStamp begun = 0;
};
struct LookupRead {
  std::vector<TaskId> ids;
  ReadStamp begun = 0;
};
using ReadRequest = std::variant<GroupsRead, PageRead, DueRead, LookupRead>;

// Who waits for the acknowledgement of a result: a link, and the worker that it was relayed for, if any.
struct Reporter {
  LinkId link = 0;          // 0: nobody waits
  std::string relayed_for;  // empty: the link's own worker
  auto operator<=>(const Reporter&) const = default;
};

// A worker's result for another master's shard: to be relayed to its owner.
struct ForeignResult {
  std::string worker;
  ResultReport report;
};

struct FinishedTask {
  TaskId id;
  TaskState state = TaskState::succeeded;
  std::int32_t exit_code = 0;
  std::string worker;
};

struct Effects {
  std::vector<Completion> completions;
  std::vector<Retry> retries;
  std::vector<RunningMark> records;  // commit, then on_recorded: the dispatch is sent after that
  std::vector<RunningMark> marks;    // commit when convenient, then on_marked
  std::vector<LateResult> lates;     // commit, then on_late_kept
  std::vector<std::pair<LinkId, Message>> sends;
  std::vector<ReadRequest> reads;
  std::vector<FinishedTask> finished;  // committed ends
  std::vector<ForeignResult> foreign;
  bool prove = false;  // a fence check is waited for: begin one now
  void clear() { *this = {}; }
};

// What the registry says of a worker.
struct WorkerRegistration {
  std::string id, address, version;
  Incarnation incarnation;
  std::vector<std::string> groups;
  std::uint32_t slots = 0;
  double weight = 1;
  WallTime started_at{};
};

class SchedulerCore {
 public:
  SchedulerCore(std::string self, CoreOptions options);
  ~SchedulerCore();

  // In force from now on.
  void reconfigure(Duration worker_timeout, std::int32_t max_crashes) {
    options_.worker_timeout = worker_timeout;
    options_.max_crashes = max_crashes;
  }

  // ---- shards ----
  ShardTable& shards() { return shards_; }
  const ShardTable& shards() const { return shards_; }
  void on_shards_taken(const std::vector<ShardEpoch>& taken, Now now);
  // Before shards are released: no dispatch and no read begins any more until unfreeze(). The shell waits
  // until quiet() and its own writes have landed, releases, calls on_shards_released, and unfreezes.
  void freeze();
  bool quiet() const;  // no read is under way
  void unfreeze();
  void on_shards_released(const std::vector<ShardId>& shards);
  // True once after a worker refused an epoch of ours: read the shard table and believe it.
  bool take_shard_doubt() { return std::exchange(shards_doubted_, false); }

  // ---- tasks ----
  TaskRow make_row(NewTask task, TaskId id, Now now) const;
  // Ids of an insert that is being sent. Until it is over, rows of it that a page brings are left alone: the
  // page may be older than what became of them since.
  void begin_accept(TaskId first, TaskId last) { accepting_[first] = last; }
  void end_accept(TaskId first) { accepting_.erase(first); }
  void on_accepted(std::vector<TaskRow> rows, Now now);  // their insert is committed
  void on_completed(const std::vector<Completion>& items, const std::vector<WriteFate>& fates);
  void on_retried(const std::vector<Retry>& items, const std::vector<WriteFate>& fates, Now now);
  void on_recorded(const std::vector<RunningMark>& items, const std::vector<WriteFate>& fates, Now now);
  void on_marked(const std::vector<RunningMark>& items, const std::vector<WriteFate>& fates);
  void on_late_kept(const std::vector<LateResult>& items);
  // A cancel or release is committed.
  void on_controlled(const std::vector<Control>& items, const std::vector<WriteFate>& fates);

  // ---- reads ----
  void on_groups(const std::vector<std::string>& groups);
  void on_page(const PageRead& request, std::vector<TaskRow> rows, PageKey last, bool exhausted, Now now);
  void on_due(const DueRead& request, std::vector<TaskRow> rows, Now now);
  void on_lookup(const LookupRead& request, std::vector<Lookup> answers, Now now);
  void read_failed(const ReadRequest& request, Now now);  // it is asked for again by a later tick

  // ---- workers ----
  void on_workers(std::vector<WorkerRegistration> registered, Now now);  // the whole list
  void on_link_up(LinkId link, const std::string& worker, Incarnation incarnation, Now now);
  void on_link_down(LinkId link, Now now);
  void on_dial_refused(const std::string& worker, Now now);
  // The handshake failed: only for explain().
  void on_dial_rejected(const std::string& worker, const std::string& reason);
  void on_message(LinkId link, Message message, Now now);
  // From another master's link: results of a worker that cannot reach us, and the owner's answers to those
  // that we relayed.
  void on_relayed(LinkId link, RelayedResults results, Now now);
  void on_relayed_acks(RelayedAcks acks);
  // Another master reaches these lives of workers that we do not: what they accepted they still hold, and
  // tell its result through that one. Asked for by missed_workers().
  void on_vouched(const std::vector<WorkerLife>& reached, Now now);
  std::vector<std::string> missed_workers() const;
  // Those of `missed` to which a channel of ours is up.
  std::vector<WorkerLife> reached(const std::vector<std::string>& missed) const;
  // A writing fence check that began at `begun` has held: we owned our shards then. Leases are granted on the
  // strength of it, and what a worker said it did not hold before is sent again.
  void on_proved(MonoTime begun);
  const std::optional<MonoTime>& proved_at() const { return proved_at_; }

  // ---- time ----
  void tick(Now now);  // at least every 250 ms, and at next_wake()
  // When a delayed task becomes due in memory; cluster time.
  std::optional<WallTime> next_wake() const;

  // Decides what can go where, and hands out all effects since the last call.
  Effects take_effects(Now now);

  // ---- views ----
  struct Live {
    TaskState state;
    std::string worker;
    std::optional<WallTime> started_at;
    Token token;  // of the current or next attempt; its epoch is 0 until it is dispatched
    std::optional<Progress> progress;
  };
  std::optional<Live> live(TaskId id) const;                      // absent: not in memory
  std::optional<ExplainReply> explain(TaskId id, Now now) const;  // absent: not in memory
  std::vector<WorkerView> workers() const;
  std::vector<ClusterReply::Lane> lanes() const;
  std::vector<GroupsReply::Group> groups() const;
  LinkId link_of(const std::string& worker) const;  // 0: none is up

  // ---- views for an audit (scheduler_core_audit.cc, judged in audit.h) ----
  // What a worker has to hold by now; it has told its inventory on this link.
  struct HeldAsk {
    std::string worker;
    Incarnation incarnation;
    LinkId link = 0;
    std::vector<Token> believed;  // at most kMaxHeldTokens
  };
  std::vector<HeldAsk> held_asks() const;
  std::vector<std::string> cannot_be_asked() const;  // registered workers, each with the reason
  bool must_hold(const HeldAsk& ask, Token token) const;
  bool may_hold(Token token) const;  // we know this attempt, are asking about it, or do not own its shard
  enum class RowPlace : std::uint8_t {
    in_hand,    // dispatched, or its end is being committed
    waiting,    // in memory, on no worker
    coming,     // being read, asked about or accepted
    in_store,   // behind the window: it is read in its turn
    forgotten,  // it will never be read
    elsewhere,  // not of our shards
  };
  RowPlace place_of(const AuditRow& row) const;
  struct Unreached {
    std::string id;
    Incarnation incarnation;
    TaskId first;
    std::size_t attempts = 0;
    Duration since{0};
  };
  std::vector<Unreached> unreached(Now now) const;

  std::size_t tasks_in_memory() const { return tasks_.size(); }
  // Workers to keep channels to, with their addresses: those registered, and those that may still hold
  // attempts.
  std::map<std::string, std::string> wanted_links() const;
  // Whether that may have changed since the last call.
  bool take_links_moved() { return std::exchange(links_moved_, false); }
  struct Counters {
    std::uint64_t accepted = 0, completed = 0, retried = 0, dispatched = 0, lost_attempts = 0,
                  stale_results = 0, adopted = 0, quarantined = 0, relayed = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  enum class Phase : std::uint8_t {
    waiting,    // in its lane, ready or parked
    delayed,    // in the timer heap
    recording,  // its dispatch record is being committed
    sent,       // on a worker, not known to have started
    running,
    ending,  // its completion or retry is being committed
  };
  struct Worker;
  struct Entry {
    TaskRow row;
    Phase phase = Phase::waiting;
    Token token;  // current one; meaningful from recording on
    Lane* lane = nullptr;
    Worker* worker = nullptr;  // recording, sent, running
    LinkId link = 0;           // sent: by which link, under which announcement
    std::uint64_t announce = 0;
    bool accepted = false;               // sent: its worker said that it holds it
    bool marked = false;                 // `running` is in the store, or on its way there
    Incarnation recorded;                // the worker's life that the store has for this attempt; 0: none
    Reporter reporter;                   // ending: who waits for the acknowledgement; nobody: it is a verdict
    std::unique_ptr<Progress> progress;  // the attempt's last word, if it tells
    PageKey key() const { return {row.rank, row.id}; }
  };
  struct Worker {
    std::string id;
    WorkerRegistration registration;  // the last known
    bool registered = false;
    LinkId link = 0;
    Incarnation incarnation;                                      // of the link, or of the last one
    std::uint64_t announced = 0;                                  // sequence sent last on this link
    std::uint64_t inventoried = 0;                                // sequence answered last, in whole
    std::map<std::uint64_t, std::vector<ShardId>> announcements;  // not yet answered
    std::unordered_set<TaskId> seen;                              // of the inventory that is coming in
    bool ready = false;  // first inventory of this link is complete: dispatches may go
    bool draining = false;
    bool busy = false;  // it refused for lack of room: wait for its next word
    std::uint32_t credit_limit = 0, queued = 0, running = 0, spooled = 0;
    std::uint64_t demand_told = 0;
    std::unordered_set<TaskId> bound;  // sent or running there, by our knowledge
    std::optional<MonoTime> refused_at, unreachable_since;
    bool has_credit = false;             // counted in its lanes' workers_with_credit
    MonoTime granted_at{};               // its last lease
    std::optional<MonoTime> dead_since;  // refused twice, and no channel since
    std::optional<MonoTime> vouched_at;  // another master said that it reaches this incarnation
    std::string rejected;                // why its handshake failed; empty: it did not
  };
  // What workers said of a task that is not in memory, while the store is asked about it.
  struct Hearsay {
    std::optional<ResultReport> report;  // one of the two
    std::optional<HeldAttempt> held;
    Worker* worker = nullptr;  // who said so, in which life, on which link
    Incarnation incarnation;
    LinkId link = 0;  // whose inventory said so
    Reporter reporter;
    const Token& token() const { return report ? report->token : held->token; }
  };
  struct Inquiry {
    std::vector<Hearsay> said;
    bool asked = false;
  };

  // How we know that a worker's attempt is over.
  enum class Death : std::uint8_t {
    suspected,  // out of reach: it may live behind a cut
    refused,    // nobody listens at its address: its supervisor is killing what ran
    replaced,   // a new life of it is here, which verified the death of everything older
  };

  Lane& lane(const std::string& group);
  Entry* find(TaskId id);
  Worker& worker_named(const std::string& id, Now now);

  void expire_start_deadlines(Now now);

  // scheduler_core_lanes.cc
  void settle(Lane& lane);
  void count(Lane& lane);
  std::size_t share_of(const Lane& lane) const;
  bool wants_page(const Lane& lane) const;
  void feed(Lane& lane);
  void read_pages(Lane::Queue queue, Now now);
  void make_room();
  void reload_all();

  // scheduler_core_tasks.cc
  void admit(TaskRow row, Now now);  // into memory, if it is to be there
  void enqueue(Entry& entry);        // among its lane's ready ones
  void trim(Lane& lane, std::size_t window);
  TaskRow take_out(Entry& entry);  // out of memory; `entry` is gone
  void touch(TaskId id);           // rows of it that are being read are older than memory
  bool outdated(TaskId id, ReadStamp begun) const;
  void detach(Entry& entry);  // off its lane's or timer's or worker's lists
  void bind(Entry& entry, Worker& worker);
  void unbind(Entry& entry);
  void busy_changed(Worker& worker);
  void finish_attempt(Entry& entry, AttemptResult result, std::string worker, Reporter reporter, Now now);
  void end_task(Entry& entry, TaskState state, AttemptResult result, std::string worker);
  void retry_task(Entry& entry, AttemptResult result, std::string worker, Duration delay, Now now);
  void acknowledge(const Reporter& reporter, Token token, ResultFate fate);
  void keep_late(const Reporter& reporter, const std::string& worker, ResultReport report);
  void quarantine(Retry& retry);
  void cancel(Entry& entry);  // as its phase allows

  // scheduler_core_dispatch.cc
  void pump(Lane& lane);
  Worker* choose(Lane& lane, Entry& entry);
  void dispatch(Entry& entry, Worker& worker);
  void send_dispatch(Entry& entry);
  void update_credit(Worker& worker);
  void rebuild_rings(const std::set<std::string>& groups);
  void flush_outboxes();
  void tell_demand(const std::set<std::string>& workers, bool periodic);

  // scheduler_core_workers.cc
  void announce(Worker& worker, const std::vector<ShardEpoch>& shards);
  void on_inventory(Worker& worker, Inventory inventory, Now now);
  void on_held(Worker& worker, const HeldAttempt& held, Now now);
  void end_inventory(Worker& worker, std::uint64_t sequence, Now now);
  void on_acks(Worker& worker, const AckBatch& batch);
  void on_results(Worker& worker, ResultBatch batch, Now now);
  void on_result(Worker& worker, const Reporter& reporter, ResultReport report, Now now);
  void on_started(const StartedBatch& batch, Now now);
  void on_progress(ProgressBatch batch);
  void on_status(Worker& worker, const WorkerStatus& status);
  void grant_lease(Worker& worker, MonoTime status_sent_at, Now now);
  void declare_lost(Worker& worker, Death death, Now now);
  bool is_vouched(const Entry& entry, Now now) const;
  void lose_attempt(Entry& entry, Death death, Now now);
  // Until when an attempt that must not overlap may still run there.
  MonoTime lease_end(const Entry& entry, Death death) const;
  void end_lease_waits(Now now);
  void adopt(Entry& entry, Worker& worker, const HeldAttempt& held, Now now);
  void inquire(TaskId id, Hearsay said);

  // scheduler_core_explain.cc
  using Reasons = std::vector<ExplainReply::Reason>;
  void explain_waiting(const Entry& entry, Now now, Reasons& reasons) const;
  void explain_bound(const Entry& entry, Now now, Reasons& reasons) const;
  std::string why_not(const Worker& worker) const;

  // scheduler_core_backlog.cc
  void plan_reads(Now now);
  bool being_accepted(TaskId id) const;
  bool gate_open(const Lane& lane, Now now) const;
  void take_row(TaskRow row, ReadStamp begun, Now now);
  Entry* bring_in(TaskRow row, Now now);
  static bool is_bound(const Entry& entry);  // on a worker, by our knowledge
  void place(Entry& entry, Worker& worker, Incarnation incarnation, const HeldAttempt& held, LinkId link,
             Now now);
  void check_placed(Entry& entry, Now now);
  void settle_inquiry(Lookup& answer, Inquiry inquiry, Now now);
  void refuse(Hearsay& said);
  void settle_without_row(const Lookup& answer, Hearsay& said);
  void end_page(const PageRead& request);
  void end_read();
  bool reading() const { return pages_reading_ > 0 || due_reading_; }

  const std::string self_;
  CoreOptions options_;
  ShardTable shards_;
  bool frozen_ = false;

  std::unordered_map<TaskId, std::unique_ptr<Entry>> tasks_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  std::set<std::pair<WallTime, TaskId>> delayed_;
  std::set<std::pair<WallTime, TaskId>> start_deadlines_;
  std::set<std::pair<MonoTime, TaskId>> lease_waits_;  // lost attempts, by the end of what they wait for
  std::deque<std::pair<MonoTime, Token>>
      mark_queue_;  // started attempts that may deserve a mark, oldest first
  std::map<std::string, std::unique_ptr<Worker>, std::less<>> workers_;
  std::unordered_map<LinkId, Worker*> links_;
  std::uint64_t announce_sequence_ = 0;
  bool registry_seen_ = false;
  bool shards_doubted_ = false;  // a worker knows a higher epoch
  bool links_moved_ = false;     // see take_links_moved()

  std::map<TaskId, TaskId> accepting_;  // first to last id
  std::map<TaskId, Inquiry> inquiries_;
  bool want_groups_ = false, groups_reading_ = false, due_reading_ = false;
  int pages_reading_ = 0, rows_reading_ = 0, lookups_reading_ = 0;
  MonoTime reads_paused_until_{};  // after a failed one
  ReadStamp read_clock_ = 0;
  std::unordered_map<TaskId, ReadStamp> touched_;  // while anything is being read
  WallTime horizon_{};  // everything due up to here is in memory or behind a lane's cursor
  MonoTime next_sweep_{}, next_worker_check_{};
  struct Take {
    MonoTime at{};
    std::uint64_t sequence = 0;  // of the first announcement that followed it
  };
  std::array<Take, kShardCount> takes_{};  // the last one of each shard
  std::optional<Take> last_take_;          // of any
  std::optional<MonoTime> proved_at_;
  // Dispatches that died with their channel: which, and when an inventory said so.
  std::map<TaskId, std::pair<Token, MonoTime>> unheld_;

  std::map<LinkId, DispatchBatch> dispatch_outbox_;
  std::map<Reporter, std::vector<ResultAck>> ack_outbox_;
  std::map<LinkId, KillBatch> kill_outbox_;
  struct ByGroup {
    bool operator()(const Lane* a, const Lane* b) const { return a->group() < b->group(); }
  };
  std::set<Lane*, ByGroup> moved_;                   // lanes with something to decide
  std::map<Lane::Queue, std::deque<Lane*>> hungry_;  // those that may be read, in turn
  std::size_t waiting_ = 0, behind_ = 0;  // tasks of all lanes; lanes with workers and more in the store
  std::size_t room_wanted_at_ = 0;        // so many waiting tasks are too many
  std::set<std::string> demand_moved_;    // workers that may have to be told
  Effects effects_;
  struct ByToken {
    bool operator()(const Token& a, const Token& b) const {
      return std::tie(a.task, a.epoch, a.attempt) < std::tie(b.task, b.epoch, b.attempt);
    }
  };
  std::map<Token, Reporter, ByToken> keeping_;  // late results that are being committed, and who asked last
  Counters counters_;
};

}  // namespace ringmaster

// Ledger: what this worker holds (queued, running, finished but unacknowledged attempts) and every decision
// about it. Pure and deterministic: events and the time go in; attempts to start and kill, results to journal
// and messages to send come out, and wait here until the shell takes them. No I/O, one thread.
//
// Guarantees:
//  - Only the link whose Announce holds a shard at its highest epoch dispatches into it and kills in it.
//  - One attempt of a task runs at a time: a newer token starts only after the older one's death was
//  reported.
//  - What must not run twice in silence starts only under a valid lease of its shard, and a queued one is not
//    held any more once a link announces its shard: whoever owns it by then decides anew.
//  - A result leaves only once journalled (and synced, unless its task may rerun), once on each link of the
//    shard's owner, after that link's inventory; it is kept until a master acknowledges it. One that its
//    owner does not answer is offered to other masters too.
//  - Bounded: attempts by `capacity`, unacknowledged results by `unacked_bytes`, results in flight on a link
//  by
//    `window_bytes`, every message in items and bytes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/audit.h"
#include "base/lease.h"
#include "base/messages.h"

namespace ringmaster {

struct LedgerOptions {
  Incarnation incarnation;
  std::uint32_t slots = 1;
  std::uint32_t capacity = 2;  // queued and running attempts; beyond it a dispatch is answered busy
  std::size_t unacked_bytes = 128u << 20;
  std::size_t window_bytes = 8u << 20;
  LeaseTimes lease;
  Duration patience = std::chrono::seconds(5);  // for an answer to a result, before others are asked too
};

class Ledger {
 public:
  struct Outgoing {
    LinkId link = 0;
    Message message;
  };
  struct Orphan {
    ShardId shard = 0;
    std::string master;  // its last known owner; empty: none announced it in this life
  };
  struct Extension {
    ShardId shard = 0;
    MonoTime until;
  };

  explicit Ledger(LedgerOptions options);

  // ---- events -----------------------------------------------------------------------------------

  // What the spool held at the start; once, before any other event.
  void load(std::vector<ResultReport> results, const std::vector<ShardEpoch>& epochs);
  // How attempts of an earlier life ended that it did not live to journal; before any link is up.
  void inherit(std::vector<ResultReport> last_words);
  void link_up(LinkId link, std::string master);
  void link_down(LinkId link);
  // The epochs that this announcement would raise: to be journalled before announce() is called.
  std::vector<ShardEpoch> raised_by(const Announce& announce) const;
  // Takes the shards over for `link` and answers; what was decided before must have been sent by then.
  std::vector<Inventory> announce(LinkId link, const Announce& announce);
  void dispatch(LinkId link, DispatchBatch batch);
  void kill(LinkId link, const KillBatch& batch, WallTime now);
  void acknowledge(const ResultAckBatch& batch);
  // Its master has proved that it owns these shards, in answer to a status that we sent.
  void grant(LinkId link, const LeaseGrant& grant);
  void started(Token token, WallTime started_at);
  void progressed(Token token, Progress progress);
  void finished(Token token, AttemptResult result);
  // No new attempts; queued ones are given back, running ones finish.
  void drain();
  // False: every new dispatch is answered busy (results cannot be journalled).
  void set_accepting(bool accepting) { accepting_ = accepting; }

  // ---- decisions --------------------------------------------------------------------------------

  // The next attempt to start within the free slots; from then on it is running.
  std::optional<Dispatch> next_start(MonoTime now);
  // Leases that have grown, of shards with attempts that need one.
  std::vector<Extension> take_extensions();
  std::vector<Token> take_kills();
  std::vector<Token> take_forgets();

  // Results to journal. The caller appends them and gives them back, with how it went; failed ones come
  // again.
  std::vector<ResultReport> take_unspooled();
  void give_back(std::vector<ResultReport> results, bool spooled);

  // Results wait for a sync that begins now; its number goes to synced(). 0: nothing waits for a new one.
  std::uint64_t begin_sync();
  // Failed: the results that waited are journalled again.
  void synced(std::uint64_t number, bool ok);

  // Acks, starts, progress and results, in sending order. An accepted ack is left out when its attempt's
  // result goes along.
  std::vector<Outgoing> take_outgoing(MonoTime now);
  // Results that are unanswered on their owner's link for `patience`, and those of `given_up` shards, whose
  // owner is out of reach: for another master's link, each time another one, which relays them.
  std::vector<Outgoing> take_offers(MonoTime now, const std::array<bool, kShardCount>& given_up);

  // ---- state ------------------------------------------------------------------------------------

  std::uint32_t queued() const { return static_cast<std::uint32_t>(queue_.size()) + successors_; }
  std::uint32_t running() const { return running_; }
  std::uint32_t spooled() const { return static_cast<std::uint32_t>(finished_.size()); }
  bool runs(TaskId task, Attempt attempt) const;  // or it waits for a slot, or for an older one's end
  bool holds(Token token) const;                  // queued, running, or finished and unacknowledged
  // What is held in these shards against what their owner believes (ledger_audit.cc).
  HeldReply audit(const HeldRequest& request, WallTime now) const;
  bool holds_nothing() const { return active_.empty() && finished_.empty(); }
  // So many results are unacknowledged that no more work is taken, until half of them are.
  bool saturated() const { return saturated_; }
  // Shards with unacknowledged results whose owner has no link.
  std::vector<Orphan> orphans() const;

 private:
  struct Shard {
    Epoch highest = 0;
    LinkId owner = 0;    // the link that announced `highest`; 0: none is up
    std::string master;  // its node id, kept when the link is gone
    std::uint32_t finished = 0;
    MonoTime lease_until{};
  };
  struct Active {
    Dispatch dispatch;  // only its token and policy remain once it runs
    HeldState state = HeldState::queued;
    std::optional<WallTime> started_at;
    std::list<TaskId>::iterator place;    // in queue_, while queued
    std::unique_ptr<Dispatch> successor;  // newer token, waits for this one's death
    bool killed = false;
    std::unique_ptr<Progress> progress;  // the last word
    bool progress_told = false;
  };
  struct Finished {
    ResultReport report;
    bool needs_sync = false;
    bool spooled = false;
    bool ready = false;     // may be reported
    bool reported = false;  // on `link`
    LinkId link = 0;        // where it is queued or was reported
    MonoTime told_at{};     // last, to its owner or to another master
    LinkId offered_to = 0;  // last
    std::uint64_t sequence = 0;
    std::size_t cost = 0;  // bytes, about
  };
  struct Link {
    std::string master;
    MonoTime lease_until{};
    std::deque<Token> backlog;  // results to report
    std::size_t in_flight = 0;  // bytes reported and unacknowledged
    std::vector<Ack> acks;
    std::vector<Token> starts;
    std::vector<Token> progress;  // of attempts that have said more than was told
  };
  using FinishedMap =
      std::unordered_multimap<TaskId, Finished>;  // a task's older tokens may wait beside newer ones

  static void trim(AttemptResult& result);

  void dispatch_one(LinkId link, Link& peer, Dispatch& item);
  // A verdict if `token` is held already or older than what is held; none: it is new or newer.
  std::optional<AckVerdict> judge_held(LinkId link, Token token, const Active* active);
  void supersede(Active& active, Dispatch item);
  void enqueue(Dispatch item);
  bool room() const;
  bool may_start(const Dispatch& dispatch, MonoTime now) const;
  void extend_leases(const std::array<bool, kShardCount>& shards, MonoTime until);
  // Queued attempts in these shards that need a lease: held no more.
  void drop_leased(const std::array<bool, kShardCount>& shards);
  void kill_one(Token token, WallTime now);
  void finish(Token token, AttemptResult result, bool needs_sync);
  void return_to_owner(Token token);
  bool owns(LinkId link, Token token) const;

  FinishedMap::iterator find_finished(Token token);
  void forget(FinishedMap::iterator entry);
  // To the owner's link, if that is up, the result may leave, and it was not told already.
  void queue_report(Finished& entry);
  void unreport(Finished& entry);
  std::vector<HeldAttempt> held_in(const std::array<bool, kShardCount>& shards) const;
  void queue_results_of(const std::array<bool, kShardCount>& shards);
  void send_acks(LinkId link, Link& peer, std::vector<Outgoing>& out);
  void send_starts(LinkId link, Link& peer, std::vector<Outgoing>& out);
  void send_progress(LinkId link, Link& peer, std::vector<Outgoing>& out);
  void collect_results(LinkId link, Link& peer, MonoTime now, std::vector<ResultBatch>& batches);
  LinkId offer_link(const Finished& entry) const;

  LedgerOptions options_;
  bool accepting_ = true;
  bool draining_ = false;
  bool saturated_ = false;
  std::uint32_t running_ = 0;
  std::uint32_t successors_ = 0;
  std::size_t unacked_bytes_ = 0;
  std::uint64_t finish_sequence_ = 0;
  std::uint64_t sync_number_ = 0;

  std::array<Shard, kShardCount> shards_;
  std::map<LinkId, Link> links_;
  std::unordered_map<TaskId, Active> active_;
  FinishedMap finished_;
  std::list<TaskId> queue_;
  std::vector<Finished*> unspooled_;  // entries of finished_, which does not move them
  std::vector<Finished*> taken_;      // those with the caller
  std::vector<Token> sync_wanted_;
  std::deque<std::pair<std::uint64_t, Token>> sync_running_;
  std::vector<Extension> extensions_;
  std::vector<Token> kills_;
  std::vector<Token> forgets_;
};

}  // namespace ringmaster

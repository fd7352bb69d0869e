// MasterNode: one master's shell. It carries the scheduler core's decisions out over the store, the links and
// the registry, and answers the API. Everything it touches comes in by constructor, so that it runs the same
// in the daemon and in the simulator. One thread: the loop's. Destroying it at any moment is safe and is what
// a crash looks like.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/api.h"
#include "base/loop.h"
#include "master/accept_queue.h"
#include "master/auditor.h"
#include "master/batch_queue.h"
#include "master/cluster_clock.h"
#include "master/namesake.h"
#include "master/peer_words.h"
#include "master/scheduler_core.h"
#include "master/shard_keeper.h"
#include "master/waiters.h"
#include "registry/registry.h"
#include "rpc/links.h"
#include "sql/task_store.h"

namespace ringmaster {

struct MasterOptions {
  std::string cluster = "default";
  MasterIdentity self;
  CoreOptions core;
  // A master's registry node is gone so long: its shards are taken over. Its session had its time already.
  Duration dead_after = std::chrono::seconds(1);
  Duration audit_interval{0};  // between two audits, if this master is the one that makes them; 0: none
  std::size_t batch = 1'000;   // transitions in one statement
  bool gives_way = true;       // to masters that can write when this one cannot; safe without
};

class MasterNode final : public LinkHandler, public ApiService {
 public:
  // `fenced`: this incarnation is over; destroy the node and start a new one with another incarnation.
  MasterNode(Loop& loop, TaskStore& store, Registry& registry, MasterOptions options,
             std::function<void(const Error&)> fenced);
  ~MasterNode() override;

  // Opens the store, then joins the registry. `started` gets the store_id once shards may be taken.
  void start(Links& links, std::function<void(Result<std::string>)> started);
  // Orderly end: hands every shard over, leaves the registry, resigns. Running attempts are not touched.
  void stop(std::function<void()> stopped);

  void call(ApiRequest request, ApiResponder respond) override;

  void on_link_up(LinkId link, const PeerInfo& peer) override;
  void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override;
  void on_dial_failed(Role role, const std::string& node_id, DialError error,
                      const std::string& reason) override;
  void on_message(LinkId link, Message message) override;
  void on_request(LinkId link, ApiRequest request, ApiResponder respond) override;

  void reconfigure(Duration worker_timeout, std::int32_t max_crashes) {
    core_.reconfigure(worker_timeout, max_crashes);
  }
  const SchedulerCore& core() const { return core_; }
  // The audits that this master has made by itself; it does so while it leads: owns shard 0.
  bool leads() const;
  const std::optional<AuditReply>& last_audit() const { return last_audit_; }
  std::uint64_t audits() const { return audits_; }

 private:
  // For another node to answer what was passed on to it, beyond what the request itself may take.
  static constexpr Duration kForwardSlack = std::chrono::seconds(5);

  Now now() const;
  void wake();  // a flush at the end of this turn
  void flush();
  void send(LinkId link, Message message);
  void perform(ReadRequest request);
  void tick();
  void set_wake_timer();
  void refresh_time();
  void prove();
  void talk_to_peers();
  void relay(std::vector<ForeignResult> results);
  void on_fenced(const Error& error);
  void hold_writes(bool hold);
  bool writes_idle() const;
  void join();
  void watch_members();
  void update_dials();
  void on_namesake_failed(DialError error);
  // Answers may come after our destruction, or not at all.
  template <class F>
  auto guard(F f) {
    return [alive = std::weak_ptr<int>(alive_), f = std::move(f)](auto&&... args) mutable {
      if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
    };
  }

  // master_api.cc
  void submit(SubmitRequest request, ApiResponder respond);
  void submit_each(std::vector<NewTask> tasks, ApiResponder respond);
  void get(GetRequest request, ApiResponder respond);
  void get_here(TaskId id, ApiResponder respond);
  void wait(WaitRequest request, ApiResponder respond);
  struct Wait;
  using WaitDone = std::move_only_function<void(Result<WaitReply>)>;
  void wait_here(std::vector<TaskId> ids, Duration duration, WaitDone done);
  void look(std::shared_ptr<Wait> wait);
  bool note_lookups(Wait& wait, const std::vector<Lookup>& found);
  void list(ListRequest request, ApiResponder respond);
  void read_lists();
  void control(ControlRequest request, ApiResponder respond);
  void drop_controls(const std::set<ShardId>& shards);
  void answer_controls(const std::vector<Control>& items, const std::vector<WriteFate>& fates);
  void explain(ExplainRequest request, ApiResponder respond);
  void explain_from_store(TaskId id, ApiResponder respond);
  void log(LogRequest request, ApiResponder respond);
  void log_here(LogRequest request, ApiResponder respond);
  void groups(GroupsRequest request, ApiResponder respond);
  Auditor::Hooks audit_hooks();
  void audit(AuditRequest request, ApiResponder respond);
  void audit_now_and_then();
  void on_audited(AuditReply reply);
  void show_live(TaskView& view) const;
  MastersReply masters() const;
  ClusterReply cluster() const;
  LinkId owner_link(ShardId shard) const;  // 0: ours, nobody's, or out of reach

  Loop& loop_;
  TaskStore& store_;
  Registry& registry_;
  Links* links_ = nullptr;
  const MasterOptions options_;
  std::function<void(const Error&)> fenced_;
  std::string store_id_;

  SchedulerCore core_;
  AcceptQueue accepts_;
  BatchQueue<Completion> completions_;
  BatchQueue<Retry> retries_;
  BatchQueue<RunningMark> records_;  // before a dispatch
  BatchQueue<RunningMark> marks_;    // lazy
  BatchQueue<LateResult> lates_;
  BatchQueue<Control> controls_;
  ShardKeeper shards_;
  Waiters waiters_;
  Namesake namesake_;
  PeerWords peers_;
  MonoTime began_{};
  Auditor auditor_;

  std::vector<MasterView> members_;  // as the registry shows them
  std::map<std::string, Incarnation> live_masters_;
  std::map<std::string, LinkId> master_links_;
  std::map<std::string, std::string> dialled_;  // workers, with the address
  std::map<std::string, std::string> dialled_masters_;
  std::deque<std::pair<ListRequest, ApiResponder>> lists_waiting_;
  std::size_t lists_reading_ = 0;
  std::multimap<TaskId, ApiResponder> controlling_;  // answered when it is committed
  ClusterClock clock_;
  bool store_up_ = false;
  bool proving_ = false, proof_wanted_ = false, holding_ = false;
  bool over_ = false;  // fenced or stopped
  bool flush_pending_ = false;
  std::optional<AuditReply> last_audit_;
  std::uint64_t audits_ = 0;
  bool auditing_ = false;
  Timer tick_timer_, wake_timer_, time_timer_, proof_timer_, peer_timer_, audit_timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster

// Auditor: gathers what an audit judges (audit.h): reads the database in small pieces, one at a time, asks
// every master for its part, and each of those asks its workers. It looks twice if the first look leaves a
// suspicion. Nothing that it does changes or locks anything.
//
// Who asks while an audit is under way gets the next one: what he is told is not older than his question. One
// full audit may be under way beside another one. Lives on the loop's thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "master/audit.h"
#include "rpc/links.h"

namespace ringmaster {

// How much of the database an audit reads. Each batch is one statement.
struct AuditScope {
  bool full = false;                  // all of it
  std::size_t lane_rows = 10'000;     // at the heads of the lanes, over all groups
  std::size_t history_ids = 100'000;  // the newest of the history
};
// The one that is made every minute.
inline constexpr AuditScope kPeriodicAudit{false, 2'000, 10'000};

class Auditor {
 public:
  struct Peer {
    std::string node;
    Incarnation incarnation;
    LinkId link = 0;  // 0: out of reach
  };
  struct Hooks {
    std::function<Now()> now;
    std::function<std::vector<Peer>()> peers;         // the other masters that the registry shows
    std::function<std::vector<Incarnation>()> shown;  // and all their incarnations
    std::function<bool()> registry_up;                // its list is the present one
    std::function<void()> flush;                      // what is decided is sent
  };
  using Done = std::move_only_function<void(AuditReply)>;

  Auditor(Loop& loop, TaskStore& store, const SchedulerCore& core, std::string self, Incarnation incarnation,
          Hooks hooks);
  void start(Links& links) { links_ = &links; }

  void run(AuditScope scope, Done done);
  // This master's part of somebody's audit.
  void part(const AuditPartRequest& request, ApiResponder respond);

 private:
  struct Run;
  using RunPtr = std::shared_ptr<Run>;
  struct Part;
  struct Kind {  // [1]: full
    bool under_way = false;
    AuditScope scope;
    std::vector<Done> waiting;
  };

  void begin(bool full);
  void look(RunPtr run);
  void read_masters(RunPtr run);
  void read_groups(RunPtr run);
  void read_lane(RunPtr run);
  void read_tasks(RunPtr run, TaskId after);
  void read_suspects(RunPtr run);
  void read_history(RunPtr run, TaskId from, std::uint64_t left);
  void read_odd(RunPtr run, std::size_t next);
  // What their owners say of these rows, then `next`.
  void judge_batch(RunPtr run, std::vector<AuditRow> rows, Callback next);
  void ask_parts(RunPtr run);
  void end_look(RunPtr run);
  void finish(RunPtr run);
  void ask_master(const std::string& node, LinkId link, AuditPartRequest request, ApiResponder respond);
  void later(Callback step);
  template <class F>
  auto guard(F f) {
    return [alive = std::weak_ptr<int>(alive_), f = std::move(f)](auto&&... args) mutable {
      if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
    };
  }

  Loop& loop_;
  TaskStore& store_;
  const SchedulerCore& core_;
  Links* links_ = nullptr;
  const std::string self_;
  const Incarnation incarnation_;
  Hooks hooks_;
  std::array<Kind, 2> kinds_;
  std::size_t turn_ = 0;  // where the next audit begins, if there are more groups than it looks at
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster

// ProcessRunner: runs attempts of kind `process` (process_spec.h) as operating system processes, through the
// supervisor, which keeps their leases too. Orders of one turn of the loop leave in one write; events arrive
// many to a read. What an attempt is given is in process_order.h. On the loop's thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/local/stream_protocol.hpp>

#include "base/asio_loop.h"
#include "worker/process_order.h"
#include "worker/runner.h"
#include "worker/supervisor.h"
#include "worker/supervisor_protocol.h"

namespace ringmaster {

class ProcessRunner final : public Runner {
 public:
  // Called once if the supervisor dies, after its attempts were verified dead and reported as lost. The
  // daemon should end, once it has journalled that: this runner starts nothing any more.
  using SupervisorLost = Callback;

  // The handler must outlive the runner. `loop` too.
  ProcessRunner(AsioLoop& loop, Supervisor supervisor, SupervisorLost lost, ProcessRules rules = {});
  // Kills all attempts and waits until they are dead; nothing is reported any more.
  ~ProcessRunner() override;

  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override;
  void kill(Token token) override;
  void extend_lease(ShardId shard, MonoTime until) override;
  // Takes as long as the system's name service takes.
  void look_up_users() { accounts_.look_up(); }
  void forget_last_words() const { supervisor_.forget_last_words(); }

 private:
  struct RunningAttempt {
    Token token;
    std::vector<int> success_exit_codes;
    Duration timeout{0};
    bool started = false;
  };

  void finish_later(Token token, AttemptResult result);
  void order(const SupervisorOrder& order);
  void order_leases();
  void write_soon();
  void write();
  void read();
  void take_events();
  void on_event(const ReadyEvent&) {}
  void on_event(const StartedEvent& event);
  void on_event(ProgressEvent& event);
  void on_event(FinishedEvent& event);
  AttemptResult lost_with_supervisor(bool started) const;
  void lose_supervisor();

  AsioLoop& loop_;
  SupervisorLost lost_;
  ProcessRules rules_;
  Accounts accounts_;
  RunnerHandler* handler_ = nullptr;
  Supervisor supervisor_;
  boost::asio::local::stream_protocol::socket socket_;  // closed before supervisor_ waits for the end
  bool supervisor_lost_ = false;
  bool write_posted_ = false;
  bool writing_ = false;
  std::string out_, in_flight_;
  std::map<ShardId, MonoTime> leases_;  // not yet in out_: one a shard, however long the supervisor is deaf
  std::array<char, 64 * 1024> buffer_;
  SupervisorFrames frames_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, RunningAttempt> attempts_;
  std::unordered_multimap<TaskId, std::uint64_t> ids_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work holds it weakly
};

}  // namespace ringmaster

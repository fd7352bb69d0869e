// PgPool: a master's connections, each behind its own fence row. A statement goes to the connection with the
// least work. A lost connection is settled first (its fence row is deleted on another one, which waits for
// the old statement or defeats it); only then are its writes answered `unknown_outcome`. Reconnects with
// jittered back-off, beginning with another host each time. One thread, the loop's; nothing is answered
// inside a call, or after close().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/asio_loop.h"
#include "base/backoff.h"
#include "sql/pg_connection.h"
#include "sql/task_store.h"

namespace ringmaster {

class PgPool {
 public:
  using Answer = std::move_only_function<void(Result<PgRows>)>;
  struct Stamp {  // what a write proves
    Incarnation incarnation;
    int connection = 0;
    Generation generation = 0;
    PgParams params() const;  // $1, $2 and $3 of a fenced statement
  };
  using Build = std::function<PgParams(const Stamp&)>;  // a write's parameters; runs inside write()
  using WriteAnswer = std::move_only_function<void(const Stamp&, Result<PgRows>)>;

  PgPool(AsioLoop& loop, std::size_t connections);
  ~PgPool();

  // Makes the master row and the fence rows; answers the store_id when every connection has been tried.
  void open(PgTarget target, MasterIdentity self, StoreCallback<std::string> done);
  void close();
  // Every call from now on answers fenced.
  void end() { fenced_ = true; }

  // `weight`: about how many rows it touches. Errors of a read: fenced, unavailable, internal.
  void read(const PgStatement& statement, const PgParams& params, std::size_t weight, Answer answer);
  // Errors of a write: as in task_store.h, but that nobody has looked whether it held.
  void write(const PgStatement& statement, const Build& build, std::size_t weight, WriteAnswer answer);
  // A statement that may take its time (VACUUM): the rest goes to the other connections meanwhile.
  void chore(const PgStatement& statement, Answer answer);

  // Statements sent from now on are built under this generation.
  void set_generation(Generation generation);
  Incarnation incarnation() const { return self_.incarnation; }
  AsioLoop& loop() { return loop_; }
  std::size_t ready_connections() const;

 private:
  struct Slot {
    std::shared_ptr<PgConnection> connection;
    int number = 0;  // of this connection, 0: none yet; never used again
    bool fence_begun = false, ready = false, tried = false;
    std::size_t load = 0;
    std::size_t first_host = 0;  // grows with each connection that did not come up
    ReconnectBackoff backoff{std::chrono::milliseconds(50), std::chrono::seconds(2)};
    std::unique_ptr<Timer> timer;
  };
  struct Opening {
    StoreCallback<std::string> done;
    std::string store_id;
    bool registered = false;
    Error error;
  };

  // ---- a connection's way up ----
  void connect(Slot& slot);
  void check_durability(Slot& slot);
  void check_schema(Slot& slot);
  void register_master(Slot& slot);
  void make_fence(Slot& slot);
  void become_ready(Slot& slot, Generation generation);
  void drop(Slot& slot, const Error& error);
  void reconnect_later(Slot& slot);
  void tried(Slot& slot);
  void finish_opening(Result<std::string> outcome);

  // ---- a connection's end ----
  void on_lost(Slot& slot);
  void settle_all();
  void settle(int number);
  void settled(int number);
  void on_fenced();

  Slot* pick();
  // Null, once `answer` has been told why.
  Slot* slot_for(Answer& answer);
  void send(Slot& slot, const PgStatement& statement, const PgParams& params, std::size_t weight,
            bool is_write, Answer answer, bool patient = false);
  void refuse(Answer answer, ErrorCode code, std::string message);
  void setup(Slot& slot, const PgStatement& statement, const PgParams& params,
             std::move_only_function<void(PgReply)> then);

  AsioLoop& loop_;
  PgTarget target_;
  MasterIdentity self_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<Opening> opening_;
  Generation generation_ = 0;
  int last_number_ = 0;
  bool fenced_ = false, closed_ = true;
  // Lost connections by number: the writes whose fate is open, and whether settling is under way.
  struct Unsettled {
    std::vector<Answer> answers;
    bool asked = false;
  };
  std::map<int, Unsettled> unsettled_;
  Timer settle_timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

// The answer to a write whose fence did not hold.
std::unexpected<Error> not_held();

// What the reply to a statement means; `lost` is not for here.
Result<PgRows> result_of(PgReply reply);

}  // namespace ringmaster

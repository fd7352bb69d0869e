// PgConnection: one connection to PostgreSQL on a loop, in libpq's pipeline mode. Each statement is prepared
// at its first use, is a transaction of its own (a sync follows it) and is answered in order, once its
// transaction has ended. A connection lives once: when it is lost, whoever owns it makes another. One thread,
// the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <libpq-fe.h>

#include "base/asio_loop.h"
#include "base/result.h"
#include "sql/pg_target.h"
#include "sql/pg_values.h"

namespace ringmaster {

// A prepared statement; names are unique.
struct PgStatement {
  std::string name, sql;
};

struct PgReply {
  enum class Kind {
    done,     // committed
    refused,  // an SQL error: rolled back
    lost,     // the connection broke after it was sent: committed or not
  };
  Kind kind = Kind::lost;
  PgRows rows;
  std::string sqlstate, message;  // unless done
};

class PgConnection : public std::enable_shared_from_this<PgConnection> {
 public:
  using Answer = std::move_only_function<void(PgReply)>;
  using Connected = std::move_only_function<void(Result<>)>;
  using Lost = std::move_only_function<void(std::string reason)>;

  PgConnection(AsioLoop& loop, const PgTarget& target);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // Tries the hosts from `first_host` on. `connected` runs once. `lost` runs at most once and only after it
  // had succeeded, after every statement that was under way has been answered `lost`.
  void connect(std::size_t first_host, Connected connected, Lost lost);
  bool is_up() const { return state_ == State::up; }
  // Only while up; otherwise it is answered `lost` at once. `patient`: without a deadline.
  void send(const PgStatement& statement, const PgParams& params, Answer answer, bool patient = false);
  // Gives up: nothing more is answered, nothing called.
  void close();

 private:
  enum class State { idle, connecting, up, closed };
  struct Pending {
    Answer answer;
    MonoTime deadline;
    const PgStatement* prepares = nullptr;  // prepared by this one
    PgReply reply;
    bool failed = false;
  };

  void poll();
  void connected_or_not(Result<> outcome);
  void wait_readable();
  void on_readable();
  void drain();
  void take_result(PGresult* raw);
  void flush();
  void watch();
  void lose(std::string reason);
  void release_socket();
  std::string error_text() const;

  AsioLoop& loop_;
  const PgTarget& target_;
  State state_ = State::idle;
  PGconn* connection_ = nullptr;
  std::unique_ptr<boost::asio::posix::stream_descriptor> socket_;
  bool writing_ = false;
  Timer watchdog_;
  Connected connected_;
  Lost lost_;
  std::deque<Pending> pending_;
  std::unordered_set<std::string> prepared_;
};

}  // namespace ringmaster

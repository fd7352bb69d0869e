#include "sql/pg_connection.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/pg_failpoints.h"

namespace ringmaster {
namespace {

using boost::asio::posix::stream_descriptor;

constexpr int kBinary = 1;
// The server cancels a statement at its deadline; only a server that does not answer at all reaches ours.
constexpr Duration kGrace = std::chrono::seconds(2);
constexpr Duration kWatchInterval = std::chrono::seconds(1);

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

PgConnection::PgConnection(AsioLoop& loop, const PgTarget& target)
    : loop_(loop), target_(target), watchdog_(loop) {}

PgConnection::~PgConnection() {
  close();
}

std::string PgConnection::error_text() const {
  std::string text = connection_ == nullptr ? "out of memory" : PQerrorMessage(connection_);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "connection lost" : text;
}

// ---- connecting ----

void PgConnection::connect(std::size_t first_host, Connected connected, Lost lost) {
  connected_ = std::move(connected);
  lost_ = std::move(lost);
  state_ = State::connecting;
  const std::vector<std::string> from_first_host = target_.values_from(first_host);
  std::vector<const char*> keywords, values;
  for (std::size_t i = 0; i < target_.keywords.size(); ++i) {
    keywords.push_back(target_.keywords[i].c_str());
    values.push_back(from_first_host[i].c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  connection_ = PQconnectStartParams(keywords.data(), values.data(), 0);
  // Outcomes are told from the loop, never inside this call.
  watchdog_.start(target_.connect_deadline, [this] {
    connected_or_not(fail(ErrorCode::unavailable, "the database did not answer in time"));
  });
  if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD) {
    loop_.post([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->state_ == State::connecting) {
        self->connected_or_not(fail(ErrorCode::unavailable, self->error_text()));
      }
    });
    return;
  }
  socket_ = std::make_unique<stream_descriptor>(loop_.context(), PQsocket(connection_));
  socket_->async_wait(stream_descriptor::wait_write, [weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (self && !error && self->state_ == State::connecting) self->poll();
  });
}

// libpq may replace its socket in each call: it is wrapped anew after each.
void PgConnection::poll() {
  release_socket();
  const PostgresPollingStatusType status = PQconnectPoll(connection_);
  if (status == PGRES_POLLING_OK) {
    PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
    if (PQsetnonblocking(connection_, 1) != 0 || PQenterPipelineMode(connection_) != 1) {
      return connected_or_not(fail(ErrorCode::unavailable, error_text()));
    }
    socket_ = std::make_unique<stream_descriptor>(loop_.context(), PQsocket(connection_));
    wait_readable();
    return connected_or_not({});
  }
  if (status == PGRES_POLLING_FAILED) return connected_or_not(fail(ErrorCode::unavailable, error_text()));
  socket_ = std::make_unique<stream_descriptor>(loop_.context(), PQsocket(connection_));
  const auto direction =
      status == PGRES_POLLING_READING ? stream_descriptor::wait_read : stream_descriptor::wait_write;
  socket_->async_wait(direction, [weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (self && !error && self->state_ == State::connecting) self->poll();
  });
}

void PgConnection::connected_or_not(Result<> outcome) {
  const auto self = shared_from_this();
  watchdog_.stop();
  auto connected = std::exchange(connected_, nullptr);
  if (outcome) {
    state_ = State::up;
  } else {
    close();
  }
  connected(std::move(outcome));
}

// ---- statements ----

void PgConnection::send(const PgStatement& statement, const PgParams& params, Answer answer, bool patient) {
  if (!is_up()) return answer(PgReply{PgReply::Kind::lost, {}, {}, "not connected"});
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& value : params.values()) {
    values.push_back(value.data());
    lengths.push_back(static_cast<int>(value.size()));
  }
  const std::vector<int> formats(values.size(), kBinary);
  Pending& pending = pending_.emplace_back();
  pending.answer = std::move(answer);
  pending.deadline = patient ? MonoTime::max() : loop_.now() + target_.statement_deadline + kGrace;
  int sent = 1;
  if (prepared_.insert(statement.name).second) {
    pending.prepares = &statement;
    sent = PQsendPrepare(connection_, statement.name.c_str(), statement.sql.c_str(), 0, nullptr);
  }
  if (sent == 1) {
    sent = PQsendQueryPrepared(connection_, statement.name.c_str(), static_cast<int>(values.size()),
                               values.data(), lengths.data(), formats.data(), kBinary);
  }
  if (sent == 1) stop_in_transaction(connection_, statement.name);
  if (sent == 1) sent = PQpipelineSync(connection_);
  if (!watchdog_.running()) watch();
  if (sent != 1) {
    // Part of it may be under way: it is lost with the connection. Never inside this call.
    loop_.post([weak = weak_from_this(), reason = error_text()] {
      if (const auto self = weak.lock()) self->lose(reason);
    });
    return;
  }
  flush();
}

void PgConnection::flush() {
  if (writing_ || !is_up()) return;
  const int left = PQflush(connection_);
  if (left == 0) return;
  // What the server said before it went may still be unread: reading finds the end, too.
  if (left < 0) return;
  writing_ = true;
  socket_->async_wait(stream_descriptor::wait_write, [weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (!self || error || !self->is_up()) return;
    self->writing_ = false;
    self->flush();
  });
}

void PgConnection::wait_readable() {
  socket_->async_wait(stream_descriptor::wait_read, [weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (self && !error && self->is_up()) self->on_readable();
  });
}

void PgConnection::on_readable() {
  const bool alive = PQconsumeInput(connection_) == 1;
  drain();
  if (!is_up()) return;
  if (!alive || PQstatus(connection_) != CONNECTION_OK) return lose(error_text());
  flush();
  wait_readable();
}

void PgConnection::drain() {
  // Between statements libpq answers null once or twice; more often means that it has nothing further.
  int nulls = 0;
  while (is_up() && !pending_.empty() && PQstatus(connection_) == CONNECTION_OK &&
         PQisBusy(connection_) == 0 && nulls < 4) {
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) {
      ++nulls;
      continue;
    }
    nulls = 0;
    take_result(result);
  }
}

void PgConnection::take_result(PGresult* raw) {
  PgRows rows(raw);
  Pending& front = pending_.front();
  switch (PQresultStatus(raw)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      front.prepares = nullptr;            // it is, and stays so, whatever becomes of its first use
      front.reply.rows = std::move(rows);  // the statement's comes after its preparation's
      return;
    case PGRES_PIPELINE_ABORTED:
      return;
    case PGRES_PIPELINE_SYNC: {  // its transaction has ended
      if (PQstatus(connection_) != CONNECTION_OK) return;
      Pending done = std::move(front);
      pending_.pop_front();
      done.reply.kind = done.failed ? PgReply::Kind::refused : PgReply::Kind::done;
      if (done.failed && done.prepares != nullptr) prepared_.erase(done.prepares->name);
      done.answer(std::move(done.reply));
      return;
    }
    default: {
      const std::string severity = field(raw, PG_DIAG_SEVERITY_NONLOCALIZED);
      if (!front.failed) {
        front.failed = true;
        front.reply.sqlstate = field(raw, PG_DIAG_SQLSTATE);
        front.reply.message = field(raw, PG_DIAG_MESSAGE_PRIMARY);
      }
      // The backend is going: whether it had committed cannot be told from here.
      if (severity != "ERROR") lose(front.reply.message.empty() ? error_text() : front.reply.message);
    }
  }
}

// ---- the end ----

void PgConnection::watch() {
  watchdog_.start(kWatchInterval, [this] {
    if (pending_.empty()) return;
    const MonoTime now = loop_.now();
    // Answers come in order: behind a patient statement all the others have to be patient.
    if (pending_.front().deadline < now) return lose("the database did not answer in time");
    watch();
  });
}

void PgConnection::release_socket() {
  if (socket_ == nullptr) return;
  // libpq owns the descriptor and closes it.
  socket_->release();
  socket_.reset();
}

void PgConnection::lose(std::string reason) {
  if (!is_up()) return;
  const auto self = shared_from_this();
  auto pending = std::move(pending_);
  auto lost = std::move(lost_);
  close();
  for (Pending& item : pending) {
    if (item.answer) item.answer(PgReply{PgReply::Kind::lost, {}, {}, reason});
  }
  if (lost) lost(std::move(reason));
}

void PgConnection::close() {
  state_ = State::closed;
  watchdog_.stop();
  pending_.clear();
  lost_ = nullptr;
  release_socket();
  if (connection_ != nullptr) PQfinish(std::exchange(connection_, nullptr));
}

}  // namespace ringmaster

// PgPool: statements, and what becomes of them when their connection is lost.
#include "sql/pg_pool.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "sql/pg_statements.h"

namespace ringmaster {
namespace {

constexpr Duration kSettleAgain = std::chrono::milliseconds(100);

// Rolled back for a reason that passes: serialization, deadlock, resources, lock time-out, cancelled by its
// deadline, shutdown, and a primary that has become a standby.
bool is_passing(std::string_view sqlstate) {
  return sqlstate.starts_with("40") || sqlstate.starts_with("53") || sqlstate.starts_with("55") ||
         sqlstate.starts_with("57") || sqlstate == "25006" || sqlstate.starts_with("08");
}

}  // namespace

Result<PgRows> result_of(PgReply reply) {
  if (reply.kind == PgReply::Kind::done) return std::move(reply.rows);
  const ErrorCode code = is_passing(reply.sqlstate) ? ErrorCode::unavailable : ErrorCode::internal;
  return fail(code, reply.sqlstate + " " + reply.message);
}

std::unexpected<Error> not_held() {
  return fail(ErrorCode::fenced,
              "this master may not write: it was declared dead, or gave up shards meanwhile");
}

PgParams PgPool::Stamp::params() const {
  PgParams params;
  params.integer(incarnation.value);
  params.small(connection);
  params.integer(generation);
  return params;
}

PgPool::PgPool(AsioLoop& loop, std::size_t connections) : loop_(loop), settle_timer_(loop) {
  for (std::size_t i = 0; i < std::max<std::size_t>(connections, 1); ++i) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->timer = std::make_unique<Timer>(loop);
  }
}

PgPool::~PgPool() {
  close();
}

void PgPool::close() {
  closed_ = true;
  alive_ = std::make_shared<int>();  // what was posted before finds its own gone
  settle_timer_.stop();
  opening_.reset();
  unsettled_.clear();
  for (auto& slot : slots_) {
    slot->timer->stop();
    slot->ready = false;
    if (slot->connection) slot->connection->close();
    slot->connection.reset();
  }
}

std::size_t PgPool::ready_connections() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [](const auto& slot) { return slot->ready; }));
}

void PgPool::set_generation(Generation generation) {
  generation_ = std::max(generation_, generation);
}

// ---- statements ----

void PgPool::refuse(Answer answer, ErrorCode code, std::string message) {
  loop_.post([alive = std::weak_ptr<int>(alive_), answer = std::move(answer),
              error = Error{code, std::move(message), {}}]() mutable {
    if (!alive.expired()) answer(std::unexpected(std::move(error)));
  });
}

PgPool::Slot* PgPool::pick() {
  Slot* best = nullptr;
  for (auto& slot : slots_) {
    if (!slot->ready || !slot->connection->is_up()) continue;
    if (best == nullptr || slot->load < best->load) best = slot.get();
  }
  return best;
}

PgPool::Slot* PgPool::slot_for(Answer& answer) {
  if (closed_) return nullptr;
  Slot* slot = fenced_ ? nullptr : pick();
  if (fenced_) {
    refuse(std::move(answer), ErrorCode::fenced, "this master is not living any more");
  } else if (slot == nullptr) {
    refuse(std::move(answer), ErrorCode::unavailable, "the database cannot be reached");
  }
  return slot;
}

void PgPool::read(const PgStatement& statement, const PgParams& params, std::size_t weight, Answer answer) {
  if (Slot* slot = slot_for(answer)) send(*slot, statement, params, weight, false, std::move(answer));
}

void PgPool::write(const PgStatement& statement, const Build& build, std::size_t weight, WriteAnswer answer) {
  Slot* best = fenced_ ? nullptr : pick();
  const Stamp stamp{self_.incarnation, best == nullptr ? 0 : best->number, generation_};
  Answer bound = [stamp, answer = std::move(answer)](Result<PgRows> rows) mutable {
    answer(stamp, std::move(rows));
  };
  if (Slot* slot = slot_for(bound)) send(*slot, statement, build(stamp), weight, true, std::move(bound));
}

void PgPool::chore(const PgStatement& statement, Answer answer) {
  constexpr std::size_t kHeavy = 1'000'000;
  Slot* slot = slot_for(answer);
  if (slot == nullptr) return;
  send(*slot, pg_statements().no_deadline, {}, 0, false, [](Result<PgRows>) {});
  send(*slot, statement, {}, kHeavy, false, std::move(answer), true);
  send(*slot, pg_statements().usual_deadline, {}, 0, false, [](Result<PgRows>) {}, true);
}

void PgPool::send(Slot& slot, const PgStatement& statement, const PgParams& params, std::size_t weight,
                  bool is_write, Answer answer, bool patient) {
  const std::size_t load = weight + 1;
  slot.load += load;
  auto on_reply = [this, alive = std::weak_ptr<int>(alive_), &slot, number = slot.number, load, is_write,
                   answer = std::move(answer)](PgReply reply) mutable {
    if (alive.expired()) return;
    if (slot.number == number) slot.load -= load;
    if (reply.kind != PgReply::Kind::lost) return answer(result_of(std::move(reply)));
    if (is_write) return unsettled_[number].answers.push_back(std::move(answer));
    refuse(std::move(answer), ErrorCode::unavailable, "the connection to the database was lost");
  };
  slot.connection->send(statement, params, std::move(on_reply), patient);
}

// ---- a connection's end ----

void PgPool::on_lost(Slot& slot) {
  slot.ready = false;
  slot.load = 0;
  if (slot.fence_begun) unsettled_.try_emplace(slot.number);
  slot.fence_begun = false;
  slot.connection.reset();
  if (fenced_) return on_fenced();
  settle_all();
  reconnect_later(slot);
}

// Every lost connection that nobody is settling yet; one that is settling through a connection that was lost
// itself is asked again.
void PgPool::settle_all() {
  if (unsettled_.empty() || pick() == nullptr) return;
  std::vector<int> numbers;
  for (auto& [number, item] : unsettled_) {
    if (!item.asked) numbers.push_back(number);
  }
  for (const int number : numbers) settle(number);
}

void PgPool::settle(int number) {
  Slot* slot = pick();
  if (slot == nullptr) return;
  unsettled_[number].asked = true;
  PgParams params;
  params.integer(self_.incarnation.value);
  params.small(number);
  slot->connection->send(
      pg_statements().settle, params, [this, number, alive = std::weak_ptr<int>(alive_)](PgReply reply) {
        if (alive.expired()) return;
        const auto result = reply.kind == PgReply::Kind::lost ? Result<PgRows>(std::unexpected(Error{}))
                                                              : result_of(std::move(reply));
        if (result && result->size() == 1) {
          set_generation(result->integer(0, 0));
          return settled(number);
        }
        unsettled_[number].asked = false;
        settle_timer_.start(kSettleAgain, [this] { settle_all(); });
      });
}

void PgPool::settled(int number) {
  auto node = unsettled_.extract(number);
  if (node.empty()) return;
  const std::weak_ptr<int> alive = alive_;
  for (Answer& answer : node.mapped().answers) {
    answer(fail(ErrorCode::unknown_outcome, "the connection was lost while this was being committed"));
    if (alive.expired()) return;
  }
}

// The master row is not living: whoever ended it has deleted its fence rows, which settled everything.
void PgPool::on_fenced() {
  fenced_ = true;
  const std::weak_ptr<int> alive = alive_;
  while (!alive.expired() && !unsettled_.empty()) settled(unsettled_.begin()->first);
}

}  // namespace ringmaster

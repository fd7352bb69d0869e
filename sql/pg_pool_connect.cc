// PgPool: how a connection comes up: settings, schema, master row (the first time), fence row.
#include <utility>

#include <glog/logging.h>

#include "sql/migrate.h"
#include "sql/pg_pool.h"
#include "sql/pg_statements.h"

namespace ringmaster {

void PgPool::open(PgTarget target, MasterIdentity self, StoreCallback<std::string> done) {
  close();
  closed_ = false;
  fenced_ = false;
  target_ = std::move(target);
  self_ = std::move(self);
  opening_ = std::make_unique<Opening>();
  opening_->done = std::move(done);
  for (auto& slot : slots_) {
    slot->tried = false;
    slot->first_host = 0;
  }
  connect(*slots_.front());  // the others follow when the master row is there
}

void PgPool::connect(Slot& slot) {
  slot.number = ++last_number_;
  slot.load = 0;
  slot.connection = std::make_shared<PgConnection>(loop_, target_);
  slot.connection->connect(
      slot.first_host,
      [this, &slot, alive = std::weak_ptr<int>(alive_)](Result<> connected) {
        if (alive.expired()) return;
        if (!connected) return drop(slot, connected.error());
        check_durability(slot);
      },
      [this, &slot, alive = std::weak_ptr<int>(alive_)](std::string) {
        if (!alive.expired() && slot.ready) on_lost(slot);  // otherwise setup() sees it
      });
}

// One statement on the way up. A refusal or a loss ends this connection.
void PgPool::setup(Slot& slot, const PgStatement& statement, const PgParams& params,
                   std::move_only_function<void(PgReply)> then) {
  slot.connection->send(
      statement, params,
      [this, &slot, alive = std::weak_ptr<int>(alive_), then = std::move(then)](PgReply reply) mutable {
        if (alive.expired()) return;
        if (reply.kind == PgReply::Kind::done) return then(std::move(reply));
        const bool lost = reply.kind == PgReply::Kind::lost;
        const Error error{lost ? ErrorCode::unavailable
                               : result_of(PgReply{reply.kind, {}, reply.sqlstate, {}}).error().code,
                          reply.sqlstate + " " + reply.message,
                          {}};
        // Not from inside the connection's own call.
        loop_.post([this, &slot, error, alive] {
          if (!alive.expired()) drop(slot, error);
        });
      });
}

// What is answered has to survive. A session's own setting is mended; what only the server can mend is said.
void PgPool::check_durability(Slot& slot) {
  setup(slot, pg_statements().durability, {}, [this, &slot](PgReply reply) {
    if (!reply.rows.is_null(0, 0)) {
      LOG_EVERY_T(WARNING, 60) << "PostgreSQL runs with " << reply.rows.text(0, 0)
                               << " = off: when its machine crashes, tasks that were answered may be lost or "
                                  "damaged; switch it on";
    }
    if (opening_ && !opening_->registered) return check_schema(slot);
    make_fence(slot);
  });
}

void PgPool::check_schema(Slot& slot) {
  slot.connection->send(
      pg_statements().schema_version, {}, [this, &slot, alive = std::weak_ptr<int>(alive_)](PgReply reply) {
        if (alive.expired()) return;
        // 42P01, 3F000: no such table or schema.
        const bool absent = reply.sqlstate == "42P01" || reply.sqlstate == "3F000";
        if (reply.kind == PgReply::Kind::done || absent) {
          const auto version = absent ? 0 : reply.rows.integer(0, 0);
          if (version == schema_version()) return register_master(slot);
          const std::string found = "the database's schema is at version " + std::to_string(version) +
                                    ", this binary needs version " + std::to_string(schema_version()) + ": ";
          reply.message =
              found + (version < schema_version() ? "run `ringmaster migrate`"
                                                  : "use the binary that ran `ringmaster migrate` last");
        }
        const auto code =
            reply.kind == PgReply::Kind::lost ? ErrorCode::unavailable : ErrorCode::invalid_argument;
        loop_.post([this, &slot, error = Error{code, reply.message, {}}, alive] {
          if (!alive.expired()) drop(slot, error);
        });
      });
}

void PgPool::register_master(Slot& slot) {
  PgParams params;
  params.integer(self_.incarnation.value);
  for (const std::string* text :
       {&self_.node_id, &self_.rpc_address, &self_.http_address, &self_.version, &self_.cluster}) {
    params.text(*text);
  }
  setup(slot, pg_statements().register_master, params, [this, &slot](PgReply reply) {
    if (const std::string cluster(reply.rows.text(0, 1)); cluster != self_.cluster) {
      return loop_.post(
          [this, &slot, error = another_cluster(cluster, self_.cluster), alive = std::weak_ptr(alive_)] {
            if (!alive.expired()) drop(slot, error);
          });
    }
    opening_->store_id = reply.rows.text(0, 0);
    opening_->registered = true;
    make_fence(slot);
    for (auto& other : slots_) {
      if (other.get() == &slot) continue;
      other->first_host = slot.first_host;
      connect(*other);
    }
  });
}

void PgPool::make_fence(Slot& slot) {
  slot.fence_begun = true;
  PgParams params;
  params.integer(self_.incarnation.value);
  params.small(slot.number);
  setup(slot, pg_statements().make_fence, params, [this, &slot](PgReply reply) {
    if (!reply.rows.is_null(0, 0)) return become_ready(slot, reply.rows.integer(0, 0));
    slot.fence_begun = false;
    const std::weak_ptr<int> alive = alive_;
    on_fenced();
    if (alive.expired()) return;
    loop_.post([this, &slot, alive] {
      if (!alive.expired()) drop(slot, {ErrorCode::fenced, "this incarnation is not living any more", {}});
    });
  });
}

void PgPool::become_ready(Slot& slot, Generation generation) {
  slot.ready = true;
  slot.backoff.reset();
  set_generation(generation);
  settle_all();
  tried(slot);
}

// This connection did not come up.
void PgPool::drop(Slot& slot, const Error& error) {
  if (slot.connection) slot.connection->close();
  slot.connection.reset();
  if (slot.fence_begun) unsettled_.try_emplace(slot.number);
  slot.fence_begun = false;
  ++slot.first_host;
  if (opening_) {
    opening_->error = error;
    const bool others_left = error.code == ErrorCode::unavailable && slot.first_host < target_.hosts();
    if (!opening_->registered && others_left) return reconnect_later(slot);
    if (!opening_->registered) return finish_opening(std::unexpected(error));
  }
  const std::weak_ptr<int> alive = alive_;
  tried(slot);
  if (!alive.expired() && !closed_) reconnect_later(slot);
}

void PgPool::reconnect_later(Slot& slot) {
  if (fenced_ || closed_) return;
  slot.timer->start(slot.backoff.next(loop_.random()), [this, &slot] { connect(slot); });
}

void PgPool::tried(Slot& slot) {
  slot.tried = true;
  if (!opening_) return;
  for (const auto& other : slots_) {
    if (!other->tried) return;
  }
  if (ready_connections() == 0) return finish_opening(std::unexpected(opening_->error));
  finish_opening(opening_->store_id);
}

void PgPool::finish_opening(Result<std::string> outcome) {
  auto opening = std::move(opening_);
  auto done = std::move(opening->done);
  if (!outcome) close();
  done(std::move(outcome));
}

}  // namespace ringmaster

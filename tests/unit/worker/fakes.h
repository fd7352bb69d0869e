// Hand-written fakes around a WorkerNode: they record what they are told and do what the test says.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/loop.h"
#include "registry/registry.h"
#include "rpc/links.h"
#include "worker/runner.h"
#include "worker/spool.h"

namespace ringmaster::fakes {

inline Token token(std::int64_t sequence, ShardId shard, Epoch epoch = 1, Attempt attempt = 1) {
  return Token{make_task_id(sequence, shard), epoch, attempt};
}

inline Dispatch work(Token token, OnWorkerLost policy = OnWorkerLost::rerun) {
  Dispatch dispatch;
  dispatch.token = token;
  dispatch.kind = "noop";
  dispatch.on_worker_lost = policy;
  return dispatch;
}

class FakeLinks final : public Links {
 public:
  void dial(Role, const std::string& node_id, const std::string& address) override {
    dialled[node_id] = address;
  }
  void undial(Role, const std::string& node_id) override { dialled.erase(node_id); }
  bool send(LinkId link, Message message) override {
    sent.emplace_back(link, std::move(message));
    return true;
  }
  void call(LinkId, ApiRequest, Duration, ApiResponder respond) override {
    respond(fail(ErrorCode::unavailable, "not in this fake"));
  }
  void close(LinkId link, const std::string&) override { closed.insert(link); }

  // Messages of one kind sent on `link`, oldest first.
  template <class M>
  std::vector<M> of(LinkId link) const {
    std::vector<M> found;
    for (const auto& [to, message] : sent) {
      if (const M* m = std::get_if<M>(&message); m != nullptr && to == link) found.push_back(*m);
    }
    return found;
  }
  template <class Batch>
  auto items(LinkId link) const {
    decltype(Batch::items) all;
    for (const Batch& batch : of<Batch>(link)) all.insert(all.end(), batch.items.begin(), batch.items.end());
    return all;
  }

  std::vector<std::pair<LinkId, Message>> sent;
  std::map<std::string, std::string> dialled;
  std::set<LinkId> closed;
};

class MemorySpool final : public Spool {
 public:
  Contents load() override { return contents; }
  Result<> bind(const std::string& store_id) override {
    contents.store_id = store_id;
    return {};
  }
  Result<> append(const std::vector<ResultReport>& results) override {
    if (broken) return fail(ErrorCode::unavailable, "no space left");
    for (const ResultReport& report : results) contents.results.push_back(report);
    return {};
  }
  Result<> note_epochs(const std::vector<ShardEpoch>& epochs) override {
    if (broken) return fail(ErrorCode::unavailable, "no space left");
    for (const ShardEpoch& entry : epochs) contents.epochs.push_back(entry);
    return {};
  }
  void sync(Synced done) override { syncs.push_back(std::move(done)); }
  void forget(const std::vector<Token>& tokens) override {
    for (const Token& each : tokens) {
      std::erase_if(contents.results, [&](const ResultReport& report) { return report.token == each; });
    }
  }

  Contents contents;
  bool broken = false;
  std::vector<Synced> syncs;  // the test calls them
};

class FakeRunner final : public Runner {
 public:
  explicit FakeRunner(Loop& loop) : loop_(loop) {}
  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override {
    started.push_back(attempt.token);
    if (!automatic) return;
    loop_.post([this, token = attempt.token] {
      handler_->on_attempt_started(token, loop_.wall_now());
      handler_->on_attempt_finished(token, {});
    });
  }
  void kill(Token token) override { killed.push_back(token); }
  void extend_lease(ShardId shard, MonoTime until) override { leases[shard] = until; }

  void report_started(Token token) { handler_->on_attempt_started(token, loop_.wall_now()); }
  void finish(Token token, Outcome outcome = Outcome::succeeded) {
    AttemptResult result;
    result.outcome = outcome;
    handler_->on_attempt_finished(token, std::move(result));
  }

  bool automatic = false;  // each attempt starts and succeeds in the next turn
  std::vector<Token> started;
  std::vector<Token> killed;
  std::map<ShardId, MonoTime> leases;  // as said last

 private:
  Loop& loop_;
  RunnerHandler* handler_ = nullptr;
};

class FakeRegistry final : public Registry {
 public:
  explicit FakeRegistry(Loop& loop) : loop_(loop) {}
  void join(Membership, std::string id, std::string data, Joined joined) override {
    member = Member{std::move(id), std::move(data), 1};
    loop_.post([joined = std::move(joined)]() mutable { joined({}); });
  }
  void leave(Membership, std::string, Joined left) override {
    member.reset();
    loop_.post([left = std::move(left)]() mutable { left({}); });
  }
  void watch(Membership, MembersChanged changed) override { changed_ = std::move(changed); }
  void on_session(SessionChanged) override {}
  SessionState session() const override { return SessionState::connected; }

  void show(const std::vector<Member>& members) { changed_(members); }

  std::optional<Member> member;  // who joined

 private:
  Loop& loop_;
  MembersChanged changed_;
};

}  // namespace ringmaster::fakes

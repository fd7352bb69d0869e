// What the ledger tests share: a ledger with two masters' links, and short words for what happens to it.
#pragma once

#include <utility>

#include <gmock/gmock.h>

#include "tests/unit/worker/fakes.h"
#include "worker/ledger.h"

namespace ringmaster {

using fakes::token;
using fakes::work;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

inline constexpr Incarnation kLife{77};
inline constexpr LinkId kA = 1, kB = 2;
inline constexpr ShardId kShard = 5;
inline constexpr WallTime kNow{Duration{1'000'000}};

using Answer = std::pair<Token, AckVerdict>;

class LedgerTest : public testing::Test {
 protected:
  explicit LedgerTest(LedgerOptions options = {.incarnation = kLife, .slots = 2, .capacity = 4})
      : ledger_(options) {
    ledger_.link_up(kA, "a");
    ledger_.link_up(kB, "b");
  }

  std::vector<Inventory> announce(LinkId link, Epoch epoch, ShardId shard = kShard) {
    return ledger_.announce(link, Announce{9, {{shard, epoch}}});
  }
  void dispatch(LinkId link, std::vector<Dispatch> items, Incarnation life = kLife) {
    ledger_.dispatch(link, DispatchBatch{life, std::move(items)});
  }
  // Sends what there is; the messages of one kind that went to `link`.
  template <class Batch>
  auto flush(LinkId link) {
    decltype(Batch::items) items;
    for (const auto& out : ledger_.take_outgoing(mono_)) {
      const auto* batch = std::get_if<Batch>(&out.message);
      if (batch == nullptr || out.link != link) continue;
      items.insert(items.end(), batch->items.begin(), batch->items.end());
    }
    return items;
  }
  std::vector<Answer> acks(LinkId link) {
    std::vector<Answer> answers;
    for (const Ack& ack : flush<AckBatch>(link)) answers.emplace_back(ack.token, ack.verdict);
    return answers;
  }
  std::vector<Token> results(LinkId link) {
    std::vector<Token> tokens;
    for (const ResultReport& report : flush<ResultBatch>(link)) tokens.push_back(report.token);
    return tokens;
  }
  std::vector<Token> start_all() {
    std::vector<Token> tokens;
    while (auto start = ledger_.next_start(mono_)) tokens.push_back(start->token);
    return tokens;
  }
  void journal(bool ok = true) { ledger_.give_back(ledger_.take_unspooled(), ok); }
  void run(Token t, OnWorkerLost policy = OnWorkerLost::rerun) {
    ledger_.grant(kA, {mono_, {t.task.shard()}});
    dispatch(kA, {work(t, policy)});
    start_all();
    ledger_.finished(t, {});
  }

  MonoTime mono_{std::chrono::hours(1)};
  Ledger ledger_;
};

using Ledgers = LedgerTest;

}  // namespace ringmaster

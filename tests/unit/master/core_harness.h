// Drives a SchedulerCore by hand: what a store and workers would answer is said in so many words.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "master/scheduler_core.h"

namespace ringmaster {

class CoreHarness {
 public:
  explicit CoreHarness(CoreOptions options = {}) : core("m1", options) {}

  SchedulerCore core;
  Now now{MonoTime{std::chrono::hours(1)}, from_unix_micros(1'767'225'600'000'000)};
  Effects last;
  std::int64_t next_sequence = 1;

  void pass(Duration time) {
    now.mono += time;
    now.wall += time;
    core.tick(now);
  }
  Effects& take() { return last = core.take_effects(now); }

  // Owns every shard, knows that the store is empty.
  void own_all(Epoch epoch = 1) {
    std::vector<ShardEpoch> all;
    for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), epoch});
    core.on_shards_taken(all, now);
    answer_reads({});
  }
  // Answers every read as if the store held `rows`, all due, until nothing more is asked.
  void answer_reads(const std::vector<TaskRow>& rows) {
    for (int round = 0; round < 20; ++round) {
      take();
      if (last.reads.empty()) return;
      for (const ReadRequest& read : std::vector<ReadRequest>(last.reads)) answer(read, rows);
    }
  }
  void answer(const ReadRequest& read, const std::vector<TaskRow>& rows) {
    if (std::holds_alternative<GroupsRead>(read)) {
      std::set<std::string> groups;
      for (const TaskRow& row : rows) groups.insert(row.task.group);
      core.on_groups({groups.begin(), groups.end()});
    } else if (const auto* page = std::get_if<PageRead>(&read)) {
      std::vector<TaskRow> found;
      for (const TaskRow& row : rows) {
        const PageKey key{row.rank, row.id};
        if (row.task.group == page->group && (!page->after || key > *page->after)) found.push_back(row);
      }
      std::sort(found.begin(), found.end(), [](const TaskRow& a, const TaskRow& b) {
        return PageKey{a.rank, a.id} < PageKey{b.rank, b.id};
      });
      const bool exhausted = found.size() <= static_cast<std::size_t>(page->limit);
      if (!exhausted) found.resize(static_cast<std::size_t>(page->limit));
      const PageKey end = found.empty() ? PageKey{} : PageKey{found.back().rank, found.back().id};
      core.on_page(*page, std::move(found), end, exhausted, now);
    } else if (const auto* due = std::get_if<DueRead>(&read)) {
      core.on_due(*due, {}, now);
    } else {
      std::vector<Lookup> answers;
      for (const TaskId id : std::get<LookupRead>(read).ids) {
        Lookup& lookup = answers.emplace_back();
        lookup.id = id;
        const auto it =
            std::find_if(rows.begin(), rows.end(), [&](const TaskRow& row) { return row.id == id; });
        if (it != rows.end()) lookup.row = *it;
      }
      core.on_lookup(std::get<LookupRead>(read), std::move(answers), now);
    }
  }

  TaskRow row(NewTask task = {}) {
    const TaskId id = make_task_id(next_sequence, static_cast<ShardId>(next_sequence % kShardCount));
    ++next_sequence;
    return core.make_row(std::move(task), id, now);
  }
  TaskId accept(NewTask task = {}) {
    TaskRow made = row(std::move(task));
    const TaskId id = made.id;
    core.on_accepted({std::move(made)}, now);
    return id;
  }

  // Registered, connected, its inventory empty, `credit` attempts welcome.
  LinkId add_worker(const std::string& id, std::uint32_t credit = 100,
                    std::vector<std::string> groups = {"default"}) {
    registered.push_back(
        {id, id + ":1", "v", Incarnation{++incarnations}, std::move(groups), 4, 1, now.wall});
    core.on_workers(registered, now);
    const LinkId link = connect(id, registered.back().incarnation);
    core.on_message(link, WorkerStatus{.credit_limit = credit}, now);
    return link;
  }
  Incarnation incarnation_of(const std::string& id) const {
    return std::ranges::find(registered, id, &WorkerRegistration::id)->incarnation;
  }
  LinkId connect(const std::string& id, Incarnation incarnation, std::vector<HeldAttempt> held = {}) {
    const LinkId link = ++links;
    core.on_link_up(link, id, incarnation, now);
    core.on_message(link, Inventory{announced(link), true, {}, std::move(held)}, now);
    return link;
  }
  // The sequence of the last announcement on this link.
  std::uint64_t announced(LinkId link) {
    take();
    std::uint64_t sequence = 0;
    for (const auto& [to, message] : last.sends) {
      const auto* announce = std::get_if<Announce>(&message);
      if (announce != nullptr && to == link) sequence = announce->sequence;
    }
    return sequence;
  }
  void unregister(const std::string& id) {
    std::erase_if(registered, [&](const auto& r) { return r.id == id; });
    core.on_workers(registered, now);
  }

  // The dispatches among the effects taken last.
  std::vector<std::pair<LinkId, Token>> dispatched() const {
    std::vector<std::pair<LinkId, Token>> result;
    for (const auto& [link, message] : last.sends) {
      const auto* batch = std::get_if<DispatchBatch>(&message);
      if (batch == nullptr) continue;
      for (const Dispatch& item : batch->items) result.emplace_back(link, item.token);
    }
    return result;
  }
  // The ids that the store was asked about in them.
  std::vector<TaskId> asked_about() const {
    std::vector<TaskId> ids;
    for (const ReadRequest& read : last.reads) {
      const auto* lookup = std::get_if<LookupRead>(&read);
      if (lookup != nullptr) ids.insert(ids.end(), lookup->ids.begin(), lookup->ids.end());
    }
    return ids;
  }
  std::vector<ResultAck> acknowledged() const {
    std::vector<ResultAck> result;
    for (const auto& [link, message] : last.sends) {
      const auto* batch = std::get_if<ResultAckBatch>(&message);
      if (batch != nullptr) result.insert(result.end(), batch->items.begin(), batch->items.end());
    }
    return result;
  }
  void report(LinkId link, Token token, Outcome outcome = Outcome::succeeded) {
    AttemptResult result;
    result.outcome = outcome;
    result.exit_code = outcome == Outcome::succeeded ? 0 : 1;
    core.on_message(link, ResultBatch{{{token, result}}}, now);
  }
  // Says that all completions and retries taken last are committed.
  void commit(WriteFate fate = WriteFate::applied) {
    const Effects taken = std::move(last);
    last = {};
    core.on_completed(taken.completions, std::vector<WriteFate>(taken.completions.size(), fate));
    core.on_retried(taken.retries, std::vector<WriteFate>(taken.retries.size(), fate), now);
    core.on_recorded(taken.records, std::vector<WriteFate>(taken.records.size(), fate), now);
  }

  std::vector<WorkerRegistration> registered;
  std::int64_t incarnations = 100;
  LinkId links = 0;
};

// One task, sent to w1.
struct Dispatched : CoreHarness {
  LinkId w1 = 0;
  TaskId id;
  Token token;
  explicit Dispatched(NewTask task = {}, Epoch epoch = 1) {
    own_all(epoch);
    w1 = add_worker("w1");
    id = accept(std::move(task));
    take();
    if (!last.records.empty()) {
      commit();
      take();
    }
    token = dispatched().at(0).second;
  }
};

}  // namespace ringmaster

// Every place where a test can stop a daemon (base/failpoint.h), and what is true at that moment.
// docs/failpoints.md tells the same to people.
#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string_view>

namespace ringmaster {

struct FailpointSite {
  enum class Daemon { master, worker };
  enum class Kind {
    moment,     // between two steps
    operation,  // a call to the system, which can be made to fail
  };
  std::string_view name;
  Daemon daemon = Daemon::master;
  Kind kind = Kind::moment;
  std::string_view when;
};

inline constexpr auto kFailpointSites = [] {
  using enum FailpointSite::Daemon;
  using enum FailpointSite::Kind;
  return std::to_array<FailpointSite>({
      {"accept.unsent", master, moment, "a batch of submissions has its ids, its statement is not sent"},
      {"accept.in_transaction", master, moment, "the statement is sent without its commit"},
      {"accept.sent", master, moment, "the statement is sent, its answer is not here"},
      {"accept.committed", master, moment, "it is committed, no client has been answered"},
      {"dispatch.decided", master, moment, "attempts have their worker, nothing is sent"},
      {"dispatch.recorded", master, moment, "the dispatch of what must not run twice is committed, not sent"},
      {"dispatch.sent", master, moment, "attempts are on their way to a worker"},
      {"record.arrived", master, moment, "results have arrived, their statement is not sent"},
      {"record.in_transaction", master, moment, "their statement is sent without its commit"},
      {"record.sent", master, moment, "their statement is sent, its answer is not here"},
      {"record.committed", master, moment, "results are committed, no worker has its acknowledgement"},
      {"ack.sent", master, moment, "acknowledgements of results are on their way"},
      {"retry.in_transaction", master, moment, "the next attempt of failed tasks is sent without its commit"},
      {"retry.committed", master, moment, "the next attempt of failed tasks is committed, not dispatched"},
      {"mark.in_transaction", master, moment,
       "records of dispatches or running marks, sent without a commit"},
      {"mark.committed", master, moment, "running marks are committed"},
      {"cancel.in_transaction", master, moment, "cancels or releases are sent without their commit"},
      {"cancel.committed", master, moment, "cancels or releases are committed, nobody has been answered"},
      {"take_over.decided", master, moment, "a master is taken for dead, its take-over is not sent"},
      {"take_over.in_transaction", master, moment, "the take-over is sent without its commit"},
      {"take_over.sent", master, moment, "the take-over is sent, its answer is not here"},
      {"take_over.committed", master, moment, "the dead one's shards are free"},
      {"take.in_transaction", master, moment, "free shards are asked for, without a commit"},
      {"take.sent", master, moment, "free shards are asked for, the answer is not here"},
      {"take.committed", master, moment, "shards are taken, nobody knows"},
      {"take.announced", master, moment, "workers are told whose the shards are, no inventory is here"},
      {"release.in_transaction", master, moment, "a hand-over is sent without its commit"},
      {"release.sent", master, moment, "a hand-over is sent, its answer is not here"},
      {"release.committed", master, moment, "shards are given up, their former owner has not forgotten them"},

      {"attempt.accepted", worker, moment, "dispatches are in the ledger, neither acknowledged nor started"},
      {"attempt.started", worker, moment, "an attempt runs, no master has been told"},
      {"attempt.ended", worker, moment, "an attempt has ended, nothing of it is on the disk"},
      {"spool.appended", worker, moment, "results are in the spool, not synced, not reported"},
      {"spool.synced", worker, moment, "results that must not rerun are synced, not reported"},
      {"result.reported", worker, moment, "results are on their way to their masters"},
      {"result.acknowledged", worker, moment, "results are acknowledged, the spool has not forgotten them"},
      {"spool.write", worker, operation, "a write into the spool; it fails as on a full disk"},
      {"spool.fsync", worker, operation, "an fsync of the spool; it fails as on a broken disk"},
  });
}();

// Of a name that stands in the code: an unknown one does not compile.
consteval std::size_t failpoint_site(std::string_view name) {
  for (std::size_t i = 0; i < kFailpointSites.size(); ++i) {
    if (kFailpointSites[i].name == name) return i;
  }
  throw std::logic_error("no such failpoint");
}

}  // namespace ringmaster

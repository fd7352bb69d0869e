#include "tests/fault/chaos/aftermath.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/fault/cluster_evidence.h"

namespace ringmaster {

namespace {

using std::chrono::seconds;

constexpr std::int64_t kMostMemoryKib = 512 * 1024;

}  // namespace

std::vector<std::string> attempts_of(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code gone;
  for (const auto& process : std::filesystem::directory_iterator("/proc", gone)) {
    if (!std::isdigit(static_cast<unsigned char>(process.path().filename().string().front()))) continue;
    std::string command = text_of(process.path() / "cmdline");
    if (!command.contains(directory) || !text_of(process.path() / "environ").contains("RINGMASTER_TASK_ID="))
      continue;
    std::ranges::replace(command, '\0', ' ');
    found.push_back(process.path().filename().string() + " " + command);
  }
  return found;
}

void Aftermath::expect_formed() {
  try {
    for (std::size_t i = 1; i <= shape_.registry.size(); ++i) cluster_.zookeeper_server(i).wait_until_ready();
    cluster_.wait_for(shape_.masters.size(), static_cast<std::uint32_t>(shape_.workers.size()));
    record_.checks.push_back("all masters and workers found one another again");
  } catch (const std::exception& why) {
    record_.broken.push_back("after the heal: " + std::string(why.what()).substr(0, 300));
  }
}

bool Aftermath::expect_nothing_open(seconds limit) {
  if (Cluster::eventually([&] { return cluster_.query("SELECT count(*) FROM ringmaster.task") == "0"; },
                          limit)) {
    return true;
  }
  record_.broken.push_back(
      std::to_string(limit.count()) + " s after the load still open: " +
      cluster_.query(
          "SELECT string_agg(t, '; ') FROM (SELECT concat_ws(' ', count(*), 'in state', state, 'on', "
          "coalesce(worker, 'nobody')) AS t FROM ringmaster.task GROUP BY state, worker) x"));
  explain_some();
  return false;
}

void Aftermath::explain_some() {
  std::istringstream ids(cluster_.query(
      "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM ringmaster.task ORDER BY id LIMIT 3) x"));
  for (TaskId id; ids >> id.value;) {
    std::string why = cluster_.ringctl({"task", "explain", to_string(id)}).output;
    std::ranges::replace(why, '\n', ' ');
    const std::string row =
        cluster_.query("SELECT row_to_json(t) FROM ringmaster.task t WHERE id = " + std::to_string(id.value));
    record_.broken.push_back("explain " + to_string(id) + ": " + why + "; " + row);
  }
}

void Aftermath::expect_clean() {
  expect("every shard has a living owner", seconds(30),
         "SELECT count(*) FROM ringmaster.shard s WHERE NOT EXISTS (SELECT FROM ringmaster.master m WHERE "
         "m.incarnation = s.owner AND m.state = 'living')");
  expect("each master lives once", seconds(30),
         "SELECT count(*) - " + std::to_string(shape_.masters.size()) +
             " FROM ringmaster.master WHERE state = 'living'");
  expect("fences are of living masters", seconds(30),
         "SELECT count(*) FROM ringmaster.fence f WHERE NOT EXISTS (SELECT FROM ringmaster.master m WHERE "
         "m.incarnation = f.incarnation AND m.state = 'living')");
  expect("fences are of living connections", seconds(30),
         "SELECT count(*) FROM ringmaster.fence f WHERE NOT EXISTS (SELECT FROM pg_stat_activity a WHERE "
         "a.pid = "
         "f.backend_pid AND a.backend_start = f.backend_start)");
  // All clocks are this machine's.
  expect("no task began before its time", seconds(0),
         "SELECT count(*) FROM ringmaster.task_history WHERE started_at < run_at - interval '50 ms'");
  expect_spools_empty();
  expect_no_attempt_left();
  expect_bounded_memory();
  expect_clean_audit();
}

void Aftermath::expect(const std::string& what, seconds limit, const std::string& none_of) {
  if (Cluster::eventually([&] { return cluster_.query(none_of) == "0"; }, limit)) {
    record_.checks.push_back(what);
  } else {
    record_.broken.push_back("not so: " + what + " (" + cluster_.query(none_of) + " exceptions)");
  }
}

void Aftermath::expect_spools_empty() {
  std::string full;
  const bool empty = Cluster::eventually(
      [&] {
        full.clear();
        const auto seen = cluster_.client(shape_.masters.front()).workers();
        if (!seen) full = seen.error().message;
        if (!seen) return false;
        for (const WorkerView& worker : seen->workers) {
          if (worker.spooled + worker.running + worker.queued > 0)
            full += " " + worker.id + ": " + std::to_string(worker.spooled) + " spooled, " +
                    std::to_string(worker.running) + " running, " + std::to_string(worker.queued) + " queued";
        }
        return full.empty();
      },
      seconds(30));
  if (empty) record_.checks.push_back("the workers hold nothing");
  if (!empty) record_.broken.push_back("workers still hold:" + full);
}

void Aftermath::expect_no_attempt_left() {
  std::vector<std::string> left;
  const bool none = Cluster::eventually(
      [&] {
        left = attempts_of(cluster_.directory());
        return left.empty();
      },
      seconds(30));
  if (none) record_.checks.push_back("no process of an attempt is left");
  for (const std::string& process : left) record_.broken.push_back("an attempt is left: " + process);
}

void Aftermath::expect_bounded_memory() {
  for (const auto& [node, footprint] : record_.footprints) {
    if (footprint.most_rss_kib > kMostMemoryKib)
      record_.broken.push_back(node + " used " + std::to_string(footprint.most_rss_kib / 1024) + " MiB");
  }
}

void Aftermath::expect_clean_audit() {
  if (!cluster_.ringctl({"cluster", "--help"}).output.contains("audit")) return;
  Cluster::Ran audit;
  const bool clean = Cluster::eventually(
      [&] {
        audit = cluster_.ringctl({"cluster", "audit"});
        return audit.code == 0;
      },
      seconds(20));
  if (clean) record_.checks.push_back("the cluster's own audit is clean");
  if (!clean) record_.broken.push_back("`ringctl cluster audit` says: " + audit.output);
}

}  // namespace ringmaster

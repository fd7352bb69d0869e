#include "tests/fault/chaos/chaos_run.h"

#include <algorithm>
#include <sstream>

#include "tests/fault/cluster_evidence.h"

namespace ringmaster {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTick{10};
constexpr seconds kAfterHeal{8};     // the load goes on, so that recovery is seen
constexpr seconds kLongestEnd{150};  // a lease, a time-out, a queue, and a crowded machine

// Many short tasks, and few long ones of every policy.
LoadOptions many(const std::string& witness, const std::string& keys) {
  return {.witness = witness,
          .keys = keys,
          .noops = 30,
          .processes = 2,
          .every = milliseconds(200),
          .lengths = {milliseconds(0), milliseconds(10), milliseconds(50), milliseconds(400)},
          .delays = true,
          .leases = false};
}
LoadOptions few(const std::string& witness) {
  return {.witness = witness,
          .keys = "few-",
          .noops = 3,
          .processes = 4,
          .every = milliseconds(350),
          .lengths = {milliseconds(20), milliseconds(500), milliseconds(2'000), milliseconds(6'000)}};
}

// Longer than a lease.
LoadOptions long_ones(const std::string& witness) {
  return {
      .witness = witness,
      .keys = "long-",
      .noops = 0,
      .processes = 2,
      .every = milliseconds(3'000),
      .lengths = {milliseconds(40'000), milliseconds(38'000), milliseconds(36'000), milliseconds(34'000)}};
}

std::int64_t rss_kib(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return 0;
}

std::size_t descriptors(pid_t process) {
  std::error_code gone;
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(process) + "/fd", gone);
  return gone ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::unique_ptr<Cluster> make_cluster(BridgedNetwork& network, const PlanOptions& shape) {
  // A node has its line from the first, or never.
  for (const auto* daemons : {&shape.masters, &shape.workers}) {
    for (const std::string& node : *daemons)
      if (shape.lines) network.place_with_line(node);
  }
  return std::make_unique<Cluster>(network, shape.registry.size());
}

}  // namespace

bool can_make_lines() {
  const int device = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (device >= 0) ::close(device);
  return device >= 0;
}

ChaosRun::ChaosRun(BridgedNetwork& network, Options options)
    : network_(network),
      options_(std::move(options)),
      cluster_(make_cluster(network_, options_.plan)),
      aftermath_(*cluster_, options_.plan, record_),
      injector_(*cluster_, network_, options_.plan, [this](const std::string& node) { start_daemon(node); }) {
  record_.seed = options_.plan.seed;
  record_.length = options_.plan.length;
  record_.nodes = options_.plan.masters;
  record_.nodes.insert(record_.nodes.end(), options_.plan.workers.begin(), options_.plan.workers.end());
  record_.nodes.push_back("pg");
  record_.nodes.insert(record_.nodes.end(), options_.plan.registry.begin(), options_.plan.registry.end());
  injector_.plan(make_plan(options_.plan));
}

ChaosRecord ChaosRun::run() {
  start_cluster();
  start_loads();
  inject();
  settle();
  collect();
  judge();
  if ((!record_.broken.empty() && !options_.keep_in.empty()) || options_.keep_all) keep_logs();
  return std::move(record_);
}

void ChaosRun::start_daemon(const std::string& node) {
  if (std::ranges::count(options_.plan.masters, node) > 0) {
    // Who is killed at random all the time must not be quarantined for it. A small window: a backlog is
    // paged.
    const std::string window = node == options_.plan.masters.front() ? "20000" : "200";
    cluster_->start_master(node, {"--max-crashes", "100", "--lane-window", window});
  } else {
    cluster_->start_worker(node, {"--slots", "32"});
  }
  ++record_.footprints[node].lives;
}

void ChaosRun::start_cluster() {
  for (const std::string& node : options_.plan.masters) start_daemon(node);
  for (const std::string& node : options_.plan.workers) start_daemon(node);
  cluster_->wait_for(options_.plan.masters.size(), static_cast<std::uint32_t>(options_.plan.workers.size()));
}

void ChaosRun::start_loads() {
  begun_at_ = cluster_->query("SELECT extract(epoch FROM clock_timestamp())");
  begun_ = Clock::now();
  const std::string witness = cluster_->directory() / "witness";
  add_load(many(witness, "many-"));
  add_load(many(witness, "as-many-"));
  add_load(few(witness));
  if (options_.plan.length >= kPlanWithLongFaults) add_load(long_ones(witness));
  probe_ = std::make_unique<MachineProbe>(cluster_->directory() / "probe");
}

// Each begins at another master.
void ChaosRun::add_load(LoadOptions load) {
  std::vector<std::string> masters = options_.plan.masters;
  std::ranges::rotate(masters, masters.begin() + static_cast<std::ptrdiff_t>(loads_.size() % masters.size()));
  loads_.push_back(std::make_unique<MixedLoad>(cluster_->client_of(masters), std::move(load)));
}

void ChaosRun::inject() {
  std::size_t told = 0;
  const auto tell = [&] {
    for (; told < injector_.done().size(); ++told) {
      const DoneFault& done = injector_.done()[told];
      options_.say(std::to_string(done.begun.count() / 1000) + " s: " + title_of(done.fault) +
                   (done.skipped.empty() ? "" : " (not done: " + done.skipped + ")"));
    }
  };
  const auto stopped = [&] { return options_.stop_early != nullptr && *options_.stop_early; };
  for (; now() < record_.length && !stopped(); ::poll(nullptr, 0, kTick.count())) {
    injector_.step(now());
    measure_daemons();
    tell();
  }
  record_.length = std::min(record_.length, now());
  while (!injector_.all_healed() && now() < record_.length + seconds(90)) {
    injector_.heal(now());
    ::poll(nullptr, 0, kTick.count());
  }
  network_.heal();
  options_.say("all is healed");
}

void ChaosRun::measure_daemons() {
  if (now() < measured_ + seconds(1)) return;
  measured_ = now();
  for (auto& [node, footprint] : record_.footprints) {
    const pid_t process = cluster_->process(node).pid();
    footprint.most_rss_kib = std::max(footprint.most_rss_kib, rss_kib(process));
    footprint.most_descriptors = std::max(footprint.most_descriptors, descriptors(process));
  }
}

void ChaosRun::settle() {
  const milliseconds until = now() + kAfterHeal;
  for (; now() < until; ::poll(nullptr, 0, kTick.count())) {
    injector_.step(now());
    measure_daemons();
  }
  for (auto& load : loads_) load->stop();
  for (const MachineProbe::Stall& stall : probe_->stop())
    record_.stalls.push_back({since_begin(stall.from), since_begin(stall.to)});
  record_.loaded = now();
  options_.say("the load has stopped; waiting until nothing is open");
  aftermath_.expect_formed();
  if (aftermath_.expect_nothing_open(kLongestEnd)) record_.settled = now();
  injector_.step(now());
  measure_daemons();
  aftermath_.expect_clean();
}

void ChaosRun::collect_answers() {
  for (const auto& load : loads_) {
    record_.in_doubt += load->untold();
    for (const MixedLoad::Answer& answer : load->answers())
      record_.answers.push_back({since_begin(answer.asked), since_begin(answer.answered), answer.accepted});
  }
  std::ranges::sort(record_.answers, {}, &ChaosRecord::Answer::asked);
}

void ChaosRun::collect() {
  record_.faults = injector_.done();
  collect_answers();
  std::istringstream results(cluster_->query(
      "SELECT string_agg(ms || ' ' || n, ' ' ORDER BY ms) FROM (SELECT floor((extract(epoch FROM "
      "finished_at) "
      "- " +
      begun_at_ + ") * 1000)::bigint AS ms, count(*) AS n FROM ringmaster.task_history GROUP BY 1) x"));
  std::int64_t at = 0;
  for (int count = 0; results >> at >> count;) record_.results.push_back({milliseconds(at), count});
  std::istringstream states(
      cluster_->query("SELECT string_agg(state || ' ' || n, ' ') FROM (SELECT state, count(*) AS n FROM "
                      "ringmaster.task_history GROUP BY 1) x"));
  std::int64_t count = 0;
  for (int state = 0; states >> state >> count;)
    record_.ended[std::string(to_string(static_cast<TaskState>(state)))] = count;
  record_.ran_again =
      std::stoll(cluster_->query("SELECT count(*) FROM ringmaster.task_history WHERE attempt > 1"));
  record_.late = std::stoll(cluster_->query("SELECT count(*) FROM ringmaster.late_result"));
}

// An answer of `unavailable` means that nothing has happened, and a repeated key makes no second task.
void ChaosRun::judge_untold(const Evidence& evidence) {
  std::size_t untold = 0;
  for (const EndedTask& task : evidence.ended) untold += !evidence.accepted.contains(task.id);
  const std::string found = std::to_string(untold) + " tasks exist that no client was told of; " +
                            std::to_string(record_.in_doubt) + " were in submissions of unknown outcome";
  (untold <= record_.in_doubt ? record_.checks : record_.broken).push_back(found);
}

void ChaosRun::judge() {
  AcceptedTasks accepted;
  for (const auto& load : loads_) accepted.insert(load->accepted().begin(), load->accepted().end());
  const Evidence evidence =
      gather_evidence(*cluster_, cluster_->directory() / "witness", std::move(accepted), false);
  record_.accepted = evidence.accepted.size();
  record_.witness_lines = evidence.witness.size();
  judge_untold(evidence);
  for (const std::string& line : injector_.surprises()) record_.broken.push_back(line);
  for (const std::string& line : broken_promises(evidence)) record_.broken.push_back(line);
}

void ChaosRun::keep_logs() {
  const auto logs = options_.keep_in / "logs";
  std::filesystem::create_directories(logs);
  constexpr auto kOver = std::filesystem::copy_options::overwrite_existing;
  for (const auto& file : std::filesystem::directory_iterator(cluster_->directory())) {
    if (file.path().extension() == ".log" || file.path().filename() == "witness")
      std::filesystem::copy_file(file.path(), logs / file.path().filename(), kOver);
  }
  std::ofstream(logs / "postgres.log") << cluster_->postgres().log();
  for (std::size_t i = 1; i <= options_.plan.registry.size(); ++i)
    std::ofstream(logs / ("zk" + std::to_string(i) + ".log")) << cluster_->zookeeper_server(i).log();
  // What the database says of each task at fault.
  std::ofstream tasks(logs / "tasks.json");
  for (const std::string& line : record_.broken) {
    const auto id = parse_task_id(line.substr(0, line.find(' ')));
    if (!id) continue;
    for (const char* table : {"task", "task_history"}) {
      tasks << cluster_->query("SELECT string_agg(row_to_json(t)::text, E'\\n') FROM ringmaster." +
                               std::string(table) + " t WHERE id = " + std::to_string(id->value))
            << "\n";
    }
  }
}

}  // namespace ringmaster

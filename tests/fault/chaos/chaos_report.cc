#include "tests/fault/chaos/chaos_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace ringmaster {

namespace {

using std::chrono::milliseconds;

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

double seconds_of(milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

std::string verdict(const ChaosRecord& record) {
  const std::size_t done = static_cast<std::size_t>(
      std::ranges::count_if(record.faults, [](const DoneFault& fault) { return fault.skipped.empty(); }));
  std::string out = text("# Chaos of seed %llu: ", static_cast<unsigned long long>(record.seed));
  if (record.broken.empty()) {
    out += text("clean\n\n%zu faults in %.0f s, %zu tasks accepted: every promise was kept.\n", done,
                seconds_of(record.length), record.accepted);
    return out;
  }
  out += text("%zu found\n\n%zu faults in %.0f s, %zu tasks accepted. What must not be:\n\n",
              record.broken.size(), done, seconds_of(record.length), record.accepted);
  constexpr std::size_t kShown = 50;
  for (std::size_t i = 0; i < std::min(record.broken.size(), kShown); ++i)
    out += "- " + record.broken[i] + "\n";
  if (record.broken.size() > kShown) out += text("- and %zu more\n", record.broken.size() - kShown);
  return out;
}

std::string counts(const ChaosRecord& record) {
  std::string out = "\n## Counts\n\n| | |\n|---|---|\n";
  out += text("| tasks accepted | %zu |\n", record.accepted);
  for (const auto& [state, count] : record.ended)
    out += text("| ended %s | %lld |\n", state.c_str(), static_cast<long long>(count));
  out += text("| ran again | %lld |\n| results that came late | %lld |\n",
              static_cast<long long>(record.ran_again), static_cast<long long>(record.late));
  out += text("| given up, and may exist | %zu |\n", record.in_doubt);
  milliseconds stalled{0};
  for (const auto& stall : record.stalls) stalled += stall.to - stall.from;
  out += text("| the machine itself stood still | %zu times, %.1f s in all |\n", record.stalls.size(),
              seconds_of(stalled));
  out += text("| lines of witness | %zu |\n", record.witness_lines);
  out += text("| recorded a second, usually | %.0f |\n", usual_rate(record));
  if (record.settled.count() > 0) {
    out += text("| nothing was open, after the load had stopped | %.1f s |\n",
                seconds_of(record.settled - record.loaded));
  }
  return out;
}

std::string checks(const ChaosRecord& record) {
  std::string out = "\n## Looked at, and right\n\n";
  for (const std::string& check : record.checks) out += "- " + check + "\n";
  return out;
}

std::string fault_table(const ChaosRecord& record, const std::vector<Effect>& effects) {
  std::string out =
      "\n## Faults\n\n"
      "Recorded results a second in the 5 s before, during, and in the 5 s after; the longest time without "
      "one, and "
      "the longest answer to\na submission, from its beginning on; how long after its end results came at "
      "half the "
      "usual rate again. Faults overlap:\na row's figures may be another row's doing.\n\n"
      "| at s | for s | fault | before | during | after | gap s | answer s | back s |\n"
      "|---:|---:|---|---:|---:|---:|---:|---:|---:|\n";
  for (std::size_t i = 0; i < record.faults.size(); ++i) {
    const DoneFault& done = record.faults[i];
    if (!done.skipped.empty()) {
      out += text("| %.1f | – | %s: not done, %s | | | | | | |\n", seconds_of(done.begun),
                  title_of(done.fault).c_str(), done.skipped.c_str());
      continue;
    }
    const Effect& effect = effects[i];
    out += text("| %.1f | %.1f | %s | %.0f | %.0f | %.0f | %.1f | %.1f | %.1f |\n", seconds_of(done.begun),
                seconds_of(done.ended - done.begun), title_of(done.fault).c_str(), effect.before,
                effect.during, effect.after, seconds_of(effect.longest_gap),
                seconds_of(effect.longest_answer), seconds_of(effect.recovery));
  }
  return out;
}

std::string kind_table(const ChaosRecord& record, const std::vector<Effect>& effects) {
  std::map<FaultKind, std::vector<milliseconds>> recoveries, gaps;
  for (std::size_t i = 0; i < record.faults.size(); ++i) {
    if (!record.faults[i].skipped.empty()) continue;
    recoveries[record.faults[i].fault.kind].push_back(effects[i].recovery);
    gaps[record.faults[i].fault.kind].push_back(effects[i].longest_gap);
  }
  std::string out =
      "\n## Recovery by kind\n\n| kind | times | back p50 s | back max s | gap p50 s | gap max s |\n"
      "|---|---:|---:|---:|---:|---:|\n";
  for (auto& [kind, times] : recoveries) {
    std::ranges::sort(times);
    auto& gap = gaps[kind];
    std::ranges::sort(gap);
    out += text("| %s | %zu | %.1f | %.1f | %.1f | %.1f |\n", std::string(to_string(kind)).c_str(),
                times.size(), seconds_of(times[times.size() / 2]), seconds_of(times.back()),
                seconds_of(gap[gap.size() / 2]), seconds_of(gap.back()));
  }
  return out;
}

std::string footprint_table(const ChaosRecord& record) {
  std::string out =
      "\n## Daemons\n\n| daemon | lives | most memory MiB | most descriptors |\n|---|---:|---:|---:|\n";
  for (const auto& [node, footprint] : record.footprints) {
    out += text("| %s | %d | %.1f | %zu |\n", node.c_str(), footprint.lives,
                static_cast<double>(footprint.most_rss_kib) / 1024, footprint.most_descriptors);
  }
  return out;
}

}  // namespace

std::string report_of(const ChaosRecord& record) {
  const std::vector<Effect> effects = effects_of(record);
  return verdict(record) + checks(record) + counts(record) + kind_table(record, effects) +
         footprint_table(record) + fault_table(record, effects);
}

}  // namespace ringmaster

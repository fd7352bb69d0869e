// The noun `cluster`.
#include <memory>

#include <CLI/CLI.hpp>

#include "base/api_json.h"
#include "ctl/audit_text.h"
#include "ctl/ctl.h"
#include "ctl/exit_code.h"

namespace ringmaster {
namespace {

std::string health(bool up, bool colour) {
  return toned(up ? "up" : "DOWN", up ? Tone::good : Tone::bad, colour);
}

std::string shards(const ClusterReply& cluster, bool colour) {
  std::string text = std::to_string(cluster.shards_owned) + " here";
  if (cluster.shards_unowned > 0) {
    text += ", " + toned(std::to_string(cluster.shards_unowned) + " without an owner", Tone::bad, colour);
  }
  return text;
}

int status(Ctl& ctl) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto cluster = (*client)->cluster();
  if (!cluster) return ctl.failed(cluster.error());
  if (ctl.json()) {
    ctl.print(to_json(*cluster));
    return kExitOk;
  }
  const bool colour = ctl.colour();
  const auto line = [&](const char* label, const std::string& value) {
    ctl.out() << toned(label, Tone::faint, colour) << value << '\n';
  };
  line("Cluster:   ",
       one_line(cluster->cluster, 200) + ", answered by " + one_line(cluster->answered_by, 200));
  line("Masters:   ", std::to_string(cluster->masters));
  line("Workers:   ", std::to_string(cluster->workers));
  line("Shards:    ", shards(*cluster, colour));
  line("Database:  ", health(cluster->store_up, colour) + ", store " + one_line(cluster->store_id, 200));
  line("Registry:  ", health(cluster->registry_up, colour));
  line("Tasks:     ", std::to_string(cluster->accepted) + " accepted, " + std::to_string(cluster->completed) +
                          " completed, " + std::to_string(cluster->retried) +
                          " retried since this master started");
  if (cluster->lanes.empty()) return kExitOk;
  using enum TextTable::Align;
  TextTable table({{"GROUP"}, {"WORKERS", right}, {"WAITING", right}, {"DISPATCHED", right}});
  for (const ClusterReply::Lane& lane : cluster->lanes) {
    const bool stuck = lane.workers == 0 && lane.waiting_in_memory > 0;
    table.add({{lane.group},
               {std::to_string(lane.workers), stuck ? Tone::bad : Tone::plain},
               {std::to_string(lane.waiting_in_memory) + (lane.more_in_store ? "+" : "")},
               {std::to_string(lane.dispatched)}});
  }
  ctl.out() << '\n' << table.render(ctl.style());
  return kExitOk;
}

int audit(Ctl& ctl, bool full) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->audit({full});
  if (!reply) return ctl.failed(reply.error());
  if (ctl.json()) {
    ctl.print(to_json(*reply));
  } else {
    ctl.out() << audit_text(*reply, ctl.style());
  }
  switch (verdict_of(*reply)) {
    case AuditVerdict::clean:
      return kExitOk;
    case AuditVerdict::violations:
      return kExitViolations;
    case AuditVerdict::incomplete:
      return kExitIncomplete;
  }
  return kExitOwnError;
}

}  // namespace

void add_cluster_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* cluster = app.add_subcommand("cluster", "Show and audit the cluster");
  cluster->require_subcommand(1);
  CLI::App* status_app =
      cluster->add_subcommand("status", "Health, shards and queues, as one master sees them");
  status_app->footer("WAITING ends in + when the database holds more.\n\nExample:\n  ringctl cluster status");
  status_app->callback([&ctl] { ctl.action = [&ctl] { return status(ctl); }; });

  CLI::App* audit_app = cluster->add_subcommand("audit", "Whether the cluster keeps its invariants");
  auto full = std::make_shared<bool>(false);
  audit_app->add_flag("--full", *full, "Every row of the database, however long that takes");
  audit_app->footer(
      "Exit status: 0 clean; 1 it found something; 3 it found nothing, but somebody did not answer or a "
      "check "
      "could not be made; 125 ringctl itself.\n\nExample:\n  ringctl cluster audit -o json");
  audit_app->callback([&ctl, full] { ctl.action = [&ctl, full] { return audit(ctl, *full); }; });
}

}  // namespace ringmaster

// The noun `worker`.
#include <CLI/CLI.hpp>

#include "base/api_json.h"
#include "ctl/ctl.h"
#include "ctl/exit_code.h"
#include "ctl/relative_time.h"
#include "ctl/text_table.h"

namespace ringmaster {
namespace {

TextTable::Cell state_of(const WorkerView& worker) {
  if (worker.draining) return {"draining", Tone::busy};
  if (worker.registered && worker.connected) return {"up", Tone::good};
  return {worker.registered ? "unreachable" : "gone", Tone::bad};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

int list(Ctl& ctl) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->workers();
  if (!reply) return ctl.failed(reply.error());
  if (ctl.json()) {
    for (const WorkerView& worker : reply->workers) ctl.print(to_json(worker));
    return kExitOk;
  }
  if (reply->workers.empty()) {
    ctl.err() << "no workers: start one with `ringworker serve`\n";
    return kExitOk;
  }
  using enum TextTable::Align;
  TextTable table({{"ID"},
                   {"STATE"},
                   {"ADDRESS"},
                   {"GROUPS"},
                   {"SLOTS", right},
                   {"RUNNING", right},
                   {"QUEUED", right},
                   {"SPOOLED", right},
                   {"SENT/CREDIT", right},
                   {"STARTED"},
                   {"VERSION"}});
  const WallTime now = read_wall_clock();
  for (const WorkerView& worker : reply->workers) {
    table.add({{worker.id},
               state_of(worker),
               {worker.address},
               {joined(worker.groups)},
               {std::to_string(worker.slots)},
               {std::to_string(worker.running)},
               {std::to_string(worker.queued)},
               {std::to_string(worker.spooled)},
               {std::to_string(worker.outstanding) + "/" + std::to_string(worker.credit_limit)},
               {relative_time(worker.started_at, now)},
               {worker.version}});
  }
  ctl.out() << table.render(ctl.colour());
  return kExitOk;
}

}  // namespace

void add_worker_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* worker = app.add_subcommand("worker", "Show workers");
  worker->require_subcommand(1);
  CLI::App* list_app = worker->add_subcommand("list", "All workers, as the answering master sees them");
  list_app->footer("Example:\n  ringctl worker list");
  list_app->callback([&ctl] { ctl.action = [&ctl] { return list(ctl); }; });
}

}  // namespace ringmaster

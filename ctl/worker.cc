// The noun `worker`.
#include <memory>

#include <CLI/CLI.hpp>

#include "base/api_json.h"
#include "ctl/ctl.h"
#include "ctl/exit_code.h"
#include "ctl/field_lines.h"
#include "ctl/json_list.h"
#include "ctl/relative_time.h"

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

int list(Ctl& ctl, bool quiet) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->workers();
  if (!reply) return ctl.failed(reply.error());
  if (quiet) {
    for (const WorkerView& worker : reply->workers) ctl.out() << worker.id << '\n';
    return kExitOk;
  }
  if (ctl.json()) {
    JsonList list(ctl);
    for (const WorkerView& worker : reply->workers) list.add(to_json(worker));
    list.end();
    return kExitOk;
  }
  if (reply->workers.empty()) {
    ctl.err() << "no workers: start one with `ringworker serve`\n";
    return kExitOk;
  }
  using enum TextTable::Align;
  using enum TextTable::Fit;
  TextTable table({{"ID"},
                   {"STATE"},
                   {"ADDRESS", left, drop},
                   {"GROUPS", left, cut},
                   {"SLOTS", right},
                   {"RUNNING", right},
                   {"QUEUED", right},
                   {"SPOOLED", right, drop},
                   {"SENT/CREDIT", right, drop},
                   {"STARTED"},
                   {"VERSION", left, drop}});
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
               {ctl.time(worker.started_at, now)},
               {worker.version}});
  }
  ctl.out() << table.render(ctl.style());
  return kExitOk;
}

std::string describe(const WorkerView& worker, WallTime now, bool colour) {
  FieldLines lines(colour);
  const TextTable::Cell state = state_of(worker);
  lines.add("Worker", worker.id);
  lines.add("State", state.text, state.tone);
  lines.add("Address", worker.address);
  lines.add("Groups", joined(worker.groups));
  lines.add("Slots", std::to_string(worker.slots));
  lines.add("Running",
            std::to_string(worker.running) + ", " + std::to_string(worker.queued) + " queued there");
  lines.add("Spooled", std::to_string(worker.spooled) + " results that no master has acknowledged");
  lines.add("Credit", std::to_string(worker.outstanding) + " of " + std::to_string(worker.credit_limit) +
                          " in use, as the answering master sees it");
  lines.add("Started", format_time(worker.started_at) + " (" + relative_time(worker.started_at, now) + ")");
  lines.add("Version", worker.version);
  lines.add("Incarnation", to_string(worker.incarnation));
  return lines.take();
}

int get(Ctl& ctl, const std::string& id) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->workers();
  if (!reply) return ctl.failed(reply.error());
  std::vector<std::string> ids;
  for (const WorkerView& worker : reply->workers) {
    ids.push_back(worker.id);
    if (worker.id != id) continue;
    if (ctl.json()) ctl.print(to_json(worker));
    if (!ctl.json()) ctl.out() << describe(worker, read_wall_clock(), ctl.colour());
    return kExitOk;
  }
  return ctl.failed({ErrorCode::not_found,
                     "there is no worker " + id + "; " +
                         (ids.empty() ? "there is none at all" : "there are " + joined(ids)),
                     {}});
}

}  // namespace

void add_worker_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* worker = app.add_subcommand("worker", "Show workers");
  worker->require_subcommand(1);
  CLI::App* list_app = worker->add_subcommand("list", "All workers, as the answering master sees them");
  auto quiet = std::make_shared<bool>(false);
  list_app->add_flag("-q,--quiet", *quiet, "Only their names");
  list_app->footer("Example:\n  ringctl worker list");
  list_app->callback([&ctl, quiet] { ctl.action = [&ctl, quiet] { return list(ctl, *quiet); }; });

  CLI::App* get_app = worker->add_subcommand("get", "One worker, as the answering master sees it");
  auto id = std::make_shared<std::string>();
  get_app->add_option("id", *id, "Its name, as `worker list` shows it")->required()->type_name("WORKER");
  get_app->footer("Example:\n  ringctl worker get w1");
  get_app->callback([&ctl, id] { ctl.action = [&ctl, id] { return get(ctl, *id); }; });
}

}  // namespace ringmaster

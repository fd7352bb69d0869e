// The noun `group`.
#include <CLI/CLI.hpp>

#include "base/api_json.h"
#include "ctl/ctl.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"

namespace ringmaster {
namespace {

int list(Ctl& ctl) {
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->groups();
  if (!reply) return ctl.failed(reply.error());
  for (const std::string& master : reply->not_answered)
    ctl.err() << "ringctl: master " << master << " did not answer: its tasks are not counted\n";
  if (ctl.json()) {
    JsonList list(ctl);
    for (const auto& group : reply->groups) list.add(to_json(group));
    list.end();
    return kExitOk;
  }
  if (reply->groups.empty()) {
    ctl.err() << "no groups: nobody waits, and no worker is up\n";
    return kExitOk;
  }
  using enum TextTable::Align;
  TextTable table(
      {{"GROUP"}, {"WORKERS", right}, {"SLOTS", right}, {"DISPATCHED", right}, {"WAITING", right}});
  for (const auto& group : reply->groups) {
    table.add({{group.name},
               {std::to_string(group.workers), group.workers == 0 ? Tone::bad : Tone::plain},
               {std::to_string(group.slots)},
               {std::to_string(group.dispatched)},
               {std::to_string(group.waiting_in_memory) + (group.more_in_store ? " and more" : "")}});
  }
  ctl.out() << table.render(ctl.style());
  return kExitOk;
}

}  // namespace

void add_group_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* group = app.add_subcommand("group", "Show groups of workers and their queues");
  group->require_subcommand(1);
  CLI::App* list_app = group->add_subcommand("list", "All groups that have workers or work, of all masters");
  list_app->footer("Example:\n  ringctl group list");
  list_app->callback([&ctl] { ctl.action = [&ctl] { return list(ctl); }; });
}

}  // namespace ringmaster

// The noun `master`.
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
  const auto reply = (*client)->masters();
  if (!reply) return ctl.failed(reply.error());
  if (ctl.json()) {
    JsonList list(ctl);
    for (const MasterView& master : reply->masters) list.add(to_json(master));
    list.end();
    return kExitOk;
  }
  using enum TextTable::Align;
  using enum TextTable::Fit;
  TextTable table({{"ID"},
                   {"RPC"},
                   {"HTTP", left, drop},
                   {"SHARDS", right},
                   {"STARTED"},
                   {"VERSION", left, drop},
                   {"INCARNATION", left, drop}});
  const WallTime now = read_wall_clock();
  for (const MasterView& master : reply->masters) {
    table.add({{master.self ? master.id + " *" : master.id, master.self ? Tone::good : Tone::plain},
               {master.rpc_address},
               {master.http_address},
               {std::to_string(master.shards)},
               {ctl.time(master.started_at, now)},
               {master.version},
               {to_string(master.incarnation), Tone::faint}});
  }
  ctl.out() << table.render(ctl.style());
  return kExitOk;
}

}  // namespace

void add_master_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* master = app.add_subcommand("master", "Show masters");
  master->require_subcommand(1);
  CLI::App* list_app = master->add_subcommand("list", "All masters; * marks the one that answered");
  list_app->footer("Example:\n  ringctl master list");
  list_app->callback([&ctl] { ctl.action = [&ctl] { return list(ctl); }; });
}

}  // namespace ringmaster

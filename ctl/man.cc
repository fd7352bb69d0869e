// `ringctl man`: the manual pages, written when Ringmaster is built.
#include <filesystem>
#include <fstream>
#include <memory>

#include <CLI/CLI.hpp>

#include "ctl/ctl.h"
#include "ctl/exit_code.h"
#include "ctl/man_page.h"

namespace ringmaster {
namespace {

int write_pages(Ctl& ctl, const CLI::App& app, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::vector<Command> commands = all_commands(app);
  for (const Command& command : commands) {
    const bool page = command.path.empty() || command.subcommands.empty();
    if (!page) continue;  // a noun alone does nothing
    const std::filesystem::path path = std::filesystem::path(folder) / (page_name(command) + ".1");
    std::ofstream file(path);
    file << man_page(command, commands) << std::flush;
    if (!file) return ctl.failed({ErrorCode::invalid_argument, "cannot write " + path.string(), {}});
  }
  return kExitOk;
}

}  // namespace

void add_man_command(CLI::App& app, Ctl& ctl) {
  CLI::App* man = app.add_subcommand("man", "Write the manual pages into a folder");
  man->group("");  // for packaging: not among what people are offered
  auto folder = std::make_shared<std::string>();
  man->add_option("folder", *folder, "Folder, made if it is missing")->required()->type_name("FOLDER");
  man->callback([&app, &ctl, folder] {
    ctl.needs_settings = false;
    ctl.action = [&app, &ctl, folder] { return write_pages(ctl, app, *folder); };
  });
}

}  // namespace ringmaster

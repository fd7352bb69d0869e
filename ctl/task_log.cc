#include "ctl/task_log.h"

#include <chrono>
#include <memory>
#include <thread>

#include <CLI/CLI.hpp>

#include "ctl/exit_code.h"
#include "ctl/option_values.h"
#include "ctl/task_ids.h"

namespace ringmaster {
namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(300);

struct LogFlags {
  std::string id;
  Attempt attempt = 0;
  std::uint64_t offset = 0;
  bool follow = false;
};

int log(Ctl& ctl, const LogFlags& flags) {
  const auto id = read_id(flags.id);
  if (!id) return ctl.failed(id.error());
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  LogRequest request{.id = *id, .attempt = flags.attempt, .offset = flags.offset};
  std::string waits_for;
  while (true) {
    const auto reply = (*client)->log(request);
    if (!reply) {
      // It has not started yet, or its worker is away for a moment.
      if (!flags.follow || reply.error().code != ErrorCode::unavailable) return ctl.failed(reply.error());
      if (std::exchange(waits_for, reply.error().message) != reply.error().message)
        ctl.err() << "ringctl: " << reply.error().message << "; waiting\n";
      std::this_thread::sleep_for(kLookAgain);
      continue;
    }
    request.attempt = reply->attempt;  // a later one is another log
    const auto begin = reply->next - reply->bytes.size();
    if (begin > request.offset)
      ctl.err() << "ringctl: bytes " << request.offset << " to " << begin - 1 << " are not kept any more\n";
    request.offset = reply->next;
    ctl.out() << reply->bytes << std::flush;
    const bool at_end = reply->bytes.size() < request.limit;
    if (reply->over || (at_end && !flags.follow)) return kExitOk;
    if (at_end) std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace

void add_task_log(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("log", "Print what an attempt has written, from its worker");
  auto flags = std::make_shared<LogFlags>();
  app->add_option("id", flags->id, "Task id, as submit printed it")->required()->type_name("ID");
  app->add_option("--attempt", flags->attempt, "Of this attempt (default: the last one)")
      ->check(positive_number())
      ->type_name("N");
  app->add_option("--offset", flags->offset, "Leave out so many bytes")
      ->check(CLI::NonNegativeNumber)
      ->type_name("BYTES");
  app->add_flag("-f,--follow", flags->follow, "Go on until the attempt has ended");
  app->footer("Examples:\n  ringctl task log -f task_00000000001g0");
  app->callback([&ctl, flags] { ctl.action = [&ctl, flags] { return log(ctl, *flags); }; });
}

}  // namespace ringmaster

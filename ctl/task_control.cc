#include "ctl/task_control.h"

#include <algorithm>
#include <deque>
#include <future>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "base/api_json.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/task_ids.h"
#include "ctl/task_show.h"
#include "ctl/text_table.h"

namespace ringmaster {
namespace {

constexpr std::size_t kInFlight = 64;

std::string state_line(TaskId id, TaskState state, bool colour) {
  return to_string(id) + " " + toned(to_string(state), tone_of(state), colour) + "\n";
}

std::string advice_for(TaskId id, ControlAction action, const Error& error) {
  const std::string explain = "`ringctl task explain " + to_string(id) + "`";
  const bool cancel = action == ControlAction::cancel;
  switch (error.code) {
    case ErrorCode::not_found:
      return " (`ringctl task list` shows the ids)";
    case ErrorCode::already_exists:
      return cancel ? " (there is nothing left to cancel)" : " (see " + explain + ")";
    case ErrorCode::unknown_outcome:
    case ErrorCode::deadline_exceeded:
      return cancel ? " (cancel it again: that does no harm)"
                    : " (look with " + explain + " before you repeat it)";
    default:
      return advice_for(error);
  }
}

std::future<Result<ApiReply>> send(Client& client, const ControlRequest& request, Duration timeout) {
  auto promise = std::make_shared<std::promise<Result<ApiReply>>>();
  auto future = promise->get_future();
  client.call(request, timeout,
              [promise](Result<ApiReply> answer) { promise->set_value(std::move(answer)); });
  return future;
}

// Says how it went, on both outputs; the exit status of this one.
int report(Ctl& ctl, JsonList& list, const ControlRequest& asked, const Result<ApiReply>& answer) {
  Error error{ErrorCode::internal, "the master answered another question", {}};
  if (answer) {
    if (const auto* reply = std::get_if<ControlReply>(&*answer)) {
      if (ctl.json()) list.add(to_json(asked.id, *reply));
      if (!ctl.json()) ctl.out() << state_line(asked.id, reply->state, ctl.colour());
      return kExitOk;
    }
  } else {
    error = answer.error();
  }
  if (ctl.json()) list.add(boost::json::object{{"id", to_string(asked.id)}, {"error", to_json(error)}});
  const std::string advice = advice_for(asked.id, asked.action, error);
  error.message = to_string(asked.id) + ": " + error.message;
  return ctl.failed(error, advice);
}

int control(Ctl& ctl, ControlAction action, const std::vector<std::string>& words) {
  const auto ids = read_ids(words);
  if (!ids) return ctl.failed(ids.error());
  if (ids->empty()) {
    ctl.err() << "nothing to " << to_string(action) << ": the input is empty\n";
    return kExitOk;
  }
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  // Some are on their way together, so that a master can write them together; the answers are taken in order.
  std::deque<std::future<Result<ApiReply>>> on_their_way;
  std::size_t sent = 0;
  int status = kExitOk;
  JsonList list(ctl);
  for (const TaskId id : *ids) {
    for (; sent < ids->size() && on_their_way.size() < kInFlight; ++sent) {
      on_their_way.push_back(send(**client, {(*ids)[sent], action, false}, ctl.options.request_timeout));
    }
    const int one = report(ctl, list, {id, action, false}, on_their_way.front().get());
    on_their_way.pop_front();
    if (one != kExitOk) status = ids->size() == 1 ? one : kExitTaskFailed;
  }
  if (ctl.json()) list.end();
  return status;
}

int explain(Ctl& ctl, const std::string& text) {
  const auto id = read_id(text);
  if (!id) return ctl.failed(id.error());
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->explain({*id, false});
  if (!reply) return ctl.failed(reply.error());
  if (ctl.json()) ctl.print(to_json(*id, *reply));
  if (!ctl.json()) ctl.out() << explanation(*id, *reply, ctl.colour());
  return kExitOk;
}

CLI::App* add_control(CLI::App& task, Ctl& ctl, ControlAction action, const char* what) {
  CLI::App* app = task.add_subcommand(std::string(to_string(action)), what);
  auto ids = std::make_shared<std::vector<std::string>>();
  app->add_option("id", *ids, "Task ids; - reads them from stdin, one a line")->required()->type_name("ID");
  app->callback(
      [&ctl, action, ids] { ctl.action = [&ctl, action, ids] { return control(ctl, action, *ids); }; });
  return app;
}

}  // namespace

std::string explanation(TaskId id, const ExplainReply& reply, bool colour) {
  std::size_t width = 0;
  for (const ExplainReply::Reason& reason : reply.reasons) width = std::max(width, reason.code.size());
  std::string text = state_line(id, reply.state, colour);
  for (const ExplainReply::Reason& reason : reply.reasons) {
    text += "  " + toned(one_line(reason.code, width), Tone::faint, colour) +
            std::string(width - reason.code.size() + 2, ' ') + one_line(reason.text, 2000) + '\n';
  }
  return text;
}

void add_task_cancel(CLI::App& task, Ctl& ctl) {
  add_control(task, ctl, ControlAction::cancel,
              "End tasks: at once, or where one runs after its process is surely dead")
      ->footer(
          "Answers once the cancel is committed; `task wait` waits for the end. Exits with 1 if any of "
          "several was refused.\n\n"
          "Examples:\n  ringctl task cancel task_00000000001g0\n"
          "  ringctl task list --group nightly --state ready,delayed --all -q | ringctl task cancel -");
}

void add_task_release(CLI::App& task, Ctl& ctl) {
  add_control(task, ctl, ControlAction::release,
              "Let quarantined tasks run again; their crashes are forgotten")
      ->footer(
          "A task is quarantined when workers died while they ran it. Exits with 1 if any of several was "
          "refused.\n\n"
          "Examples:\n  ringctl task list --state quarantined\n  ringctl task release task_00000000001g0");
}

void add_task_explain(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("explain", "Say why a task is where it is: what it waits for");
  auto id = std::make_shared<std::string>();
  app->add_option("id", *id, "Task id, as submit printed it")->required()->type_name("ID");
  app->footer(
      "The most important reason comes first.\n\nExample:\n  ringctl task explain task_00000000001g0");
  app->callback([&ctl, id] { ctl.action = [&ctl, id] { return explain(ctl, *id); }; });
}

}  // namespace ringmaster

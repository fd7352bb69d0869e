#include "ctl/task_show.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>

#include "base/task_json.h"
#include "ctl/exit_code.h"
#include "ctl/task_follow.h"
#include "ctl/task_ids.h"
#include "ctl/task_template.h"

namespace ringmaster {
namespace {

constexpr std::uint32_t kPage = 100;
constexpr Duration kMaxWait = std::chrono::seconds(60);

struct ListFlags {
  std::string ns, group, kind;
  std::vector<std::string> states, labels;
  std::string since, until;
  std::uint64_t limit = 100;
  bool all = false;
};

int get(Ctl& ctl, const std::string& text, const std::string& wait_text) {
  const auto id = parse_task_id(text);
  if (!id) return ctl.failed(id.error());
  GetRequest request{*id, Duration{0}, false};
  if (!wait_text.empty()) {
    const auto wait = parse_duration(wait_text);
    if (!wait) return ctl.failed({ErrorCode::invalid_argument, wait.error().message, "wait"});
    if (*wait > kMaxWait)
      return ctl.failed({ErrorCode::invalid_argument, "at most 60s; `task wait` has no bound", "wait"});
    request.wait = *wait;
  }
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  const auto reply = (*client)->get(request);
  if (!reply) return ctl.failed(reply.error());
  if (ctl.json()) ctl.print(task_view_to_json(reply->view));
  if (!ctl.json()) ctl.out() << describe(reply->view, read_wall_clock(), ctl.colour());
  return request.wait > Duration{0} && !is_terminal(reply->view.row.state) ? kExitTimedOut : kExitOk;
}

// `1h`: so long ago; or RFC 3339.
Result<> read_instant(const char* option, const std::string& text, WallTime now,
                      std::optional<WallTime>& time) {
  if (text.empty()) return {};
  if (const auto ago = parse_duration(text)) {
    time = now - *ago;
  } else if (const auto instant = parse_time(text)) {
    time = *instant;
  } else {
    return fail(ErrorCode::invalid_argument, "write 1h for an hour ago, or 2026-11-21T09:30:00Z", option);
  }
  return {};
}

Result<ListRequest> list_request(const ListFlags& flags, WallTime now) {
  ListRequest request;
  request.ns = flags.ns;
  request.group = flags.group;
  request.kind = flags.kind;
  for (const std::string& text : flags.states) {
    for (std::string name : split_list(text)) {
      for (char& c : name) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
      const auto state = parse_task_state(name);
      if (!state) {
        return fail(
            ErrorCode::invalid_argument,
            "\"" + name +
                "\" is no state; states are DELAYED, READY, RUNNING, CANCELLING, QUARANTINED, SUCCEEDED, "
                "FAILED, CANCELLED, TIMED_OUT, LOST",
            "state");
      }
      request.states.push_back(*state);
    }
  }
  if (!flags.labels.empty()) {
    const auto labels = labels_of(flags.labels);
    if (!labels) return std::unexpected(labels.error());
    request.labels = boost::json::serialize(*labels);
  }
  if (auto read = read_instant("since", flags.since, now, request.created_from); !read)
    return std::unexpected(read.error());
  if (auto read = read_instant("until", flags.until, now, request.created_before); !read)
    return std::unexpected(read.error());
  return request;
}

int list(Ctl& ctl, const ListFlags& flags) {
  const WallTime now = read_wall_clock();
  auto request = list_request(flags, now);
  if (!request) return ctl.failed(request.error());
  auto client = ctl.client();
  if (!client) return ctl.failed(client.error());
  TextTable table = task_table();
  std::uint64_t left = flags.limit;
  bool more = true;
  while (more && (flags.all || left > 0)) {
    request->limit = flags.all ? kPage : static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kPage));
    const auto reply = (*client)->list(*request);
    if (!reply) return ctl.failed(reply.error());
    for (const TaskView& view : reply->views) {
      ctl.json() ? ctl.print(task_view_to_json(view)) : add_row(table, view, now);
    }
    left -= std::min<std::uint64_t>(left, reply->views.size());
    request->after = reply->next;
    more = reply->next.has_value();
  }
  if (!ctl.json() && !table.empty()) ctl.out() << table.render(ctl.colour());
  if (!ctl.json() && table.empty()) ctl.err() << "no tasks\n";
  if (more) ctl.err() << "there are more: give --limit or --all\n";
  return kExitOk;
}

int wait(Ctl& ctl, const std::vector<std::string>& words, const std::string& limit_text) {
  FollowOptions options{std::nullopt, ctl.json()};
  if (!limit_text.empty()) {
    const auto limit = parse_duration(limit_text);
    if (!limit) return ctl.failed({ErrorCode::invalid_argument, limit.error().message, "timeout"});
    options.limit = *limit;
  }
  const auto ids = read_ids(words);
  if (!ids) return ctl.failed(ids.error());
  if (ids->empty()) {
    ctl.err() << "nothing to wait for: the input is empty\n";
    return kExitOk;
  }
  return follow_and_report(ctl, *ids, options);
}

}  // namespace

void add_task_get(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("get", "Show one task with its attempts and the tail of its output");
  auto id = std::make_shared<std::string>();
  auto wait_text = std::make_shared<std::string>();
  app->add_option("id", *id, "Task id, as submit printed it")->required();
  app->add_option("--wait", *wait_text,
                  "Wait for its end this long, at most 60s; exit 124 if it has not ended");
  app->footer(
      "Examples:\n  ringctl task get task_00000000001g0\n  ringctl -o json task get --wait 30s "
      "task_00000000001g0");
  app->callback(
      [&ctl, id, wait_text] { ctl.action = [&ctl, id, wait_text] { return get(ctl, *id, *wait_text); }; });
}

void add_task_list(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("list", "List tasks, oldest first");
  auto flags = std::make_shared<ListFlags>();
  app->add_option("--namespace", flags->ns, "Only of this namespace");
  app->add_option("--group", flags->group, "Only of this group");
  app->add_option("--kind", flags->kind, "Only of this kind");
  app->add_option("--state", flags->states, "Only in these states: RUNNING,FAILED; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--label", flags->labels, "Only with this label, key=value; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--since", flags->since, "Only submitted since then: 1h (ago), or RFC 3339");
  app->add_option("--until", flags->until, "Only submitted before then");
  auto* limit =
      app->add_option("--limit", flags->limit, "At most so many (default: 100)")->check(CLI::PositiveNumber);
  app->add_flag("--all", flags->all, "All of them")->excludes(limit);
  app->footer(
      "Examples:\n  ringctl task list --state failed --since 1h\n  ringctl -o json task list --all | jq -r "
      ".result.output_tail");
  app->callback([&ctl, flags] { ctl.action = [&ctl, flags] { return list(ctl, *flags); }; });
}

void add_task_wait(CLI::App& task, Ctl& ctl) {
  CLI::App* app = task.add_subcommand("wait", "Wait until tasks have ended");
  auto ids = std::make_shared<std::vector<std::string>>();
  auto limit = std::make_shared<std::string>();
  app->add_option("id", *ids, "Task ids; - reads them from stdin, one a line")->required();
  app->add_option("--timeout", *limit, "Give up after this and exit 124");
  app->footer(
      "Exits as the task did; for several 1 if any has failed.\n\n"
      "Examples:\n  ringctl task submit --each -- ./job < list > ids; ringctl task wait - < ids");
  app->callback([&ctl, ids, limit] { ctl.action = [&ctl, ids, limit] { return wait(ctl, *ids, *limit); }; });
}

}  // namespace ringmaster

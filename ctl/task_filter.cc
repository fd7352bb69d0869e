#include "ctl/task_filter.h"

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>

#include "ctl/task_template.h"

namespace ringmaster {
namespace {

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

Result<> read_states(const std::vector<std::string>& words, std::vector<TaskState>& states) {
  for (const std::string& text : words) {
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
      states.push_back(*state);
    }
  }
  return {};
}

}  // namespace

bool TaskFilter::empty() const {
  return ns.empty() && group.empty() && kind.empty() && states.empty() && labels.empty() && since.empty() &&
         until.empty();
}

void add_filter_options(CLI::App& app, TaskFilter& filter) {
  app.add_option("--namespace", filter.ns, "Only of this namespace")->type_name("NAME");
  app.add_option("--group", filter.group, "Only of this group")->type_name("NAME");
  app.add_option("--kind", filter.kind, "Only of this kind")->type_name("KIND");
  app.add_option("--state", filter.states, "Only in these states: RUNNING,FAILED; may be repeated")
      ->allow_extra_args(false)
      ->type_name("STATE");
  app.add_option("--label", filter.labels, "Only with this label; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  app.add_option("--since", filter.since, "Only submitted since then: 1h (ago), or RFC 3339")
      ->type_name("TIME");
  app.add_option("--until", filter.until, "Only submitted before then")->type_name("TIME");
}

Result<ListRequest> list_request(const TaskFilter& filter, WallTime now) {
  ListRequest request;
  request.ns = filter.ns;
  request.group = filter.group;
  request.kind = filter.kind;
  if (auto read = read_states(filter.states, request.states); !read) return std::unexpected(read.error());
  if (!filter.labels.empty()) {
    const auto labels = labels_of(filter.labels);
    if (!labels) return std::unexpected(labels.error());
    request.labels = boost::json::serialize(*labels);
  }
  if (auto read = read_instant("since", filter.since, now, request.created_from); !read)
    return std::unexpected(read.error());
  if (auto read = read_instant("until", filter.until, now, request.created_before); !read)
    return std::unexpected(read.error());
  return request;
}

}  // namespace ringmaster

// Tasks and attempts as JSON. A task that was read and is valid is shown as JSON that reads back as the same
// task; the log of attempts, which other versions write too, reads back as it was written.
//
// Input: a JSON text.
#include <algorithm>
#include <string>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/api.h"
#include "base/task_json.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;
namespace json = boost::json;

// A view without what only a view has, read as a submission.
Result<NewTask> read_submission(json::object view) {
  for (const char* optional : {"traceparent", "created_by"}) {
    if (const auto* value = view.if_contains(optional); value != nullptr && value->is_null())
      view.erase(optional);
  }
  auto read = new_task_from_json(view);
  while (!read && read.error().message.starts_with("unknown field ") && view.erase(read.error().field) != 0)
    read = new_task_from_json(view);
  return read;
}

// Boost.JSON reads a double of many digits to within a unit of its last place, not exactly.
bool has_double(const json::value& value) {
  if (value.is_double()) return true;
  if (const auto* array = value.if_array()) return std::ranges::any_of(*array, has_double);
  const auto* object = value.if_object();
  return object != nullptr &&
         std::ranges::any_of(*object, [](const auto& member) { return has_double(member.value()); });
}

void check_task(const json::object& object) {
  const auto task = new_task_from_json(object);
  if (!task) {
    const bool named = !task.error().field.empty() || object.contains("");
    fuzz_check(task.error().code == ErrorCode::invalid_argument && named, "a refusal names the field");
    return;
  }
  if (!validate(*task)) return;
  TaskView view;
  view.row.task = *task;
  view.row.run_at = task->run_at.value_or(WallTime{});
  boost::system::error_code error;
  const auto shown = json::parse(json::serialize(task_view_to_json(view)), error);
  fuzz_check(!error, "a task is shown as valid JSON");
  auto again = shown.get_object();
  if (!task->run_at) again.erase("run_at");
  const auto read = read_submission(std::move(again));
  fuzz_check(read && validate(*read), "what is shown can be submitted again");
  fuzz_check(has_double(object) || payload_hash(*read) == payload_hash(*task), "and is the same task");
  fuzz_check(labels_include(task->labels, task->labels), "a task has its own labels");
}

void check_attempts(std::string_view text) {
  const auto attempts = attempts_from_text(text);
  if (!attempts) return;
  const std::string once = attempts_to_text(*attempts);
  const auto again = attempts_from_text(once);
  fuzz_check(again && again->size() == attempts->size(), "a log of attempts reads back");
  fuzz_check(attempts_to_text(*again) == once, "as it was written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_attempts(text);
  boost::system::error_code error;
  const auto value = json::parse(json::string_view(text.data(), text.size()), error);
  if (!error && value.is_object()) check_task(value.get_object());
  return 0;
}

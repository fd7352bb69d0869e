// Tasks as JSON: what HTTP and ringctl take and show. Times are RFC 3339 UTC, durations like `1h30m`. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "base/attempt_json.h"
#include "base/result.h"
#include "base/task.h"

namespace ringmaster {

// Strict: an unknown field, null or a value of another type is refused with the field's name and what is
// allowed. Every field may be absent; see NewTask for the defaults. Ranges are validate()'s business
// (base/api.h).
Result<NewTask> new_task_from_json(const boost::json::object& object);

// Every field that new_task_from_json takes, and: id, state, attempt, epoch, failures, crashes, worker,
// worker_incarnation, created_at, started_at, finished_at, result, attempts. What there is not (yet) is null.
// Present only where there is something to say: cancel_requested (true), late (an array like attempts).
boost::json::object task_view_to_json(const TaskView& view);

// Whether `labels` has all of `wanted`; both are JSON objects, or empty.
bool labels_include(std::string_view labels, std::string_view wanted);

}  // namespace ringmaster

// Attempts as JSON: in the column `attempts`, and wherever a task is shown. Times are RFC 3339, outcomes by
// name. Message and output become valid UTF-8 without U+0000 (both U+FFFD), so reading them back may not give
// the same bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/task.h"

namespace ringmaster {

// {"outcome":"failed","exit_code":1,"signal":0,"permanent":false,"started_at":…,"finished_at":…,
//  "usage":{"user_us":…,"system_us":…,"max_rss_kib":…},"message":…,"output_tail":…}; a time that is not known
// is null.
boost::json::object to_json(const AttemptResult& result);
// The same after "attempt", "epoch" and "worker".
boost::json::object to_json(const AttemptRecord& record);

// The column's text: an array, oldest attempt first.
std::string attempts_to_text(const std::vector<AttemptRecord>& attempts);
// Unknown fields are ignored and absent ones take their defaults: other versions write this column too.
// Errors: internal, if it is not such an array.
Result<std::vector<AttemptRecord>> attempts_from_text(std::string_view text);

}  // namespace ringmaster

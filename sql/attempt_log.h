// The attempt log: finished attempts as JSON, the form of the column `attempts`. Output tails are base64
// there, since JSON text holds neither arbitrary bytes nor U+0000. Pure. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"

namespace ringmaster {

// A log keeps this many of the latest attempts: each retry rewrites it.
inline constexpr std::size_t kMaxLoggedAttempts = 100;

// What the store keeps of a result: the message without what is not UTF-8, and the end of the output.
AttemptResult storable(AttemptResult result);

// One record, as a JSON object. Expects a storable result.
std::string attempt_to_json(const AttemptRecord& record);
// A JSON array of records. Unknown fields are ignored, absent ones default. Errors: internal (not such an
// array).
Result<std::vector<AttemptRecord>> attempts_from_json(std::string_view text);

}  // namespace ringmaster

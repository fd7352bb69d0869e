// Task ids as they are typed or piped.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace ringmaster {

// Errors: invalid_argument, which names the word.
Result<TaskId> read_id(const std::string& word);

// Each word is an id, or `-` for those on stdin, one a line. In the order given; a task named twice counts
// once. Errors: invalid_argument (no such form), unavailable (stdin cannot be read).
Result<std::vector<TaskId>> read_ids(const std::vector<std::string>& words);

}  // namespace ringmaster

// The cluster secret on disk.
#pragma once

#include <string>

#include "base/result.h"

namespace ringmaster {

// The file's content without its final line break. Errors: invalid_argument with what to do: the file is
// missing, not a regular file, readable or writable by others than its owner (mode 600 or 400 is asked for),
// empty, or above 4 KiB.
Result<std::string> read_secret_file(const std::string& path);

}  // namespace ringmaster

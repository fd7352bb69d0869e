#include "ctl/task_ids.h"

#include <unordered_set>

#include <unistd.h>

#include "ctl/line_reader.h"

namespace ringmaster {

Result<TaskId> read_id(const std::string& word) {
  auto id = parse_task_id(word);
  if (!id) return fail(id.error().code, "\"" + word + "\": " + id.error().message);
  return id;
}

Result<std::vector<TaskId>> read_ids(const std::vector<std::string>& words) {
  std::vector<TaskId> ids;
  std::unordered_set<TaskId> seen;
  const auto add = [&](const std::string& text) -> Result<> {
    const auto id = read_id(text);
    if (!id) return std::unexpected(id.error());
    if (seen.insert(*id).second) ids.push_back(*id);
    return {};
  };
  for (const std::string& word : words) {
    if (word != "-") {
      if (auto added = add(word); !added) return std::unexpected(added.error());
      continue;
    }
    LineReader lines(STDIN_FILENO);
    while (true) {
      auto line = lines.next();
      if (!line) return std::unexpected(line.error());
      if (!*line) break;
      if ((*line)->empty()) continue;
      if (auto added = add(**line); !added) return std::unexpected(added.error());
    }
  }
  return ids;
}

}  // namespace ringmaster

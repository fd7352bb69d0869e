// ProgressLines: what an attempt says about itself through RINGMASTER_PROGRESS_FD. A line is a fraction from
// 0 to 1, alone or followed by a blank and a message: `0.4 half of the rows`. Only the latest good line
// counts; anything else is ignored. Memory is bounded, whatever comes. Pure. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"

namespace ringmaster {

// None: it is not such a line. Without its line break; the message is made printable, and cut. No time.
std::optional<Progress> parse_progress(std::string_view line);

class ProgressLines {
 public:
  void feed(std::string_view bytes);
  bool has_news() const { return latest_.has_value(); }
  // The latest line since the last call.
  std::optional<Progress> take();

 private:
  void end_line();

  std::string line_;  // the one under way; what is too long of it is dropped
  std::optional<Progress> latest_;
};

}  // namespace ringmaster

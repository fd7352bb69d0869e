// ProgressLines: what an attempt says about itself through RINGMASTER_PROGRESS_FD. A line is a fraction from
// 0 to 1, alone or followed by a blank and a message: `0.4 half of the rows`. Only the latest good line
// counts; anything else is ignored. Memory is bounded, whatever comes. Pure. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"

namespace ringmaster {

// None: it is not such a line. Without its line break; the message loses its secrets, is made printable, and
// is cut. `cut`: the line has been before. No time.
std::optional<Progress> parse_progress(std::string_view line, const std::vector<std::string>& secrets = {},
                                       bool cut = false);

class ProgressLines {
 public:
  void feed(std::string_view bytes);
  bool has_news() const { return latest_.has_value(); }
  // The latest line since the last call, without these.
  std::optional<Progress> take(const std::vector<std::string>& secrets = {});

 private:
  void end_line();

  struct Line {
    std::string text;
    bool cut = false;  // what is too long of it is dropped
  };

  Line line_;  // the one under way
  std::optional<Line> latest_;
};

}  // namespace ringmaster

#include "ctl/progress_line.h"

#include <unistd.h>

#include "ctl/terminal.h"
#include "ctl/text_table.h"

namespace ringmaster {

void ProgressLine::show(const std::string& text) {
  if (!ctl_.err_is_terminal()) return;
  ctl_.err() << '\r' << one_line(text, width()) << "\x1b[K" << std::flush;
  shown_ = true;
}

void ProgressLine::hide() {
  if (shown_) ctl_.err() << "\r\x1b[K" << std::flush;
  shown_ = false;
}

// The last column stays free: some terminals begin a new line there.
std::size_t ProgressLine::width() const {
  return terminal_size(STDERR_FILENO).value_or(TerminalSize{}).columns - 1;
}

}  // namespace ringmaster

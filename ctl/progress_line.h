// ProgressLine: one line on stderr that is overwritten, if stderr is a terminal; gone when this is. One
// thread.
#pragma once

#include <string>

#include "ctl/ctl.h"

namespace ringmaster {

class ProgressLine {
 public:
  explicit ProgressLine(Ctl& ctl) : ctl_(ctl) {}
  ~ProgressLine() { hide(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const std::string& text);
  void hide();  // before anything else is printed
  std::size_t width() const;

 private:
  Ctl& ctl_;
  bool shown_ = false;
};

}  // namespace ringmaster

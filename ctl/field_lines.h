// FieldLines: `Label:  value` lines, for one thing shown at length. Pure.
#pragma once

#include <string>

#include "ctl/text_table.h"

namespace ringmaster {

class FieldLines {
 public:
  explicit FieldLines(bool colour) : colour_(colour) {}

  // Nothing for an empty value.
  void add(const std::string& label, const std::string& value, Tone tone = Tone::plain);
  void raw(const std::string& text) { text_ += text; }
  std::string take() { return std::move(text_); }

 private:
  bool colour_;
  std::string text_;
};

}  // namespace ringmaster

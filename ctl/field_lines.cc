#include "ctl/field_lines.h"

namespace ringmaster {
namespace {

constexpr std::size_t kLabelWidth = 13;
constexpr std::size_t kValueWidth = 2000;

}  // namespace

void FieldLines::add(const std::string& label, const std::string& value, Tone tone) {
  if (value.empty()) return;
  const std::string padding(label.size() < kLabelWidth ? kLabelWidth - label.size() : 1, ' ');
  text_ += toned(label + ":", Tone::faint, colour_) + padding +
           toned(one_line(value, kValueWidth), tone, colour_) + '\n';
}

}  // namespace ringmaster

#include "worker/progress_lines.h"

#include <charconv>
#include <utility>

#include "base/utf8.h"
#include "worker/secret_store.h"

namespace ringmaster {
namespace {

// Enough for a message whose every byte becomes a replacement character, and a fraction.
constexpr std::size_t kMaxLine = 1024;

bool is_control(unsigned char c) {
  return c < 0x20 || c == 0x7f;
}

// Control characters become blanks: what one prints must not move the cursor of whoever reads it.
std::string printable(std::string_view bytes) {
  std::string text = replace_invalid_utf8(bytes);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (is_control(c)) text[i] = ' ';
    const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) text.replace(i, 2, "  ");
  }
  return text;
}

}  // namespace

std::optional<Progress> parse_progress(std::string_view line, const std::vector<std::string>& secrets,
                                       bool cut) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  Progress progress;
  const char* const end = line.data() + line.size();
  const auto [rest, error] = std::from_chars(line.data(), end, progress.fraction, std::chars_format::fixed);
  if (error != std::errc() || !(progress.fraction >= 0 && progress.fraction <= 1)) return std::nullopt;
  if (rest == end) return progress;
  if (*rest != ' ') return std::nullopt;
  std::string message(rest + 1, end);
  redact(message, secrets, cut ? Cut::end : Cut::none);  // while they are still as they were written
  progress.message = printable(message);
  return bounded(std::move(progress));
}

void ProgressLines::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto size = std::min(bytes.find('\n'), bytes.size());
    const auto room = kMaxLine - line_.text.size();
    line_.text += bytes.substr(0, std::min(size, room));
    line_.cut = line_.cut || size > room;
    if (size == bytes.size()) return;
    end_line();
    bytes.remove_prefix(size + 1);
  }
}

std::optional<Progress> ProgressLines::take(const std::vector<std::string>& secrets) {
  const auto line = std::exchange(latest_, std::nullopt);
  return line ? parse_progress(line->text, secrets, line->cut) : std::nullopt;
}

void ProgressLines::end_line() {
  if (parse_progress(line_.text)) latest_ = line_;
  line_.text.clear();
  line_.cut = false;
}

}  // namespace ringmaster

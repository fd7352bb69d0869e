#include "ctl/text_table.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>

#include "ctl/terminal.h"

namespace ringmaster {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kWorthCutting = 16;  // a column is left out before another is cut below this
constexpr std::size_t kNarrowest = 5;

// A byte of a terminal's control sequences: C0, DEL, and C1 in its UTF-8 form (c2 80 to c2 9f).
bool is_control(std::string_view text, std::size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  const bool c1 = c == 0xc2U && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0U;
  return c < 0x20U || c == 0x7fU || c1;
}

const char* escape_of(Tone tone) {
  switch (tone) {
    case Tone::plain:
      return "";
    case Tone::good:
      return "\x1b[32m";
    case Tone::bad:
      return "\x1b[31m";
    case Tone::busy:
      return "\x1b[33m";
    case Tone::faint:
      return "\x1b[2m";
  }
  return "";
}

}  // namespace

std::string toned(std::string_view text, Tone tone, bool colour) {
  if (!colour || tone == Tone::plain || text.empty()) return std::string(text);
  return escape_of(tone) + std::string(text) + "\x1b[0m";
}

std::string one_line(std::string_view text, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool control = is_control(text, i);
    if (control && static_cast<unsigned char>(text[i]) == 0xc2U) ++i;
    out += control ? '?' : text[i];
  }
  if (out.size() <= limit || display_width(out) <= limit) return out;
  return out.substr(0, fitting_bytes(out, limit == 0 ? 0 : limit - 1)) + "…";
}

void TextTable::add(std::vector<Cell> row) {
  CHECK_EQ(row.size(), columns_.size());
  for (Cell& cell : row) cell.text = cell.text.empty() ? "-" : one_line(cell.text, std::string::npos);
  rows_.push_back(std::move(row));
}

std::string TextTable::render(const TextStyle& style) const {
  return lines(layout(style.width, std::nullopt), style.colour, true);
}

std::string TextTable::next_piece(const TextStyle& style) {
  const bool first = !layout_;
  layout_ = layout(style.width, layout_);
  std::string out = lines(*layout_, style.colour, first);
  rows_.clear();
  return out;
}

TextTable::Layout TextTable::layout(std::optional<std::size_t> width,
                                    const std::optional<Layout>& before) const {
  Layout made = before.value_or(Layout{{}, std::vector<bool>(columns_.size(), true)});
  std::vector<std::size_t>& widths = made.widths;
  widths.resize(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths[i] = std::max(widths[i], display_width(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], display_width(row[i].text));
  }
  if (!width) return made;
  const auto total = [&](std::size_t most_of_cut) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!made.shown[i]) continue;
      const std::size_t own = columns_[i].fit == Fit::cut ? std::min(widths[i], most_of_cut) : widths[i];
      sum += own + (sum == 0 ? 0 : kGap);
    }
    return sum;
  };
  for (std::size_t i = columns_.size(); i-- > 0 && !before && total(kWorthCutting) > *width;) {
    if (columns_[i].fit == Fit::drop) made.shown[i] = false;
  }
  // The widest first, so that narrow ones stay whole.
  std::size_t most = *std::ranges::max_element(widths);
  while (most > kNarrowest && total(most) > *width) --most;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].fit == Fit::cut) widths[i] = std::min(widths[i], most);
  }
  // No line is ever wider: whoever draws over it counts lines.
  for (std::size_t i = columns_.size(); i-- > 1 && total(most) > *width;) made.shown[i] = false;
  widths[0] = std::min(widths[0], *width);
  return made;
}

std::string TextTable::lines(const Layout& layout, bool colour, bool titles) const {
  std::string out;
  std::vector<Cell> head;
  head.reserve(columns_.size());
  for (const Column& column : columns_) head.push_back({column.title, Tone::faint});
  if (titles) out += line(head, layout, colour);
  for (const auto& row : rows_) out += line(row, layout, colour);
  return out;
}

std::string TextTable::line(const std::vector<Cell>& cells, const Layout& layout, bool colour) const {
  std::string out;
  std::size_t spaces = 0;  // owed before the next cell
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!layout.shown[i]) continue;
    const std::string text = one_line(cells[i].text, layout.widths[i]);
    const std::size_t padding = layout.widths[i] - display_width(text);
    const bool right = columns_[i].align == Align::right;
    out += std::string(spaces + (right ? padding : 0), ' ') + toned(text, cells[i].tone, colour);
    spaces = kGap + (right ? 0 : padding);
  }
  return out + '\n';
}

}  // namespace ringmaster

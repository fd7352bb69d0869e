#include "ctl/text_table.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

constexpr std::size_t kMaxCell = 200;

bool starts_code_point(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_code_point));
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
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (starts_code_point(text[i]) && width++ == limit) {
      while (!out.empty() && !starts_code_point(out.back())) out.pop_back();
      if (!out.empty()) out.pop_back();
      return out + "…";
    }
    // C0, DEL, and C1 in its UTF-8 form (c2 80 to c2 9f).
    const bool c1 = c == 0xc2U && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0U;
    if (c1) ++i;
    out += c < 0x20U || c == 0x7fU || c1 ? '?' : text[i];
  }
  return out;
}

void TextTable::add(std::vector<Cell> row) {
  CHECK_EQ(row.size(), columns_.size());
  for (Cell& cell : row) cell.text = cell.text.empty() ? "-" : one_line(cell.text, kMaxCell);
  rows_.push_back(std::move(row));
}

std::string TextTable::render(bool colour) const {
  std::vector<std::size_t> widths;
  std::vector<Cell> titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i].text));
    widths.push_back(width);
    titles.push_back({columns_[i].title, Tone::faint});
  }
  std::string out = line(titles, widths, colour);
  for (const auto& row : rows_) out += line(row, widths, colour);
  return out;
}

std::string TextTable::line(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths,
                            bool colour) const {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths[i] - width_of(cells[i].text), ' ');
    const bool right = columns_[i].align == Align::right;
    if (i > 0) out += "  ";
    if (right) out += padding;
    out += toned(cells[i].text, cells[i].tone, colour);
    if (!right && i + 1 < cells.size()) out += padding;
  }
  return out + '\n';
}

}  // namespace ringmaster

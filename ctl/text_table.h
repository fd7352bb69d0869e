// TextTable: aligned columns for people, on a terminal as wide as it is. Control characters are shown as `?`,
// so that what stands in a task cannot steer the terminal. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster {

enum class Tone { plain, good, bad, busy, faint };

// `text` in the colour of `tone`, or as it is.
std::string toned(std::string_view text, Tone tone, bool colour);

// One line, safe to print: control characters replaced; wider than `limit` columns ends in `…`.
std::string one_line(std::string_view text, std::size_t limit);

// What prints may look like; nothing for `width`: as wide as it takes, as into a pipe.
struct TextStyle {
  bool colour = false;
  std::optional<std::size_t> width;
};

class TextTable {
 public:
  enum class Align { left, right };
  // Where there is too little room: a column stays, is left out (the last one first), or is cut after that.
  // If all of it is still too wide, the last columns go whatever they are.
  enum class Fit { stay, drop, cut };
  struct Column {
    std::string title;
    Align align = Align::left;
    Fit fit = Fit::stay;
  };
  struct Cell {
    std::string text;
    Tone tone = Tone::plain;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row);  // as many cells as columns
  bool empty() const { return rows_.empty(); }

  // Title line and rows, two spaces between columns, none at a line's end.
  std::string render(const TextStyle& style) const;
  // The rows since the last call, which are forgotten: a long list in pieces. The title line comes once, and
  // the first piece decides which columns there are.
  std::string next_piece(const TextStyle& style);

 private:
  struct Layout {
    std::vector<std::size_t> widths;
    std::vector<bool> shown;
  };
  Layout layout(std::optional<std::size_t> width, const std::optional<Layout>& before) const;
  std::string lines(const Layout& layout, bool colour, bool titles) const;
  std::string line(const std::vector<Cell>& cells, const Layout& layout, bool colour) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::optional<Layout> layout_;  // of the pieces so far
};

}  // namespace ringmaster

// TextTable: aligned columns for people. Widths count code points; control characters are shown as `?`, so
// that what stands in a task cannot steer the terminal. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster {

enum class Tone { plain, good, bad, busy, faint };

// `text` in the colour of `tone`, or as it is.
std::string toned(std::string_view text, Tone tone, bool colour);

// One line, safe to print: control characters replaced; longer than `limit` code points ends in `…`.
std::string one_line(std::string_view text, std::size_t limit);

class TextTable {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  struct Cell {
    std::string text;
    Tone tone = Tone::plain;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row);  // as many cells as columns
  bool empty() const { return rows_.empty(); }

  // Title line and rows, two spaces between columns, none at a line's end.
  std::string render(bool colour) const;

 private:
  std::string line(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths, bool colour) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace ringmaster

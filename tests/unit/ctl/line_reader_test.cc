#include "ctl/line_reader.h"

#include "tests/unit/ctl/pipe_input.h"

namespace ringmaster {
namespace {

std::string next_of(LineReader& lines) {
  const auto line = lines.next();
  if (!line) return "error: " + line.error().message;
  return *line ? **line : "end";
}

TEST(LineReader, ReadsLinesAndALastOneWithoutDelimiter) {
  PipeInput input("a\n\nlast");
  input.end();
  LineReader lines(input.fd());
  EXPECT_EQ(next_of(lines), "a");
  EXPECT_EQ(next_of(lines), "");
  EXPECT_EQ(next_of(lines), "last");
  EXPECT_EQ(lines.line(), 3U);
  EXPECT_EQ(next_of(lines), "end");
  EXPECT_EQ(next_of(lines), "end");
}

TEST(LineReader, SplitsAtNulWhenTold) {
  PipeInput input(std::string("a\nb\0c", 5));
  input.end();
  LineReader lines(input.fd(), '\0');
  EXPECT_EQ(next_of(lines), "a\nb");
  EXPECT_EQ(next_of(lines), "c");
}

TEST(LineReader, KnowsWhetherTheNextLineWouldBlock) {
  PipeInput input;
  LineReader lines(input.fd());
  EXPECT_TRUE(lines.would_block());
  input.write("a\nb\n");
  EXPECT_FALSE(lines.would_block());
  EXPECT_EQ(next_of(lines), "a");
  EXPECT_FALSE(lines.would_block());  // b is in the buffer
  EXPECT_EQ(next_of(lines), "b");
  EXPECT_TRUE(lines.would_block());
  input.end();
  EXPECT_FALSE(lines.would_block());
  EXPECT_EQ(next_of(lines), "end");
}

TEST(LineReader, ReadsLinesAcrossChunks) {
  std::string wanted(40'000, 'x');
  PipeInput input(wanted);
  LineReader lines(input.fd());
  input.write("y\nz\n");
  input.end();
  wanted.push_back('y');
  EXPECT_EQ(next_of(lines), wanted);
  EXPECT_EQ(next_of(lines), "z");
}

TEST(LineReader, RefusesALineWithoutEnd) {
  const int zero = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(zero, 0);
  LineReader lines(zero);
  EXPECT_EQ(next_of(lines), "error: line 1 is longer than 1 MiB");
  ::close(zero);
}

}  // namespace
}  // namespace ringmaster

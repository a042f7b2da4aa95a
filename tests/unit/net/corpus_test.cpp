#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "tests/fuzz/frame_reader_splits.hpp"

namespace broadcast {
namespace {

TEST(FrameReaderCorpusTest, SaysTheSameHoweverItIsCut) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FRAME_READER_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(difference_between_splits(input), "") << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0U) << "no corpus in " << FRAME_READER_CORPUS;
}

}  // namespace
}  // namespace broadcast

#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReadmeTest, ShowsAPluginAndATestThatWork) {
  const std::string readme = text_of(SDK_README);
  for (const char* path : {README_PLUGIN, README_TEST}) {
    EXPECT_THAT(readme, ::testing::HasSubstr("```cpp\n" + text_of(path) + "```\n")) << path;
  }
}

}  // namespace
}  // namespace broadcast

#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(BROADCAST_SDK "/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReadmeTest, ShowsAPluginAndATestThatWork) {
  const std::string readme = text_of("README.md");
  for (const std::string name : {"jongga_signal.cpp", "jongga_signal_test.cpp", "CMakeLists.txt"}) {
    const std::string language = name == "CMakeLists.txt" ? "cmake" : "cpp";
    const std::string block =
        "```" + language + "\n" + text_of("examples/signal/" + name) + "```\n";
    EXPECT_THAT(readme, ::testing::HasSubstr(block)) << name;
  }
}

}  // namespace
}  // namespace broadcast

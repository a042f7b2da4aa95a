// What docs/plugins.md shows is what sdk/examples builds and tests.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The code between "```language" and "```".
std::vector<std::string> blocks_of(const std::string& guide, const std::string& language) {
  const std::string begin = "\n```" + language + "\n";
  std::vector<std::string> blocks;
  for (auto at = guide.find(begin); at != std::string::npos; at = guide.find(begin, at)) {
    at += begin.size();
    blocks.push_back(guide.substr(at, guide.find("```\n", at) - at));
  }
  return blocks;
}

const std::filesystem::path kSource = BROADCAST_SOURCE;

TEST(GuideTest, ShowsAWholePluginAndItsTest) {
  const std::string guide = text_of(kSource / "docs/plugins.md");
  for (const std::string name : {"jongga_signal.cpp", "jongga_signal_test.cpp", "CMakeLists.txt"}) {
    const std::string whole = text_of(kSource / "sdk/examples/signal" / name);
    EXPECT_THAT(blocks_of(guide, name == "CMakeLists.txt" ? "cmake" : "cpp"),
                ::testing::Contains(whole))
        << name;
  }
}

TEST(GuideTest, ShowsNoCodeThatIsNotTested) {
  std::string examples;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(kSource / "sdk/examples")) {
    if (entry.is_regular_file()) examples += text_of(entry.path());
  }
  const std::string guide = text_of(kSource / "docs/plugins.md");
  for (const std::string& block : blocks_of(guide, "cpp")) {
    EXPECT_THAT(examples, ::testing::HasSubstr(block));
  }
}

}  // namespace
}  // namespace broadcast

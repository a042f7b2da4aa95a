#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {
namespace {

constexpr std::string_view kAliases =
    "base: &base {a: 1, b: [x, *none, {c: ~}]}\n"
    "server: &s {listen: \"${A:-${B:-127.0.0.1:1}}\", <<: *base, path: '/ws'}\n"
    "? complex\n: - |\n    text\n  - >-\n    folded\n"
    "broadcasters: {price: {config: {<<: [*base, *s], \"q\\u00e9\": !!str 5}}}\n";

/// Pieces that mean something to YAML or to us.
constexpr std::string_view kPieces[] = {"{",           "}",
                                        "[",           "]",
                                        ": ",          "- ",
                                        "? ",          "\n",
                                        "\n\n  ",      "\t",
                                        "&a ",         "*a",
                                        "<<: ",        "!",
                                        "!!str ",      "\"",
                                        "'",           "|\n",
                                        ">",           "#",
                                        "---\n",       "...\n",
                                        "%YAML 1.2\n", "%TAG ! x\n",
                                        "${",          "${A:-",
                                        "}",           "$$",
                                        "~",           "\\",
                                        "\\x",         "\\u12",
                                        "@",           "`",
                                        ",",           "\xEF\xBB\xBF",
                                        "\xFF\xFE",    "\xED\x95\x9C",
                                        "\x00\x04"};

class Mangler {
 public:
  explicit Mangler(unsigned seed) : random_(seed) {}

  std::string mangle(std::string text) {
    for (std::size_t i = pick(8) + 1; i > 0; --i) change(text);
    return text;
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }

  void change(std::string& text) {
    const std::size_t at = pick(text.size() + 1);
    const std::size_t length = std::min(pick(40), text.size() - at);
    switch (pick(4)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, kPieces[pick(std::size(kPieces))]);
        break;
      case 2:
        text.insert(pick(text.size() + 1), text.substr(at, length));
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(pick(256));
    }
  }

  std::mt19937 random_;
};

std::string reference() {
  std::ifstream stream(CONFIG_DIRECTORY "/reference.yaml");
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(ConfigMutationTest, MangledFilesAreReadOrRefusedAndNothingElse) {
  const std::string whole = reference();
  ASSERT_FALSE(whole.empty());
  std::size_t refused = 0;
  std::size_t accepted = 0;
  for (unsigned seed = 1; seed <= 1'500; ++seed) {
    const std::string text = Mangler(seed).mangle(seed % 2 == 0 ? whole : std::string(kAliases));
    try {
      const Config config = configured(text);
      for (const auto& [name, broadcaster] : config.broadcasters) {
        static_cast<void>(broadcaster.config.dump());  // throws on what is not UTF-8
        for (const auto& [pointer, place] : broadcaster.places) {
          EXPECT_NE(config.locate(name, pointer), "") << seed;
        }
      }
      ++accepted;
    } catch (const ConfigError& error) {
      EXPECT_TRUE(std::string_view(error.what()).starts_with("f.yaml:")) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 500U);
  EXPECT_GT(accepted, 10U);
}

}  // namespace
}  // namespace broadcast

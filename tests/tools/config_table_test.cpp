#include "tools/broadcastctl/config_table.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

using nlohmann::json;

std::string row_of(const std::string& property) {
  const json schema = json::parse(R"({"type":"object","properties":{"key":)" + property + "}}");
  const std::string table = config_table(schema);
  return table.substr(table.find("| `key`"));
}

TEST(ConfigTableTest, ShowsTypeDefaultLimitsAndMeaning) {
  EXPECT_EQ(row_of(R"({"type":"string","format":"duration","minimum":"100ms","maximum":"1h",
                       "default":"30s","description":"time between two pings"})"),
            "| `key` | duration | `\"30s\"` | 100ms … 1h | time between two pings |\n");
  EXPECT_EQ(row_of(R"({"type":"integer","minimum":0})"), "| `key` | integer |  | from 0 |  |\n");
  EXPECT_EQ(row_of(R"({"type":["string","null"],"maxLength":9})"),
            "| `key` | text or null |  | up to 9 characters |  |\n");
  EXPECT_EQ(row_of(R"({"type":"array","items":{"type":"string","enum":["a","b"]},"minItems":1})"),
            "| `key` | list of texts |  | at least 1, each one of a, b |  |\n");
  EXPECT_EQ(row_of("{}"), "| `key` | any |  |  |  |\n");
}

TEST(ConfigTableTest, EscapesWhatWouldEndACell) {
  EXPECT_EQ(row_of(R"({"description":"a|b\n<c>"})"), "| `key` | any |  |  | a\\|b \\<c> |\n");
}

TEST(ConfigTableTest, NamesNestedKeysAndRequiredOnes) {
  const auto keys = config_keys(json::parse(
      R"({"required":["list"],"properties":{"list":{"type":"array","items":{"type":"object",
          "required":["type"],"properties":{"type":{"type":"string"}}}}}})"));
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].key, "list");
  EXPECT_EQ(keys[0].type, "list of maps");
  EXPECT_EQ(keys[0].default_text, "required");
  EXPECT_EQ(keys[1].key, "list[].type");
  EXPECT_EQ(keys[1].default_text, "required");
}

TEST(ConfigTableTest, SaysThatThereAreNoKeys) {
  EXPECT_EQ(config_table(json{{"type", "object"}}), "It has no keys.\n");
}

}  // namespace
}  // namespace broadcast

// The dialogues' own tools: a player that overlooks a difference would pass everything.

#include "tests/dialogues/dialogue.hpp"

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

std::string compare(std::string_view expected, std::string_view got) {
  Bindings bindings;
  return difference(nlohmann::json::parse(expected), nlohmann::json::parse(got), bindings);
}

TEST(DialogueTest, ReadsClientsTimesAndArguments) {
  const Dialogue dialogue = parse_dialogue(
      "# words\nonly: session\nlimit outbox 2KiB\naccept unknown\n2 open /ws\n2>x3 {\"a\": 1}\n"
      "publish price:005930 {\"type\": \"x y\"}\n<close 1001\n",
      "one");
  EXPECT_EQ(dialogue.only, Dialogue::Only::kSession);
  EXPECT_EQ(dialogue.limits.at("outbox"), "2KiB");
  EXPECT_TRUE(dialogue.accepts_unknown);
  ASSERT_EQ(dialogue.steps.size(), 4U);
  EXPECT_EQ(dialogue.steps[0].client, 2U);
  EXPECT_EQ(dialogue.steps[0].first, "/ws");
  EXPECT_EQ(dialogue.steps[1].times, 3U);
  EXPECT_EQ(dialogue.steps[1].rest, "{\"a\": 1}");
  EXPECT_EQ(dialogue.steps[2].first, "price:005930");
  EXPECT_EQ(dialogue.steps[2].rest, "{\"type\": \"x y\"}");
  EXPECT_EQ(dialogue.steps[3].line, 8U);
}

TEST(DialogueTest, NamesTheLineThatItCannotRead) {
  for (const char* text : {"open /ws\nclose 1001\n", "open /ws\n< {\"type\":\n",
                           "open /ws\n<close\n", "open /ws\nshutdown now\n"}) {
    try {
      static_cast<void>(parse_dialogue(text, "bad"));
      ADD_FAILURE() << text;
    } catch (const std::invalid_argument& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("bad:2: ")) << error.what();
    }
  }
}

TEST(DialogueTest, AStarIsAnyValueAndEverythingElseIsExact) {
  EXPECT_EQ(compare(R"({"a":"*","b":[1,{"c":"*"}]})", R"({"b":[1,{"c":null}],"a":{"x":1}})"), "");
  EXPECT_EQ(compare(R"({"a":1})", R"({"a":2})"), "message.a is 2, expected 1");
  EXPECT_EQ(compare(R"({"a":1})", R"({"a":"1"})"), "message.a is \"1\", expected 1");
  EXPECT_EQ(compare(R"({"a":1,"b":"*"})", R"({"a":1})"), "message.b is missing");
  EXPECT_EQ(compare(R"({"a":1})", R"({"a":1,"b":2})"), "message.b was not expected");
  EXPECT_EQ(compare(R"([1,2])", R"([1])"), "message has 1 items, expected 2");
  EXPECT_EQ(compare(R"([1,{"a":true}])", R"([1,{"a":false}])"),
            "message[1].a is false, expected true");
}

TEST(DialogueTest, ANamedValueStaysTheSame) {
  Bindings bindings;
  EXPECT_EQ(difference(nlohmann::json::parse(R"(["$e","$e","$f"])"),
                       nlohmann::json::parse(R"(["x","x","y"])"), bindings),
            "");
  EXPECT_EQ(difference("$f", "y", bindings), "");
  EXPECT_EQ(difference("$e", "z", bindings), "message is \"z\", expected \"x\"");
}

TEST(DialogueTest, ReadsHexInPairs) {
  EXPECT_EQ(bytes_of_hex("c3 28 4A"), "\xc3\x28J");
  EXPECT_THROW(static_cast<void>(bytes_of_hex("c3 2")), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(bytes_of_hex("zz")), std::invalid_argument);
}

}  // namespace
}  // namespace broadcast

#include "tools/broadcastctl/topic_line.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(TopicLineTest, NamesTopicAndNumberBeforeTheText) {
  const std::string line = topic_line(R"({"topic":"a:b", "seq":7,
    "type":"x","data":[1, "가"]})",
                                      1'123'000'000);
  EXPECT_EQ(line.substr(6), R"(01.123 a:b #7 {"type":"x","data":[1,"가"]})");
}

TEST(TopicLineTest, ShowsWhatWasRefusedAndNoOtherReply) {
  EXPECT_EQ(topic_line(R"({"type":"connected"})", 0), "");
  EXPECT_EQ(topic_line(R"({"type":"topic","topic":"price:a","seq":0,"reason":"new"})", 0), "");
  EXPECT_EQ(topic_line(R"({"type":"subscribed","topics":[{}],"rejected":[]})", 0), "");
  EXPECT_NE(topic_line(R"({"type":"subscribed","rejected":[{"code":"c"}]})", 0).find(R"("c")"),
            std::string::npos);
  EXPECT_NE(topic_line(R"({"type":"error","code":"c"})", 0), "");
  EXPECT_EQ(topic_line("no JSON", 0), "");
}

TEST(TopicLineTest, CutsToTheColumnsOfATerminal) {
  EXPECT_EQ(cut_to_width("abcdef", 0), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 5), "abcd…");
  EXPECT_EQ(cut_to_width("가나다", 6), "가나다");  // two columns each
  EXPECT_EQ(cut_to_width("가나다", 5), "가나…");
  EXPECT_EQ(cut_to_width("가나다", 4), "가…");
  EXPECT_EQ(cut_to_width("äöü", 3), "äöü");
}

}  // namespace
}  // namespace broadcast

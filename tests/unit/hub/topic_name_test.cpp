#include "host/hub/topic_name.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

constexpr std::size_t kMaxBytes = 255;

TEST(TopicNameTest, HoldsLettersDigitsAndAFewSigns) {
  for (const std::string good :
       {"a", "price:005930", "market-gate", "signal:vcp", "a/b.c_d-e:F9"}) {
    EXPECT_TRUE(is_topic_name(good, 255)) << good;
  }
  for (const std::string bad : {"", " ", "a b", "price:*", "price:{ticker}", "a\"b", "a\\b", "가",
                                "a\nb", "a,b", "a%20b", "a#b", "a?b", "a@b"}) {
    EXPECT_FALSE(is_topic_name(bad, 255)) << bad;
  }
  EXPECT_FALSE(is_topic_name(std::string_view("a\0b", 3), 255));
}

TEST(TopicNameTest, IsAtMostAsLongAsAllowed) {
  EXPECT_TRUE(is_topic_name(std::string(255, 'x'), 255));
  EXPECT_FALSE(is_topic_name(std::string(256, 'x'), 255));
}

TEST(TopicNameTest, ATextIsANameOrAPatternOrNeither) {
  const AskedTopic name = parse_topic("price:005930", kMaxBytes);
  ASSERT_TRUE(std::holds_alternative<TopicName>(name));
  EXPECT_EQ(text_of(name), "price:005930");
  const AskedTopic pattern = parse_topic("price:krx:*", kMaxBytes);
  ASSERT_TRUE(std::holds_alternative<Pattern>(pattern));
  EXPECT_EQ(text_of(pattern), "price:krx:*");
  EXPECT_EQ(std::get<Pattern>(pattern).prefix(), "price:krx:");
  for (const std::string neither : {"", "*", "price*", "price:**", "a b:*", "a b", "\xff"}) {
    const AskedTopic topic = parse_topic(neither, kMaxBytes);
    EXPECT_TRUE(std::holds_alternative<NotATopic>(topic)) << neither;
    EXPECT_EQ(text_of(topic), neither);
  }
}

TEST(TopicNameTest, APatternsStarDoesNotCountAgainstItsLength) {
  const std::string prefix = std::string(kMaxBytes - 1, 'x') + ':';
  EXPECT_TRUE(std::holds_alternative<Pattern>(parse_topic(prefix + '*', kMaxBytes)));
  EXPECT_TRUE(std::holds_alternative<NotATopic>(parse_topic('x' + prefix + '*', kMaxBytes)));
}

TEST(TopicNameTest, WhatEndsLikeAPatternAsksForOneThoughItIsNone) {
  for (const char* text : {"price:*", "price*", "*"}) {
    EXPECT_TRUE(asks_for_pattern(parse_topic(text, kMaxBytes))) << text;
  }
  for (const char* text : {"price:005930", "", "a b"}) {
    EXPECT_FALSE(asks_for_pattern(parse_topic(text, kMaxBytes))) << text;
  }
}

}  // namespace
}  // namespace broadcast

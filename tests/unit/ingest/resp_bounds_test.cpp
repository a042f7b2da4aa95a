#include "host/ingest/resp_bounds.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/ingest/redis_reply.hpp"

namespace broadcast {
namespace {

constexpr RespBounds::Limits kSmall{.bulk_bytes = 8, .elements = 4, .reply_bytes = 600};

/// What the parser gets, in one piece and byte by byte; "wrong: ..." if it is refused.
std::string passed(const std::string& bytes) {
  const auto fed = [&](std::size_t step) {
    RespBounds bounds(kSmall);
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      const auto wrong = bounds.pass(std::string_view(bytes).substr(i, step), out);
      if (!wrong.empty()) return "wrong: " + std::string(wrong);
    }
    return out;
  };
  const std::string whole = fed(bytes.size());
  EXPECT_EQ(fed(1), whole);
  EXPECT_EQ(fed(3), whole);
  return whole;
}

TEST(RespBoundsTest, PassesOnWhatIsWithinTheLimits) {
  for (const char* bytes :
       {"+OK\r\n", "-ERR no\r\n", ":-7\r\n", "$-1\r\n", "$0\r\n\r\n", "$8\r\n12345678\r\n",
        "*-1\r\n", "*0\r\n", "*2\r\n$1\r\na\r\n*1\r\n:1\r\n+PONG\r\n", "$2\r\n\r\n\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"}) {
    EXPECT_EQ(passed(bytes), bytes);
  }
}

TEST(RespBoundsTest, WritesNumbersAsTheParserTakesThem) {
  EXPECT_EQ(passed(":0007\r\n:-0\r\n:-9223372036854775808\r\n$001\r\na\r\n"),
            ":7\r\n:0\r\n:-9223372036854775808\r\n$1\r\na\r\n");
}

TEST(RespBoundsTest, HandsOnNilForAStringOrListThatIsTooLarge) {
  EXPECT_EQ(passed("$9\r\n123456789\r\n+next\r\n"), "$-1\r\n+next\r\n");
  EXPECT_EQ(passed("*2\r\n$9\r\n123456789\r\n$1\r\na\r\n"), "*2\r\n$-1\r\n$1\r\na\r\n");
  EXPECT_EQ(passed("*5\r\n:1\r\n:2\r\n*1\r\n$1\r\na\r\n:4\r\n$9\r\n123456789\r\n+next\r\n"),
            "*-1\r\n+next\r\n");
  EXPECT_EQ(passed("*2\r\n*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:2\r\n+next\r\n"),
            "*2\r\n*-1\r\n:2\r\n+next\r\n");
}

TEST(RespBoundsTest, HandsOnNilOnceAReplyIsTooLargeInAllAndBeginsAnewWithTheNext) {
  std::string lists = "*4\r\n";
  for (int i = 0; i < 4; ++i) lists += "*4\r\n$8\r\n12345678\r\n:1\r\n:1\r\n:1\r\n";
  const std::string out = passed(lists + "$8\r\n12345678\r\n");
  EXPECT_THAT(out, testing::HasSubstr("*-1\r\n"));
  EXPECT_TRUE(out.ends_with("$8\r\n12345678\r\n"));
}

TEST(RespBoundsTest, WhatIsShortFitsNoMoreOnceSomethingBeforeItDidNot) {
  RespBounds bounds({.bulk_bytes = 100, .elements = 16, .reply_bytes = 250});
  std::string out;
  const std::string bulk = "$90\r\n" + std::string(90, 'x') + "\r\n";
  EXPECT_EQ(bounds.pass("*3\r\n" + bulk + bulk + "$1\r\na\r\n", out), "");
  EXPECT_EQ(out, "*3\r\n" + bulk + "$-1\r\n$-1\r\n");
  out.clear();
  EXPECT_EQ(bounds.pass("$1\r\na\r\n", out), "");
  EXPECT_EQ(out, "$1\r\na\r\n");
}

TEST(RespBoundsTest, ALargeHeaderReservesNothing) {
  RespBounds bounds({});
  std::string out;
  EXPECT_EQ(bounds.pass("$536870912\r\n", out), "");
  EXPECT_EQ(out, "$-1\r\n");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(bounds.pass(std::string(4096, 'x'), out), "");
  EXPECT_EQ(out, "$-1\r\n");
  RespBounds lists({});
  out.clear();
  EXPECT_EQ(lists.pass("*1000000\r\n:1\r\n:2\r\n", out), "");
  EXPECT_EQ(out, "*-1\r\n");
}

TEST(RespBoundsTest, EndsWhatRedisNeverSays) {
  for (const auto& [bytes, why] : std::initializer_list<std::pair<std::string, const char*>>{
           {"$2147483647\r\n", "a string longer than Redis allows"},
           {"$99999999999999999999\r\n", "an invalid length"},
           {"$-2\r\n", "an invalid length"},
           {"$\r\n", "an invalid length"},
           {"$1 \r\n", "an invalid length"},
           {"*2147483647\r\n", "a list longer than Redis sends"},
           {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
            "lists nested deeper than Redis sends"},
           {":x\r\n", "an invalid number"},
           {"+a\rb\r\n", "a line with a CR in it"},
           {"+a\n", "a line that does not end in CR LF"},
           {"\r\n", "an empty line"},
           {"HTTP/1.1 400\r\n", "not the protocol of Redis"},
           {"$1\r\nab\r\n", "a string is longer than announced"},
           {"$9\r\n123456789xx", "a string is longer than announced"},
           {"+" + std::string(70'000, 'x'), "a line that does not end"}}) {
    EXPECT_EQ(passed(bytes), std::string("wrong: ") + why) << bytes.substr(0, 40);
  }
}

TEST(RedisReaderTest, ReadsRepliesInPiecesAndWritesCommands) {
  RedisReader reader({});
  EXPECT_EQ(reader.feed("*2\r\n$3\r\nfo"), "");
  EXPECT_EQ(reader.take(), nullptr);
  EXPECT_EQ(reader.feed("o\r\n:7\r\n-ERR \x01no\r\n"), "");
  const RedisReplyPtr list = reader.take();
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list_of(*list).size(), 2U);
  EXPECT_EQ(text_of(*list_of(*list)[0]), "foo");
  EXPECT_EQ(text_of(*list_of(*list)[1]), std::nullopt);
  const RedisReplyPtr error = reader.take();
  EXPECT_TRUE(is_error(*error));
  EXPECT_EQ(error_text(*error), "ERR  no");
  EXPECT_EQ(reader.take(), nullptr);
  EXPECT_EQ(reader.error(), "");
  const std::string_view words[] = {"SET", "a b", std::string_view("\0", 1)};
  EXPECT_EQ(redis_command(words), std::string("*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$1\r\n\0\r\n", 29));
}

}  // namespace
}  // namespace broadcast

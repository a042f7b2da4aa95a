#include "host/ingest/stream_position.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(StreamPositionTest, ReadsWhatItWrites) {
  for (const char* text :
       {"0-0", "1690-3", "1690-3@17", "18446744073709551615-18446744073709551615@0"}) {
    ASSERT_TRUE(parse_handled(text)) << text;
    EXPECT_EQ(to_string(*parse_handled(text)), text);
  }
  EXPECT_EQ(parse_handled("7-1@5#2"), (StreamHandled{.id = {7, 1}, .ordinal = 5, .messages = 2}));
  EXPECT_EQ(parse_handled("7-1#1"), (StreamHandled{.id = {7, 1}, .messages = 1}));
  for (const char* text : {"", "7", "7-", "-1", "7-1@", "7-1#", "7-1#0", "7-1@5x", "7-1 ", "a-b"}) {
    EXPECT_EQ(parse_handled(text), std::nullopt) << text;
  }
}

TEST(StreamPositionTest, KnowsTheIdBefore) {
  EXPECT_EQ(before({7, 3}), (StreamId{7, 2}));
  EXPECT_EQ(before({7, 0}), (StreamId{6, UINT64_MAX}));
  EXPECT_EQ(before({0, 0}), (StreamId{0, 0}));
}

TEST(StreamPositionTest, KnowsTheIdAfter) {
  EXPECT_EQ(after({7, 3}), (StreamId{7, 4}));
  EXPECT_EQ(after({6, UINT64_MAX}), (StreamId{7, 0}));
  EXPECT_EQ(after({UINT64_MAX, UINT64_MAX}), (StreamId{UINT64_MAX, UINT64_MAX}));
}

StreamInfo info(std::uint64_t length, StreamId last, std::optional<StreamId> first,
                std::optional<std::uint64_t> added) {
  return {.length = length, .last = last, .first = first, .added = added};
}

TEST(StreamGapTest, AStreamThatStillHasWhatWasHandledHasNone) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 5};
  EXPECT_FALSE(find_gap(handled, info(8, {9, 0}, StreamId{2, 0}, 9)));
  EXPECT_FALSE(find_gap(handled, info(5, {5, 0}, StreamId{1, 0}, 5)));
  EXPECT_EQ(handled.ordinal, 5U);
}

TEST(StreamGapTest, TrimmingWhatWasHandledIsNobodysLoss) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 5};
  EXPECT_FALSE(find_gap(handled, info(4, {9, 0}, StreamId{6, 0}, 9)));
  EXPECT_FALSE(find_gap(handled, info(0, {5, 0}, std::nullopt, 5)));
}

TEST(StreamGapTest, CountsWhatWasTrimmedUnreadOnce) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 5};
  EXPECT_EQ(find_gap(handled, info(2, {9, 0}, StreamId{8, 0}, 9)).missing, 2U);
  EXPECT_FALSE(find_gap(handled, info(2, {9, 0}, StreamId{8, 0}, 9)));
  EXPECT_EQ(find_gap(handled, info(0, {9, 0}, std::nullopt, 9)).missing, 2U);
}

TEST(StreamGapTest, FindsAnEntryThatWasDeletedFurtherOnWhenTheEndIsReached) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 4};  // of five
  EXPECT_EQ(find_gap(handled, info(4, {5, 0}, StreamId{1, 0}, 5)).missing, 1U);
  EXPECT_FALSE(find_gap(handled, info(4, {5, 0}, StreamId{1, 0}, 5)));
}

TEST(StreamGapTest, AFirstStartMissesNothing) {
  StreamHandled empty;
  EXPECT_FALSE(find_gap(empty, info(0, {0, 0}, std::nullopt, 0)));
  StreamHandled trimmed;
  EXPECT_FALSE(find_gap(trimmed, info(2, {9, 0}, StreamId{8, 0}, 9)));
  EXPECT_EQ(trimmed.ordinal, 7U);
}

TEST(StreamGapTest, SaysThatTheStreamEndsBeforeWhatWasHandled) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 5};
  EXPECT_TRUE(find_gap(handled, info(3, {3, 0}, StreamId{1, 0}, 3)).is_behind);
  EXPECT_EQ(handled.ordinal, 3U);
  EXPECT_EQ(handled.id, (StreamId{3, 0}));  // what is added as 4-0 is read
  StreamHandled other{.id = {5, 0}, .ordinal = 5};
  EXPECT_TRUE(find_gap(other, info(0, {0, 0}, std::nullopt, 0)).is_behind);
  StreamHandled anew{.id = {5, 0}, .ordinal = 5};
  EXPECT_TRUE(find_gap(anew, info(2, {9, 0}, StreamId{8, 0}, 2)).is_behind);
  EXPECT_FALSE(find_gap(anew, info(2, {9, 0}, StreamId{8, 0}, 2)));
}

TEST(StreamGapTest, WhatAStreamThatIsBehindHoldsIsNotReadButCounted) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 5};
  EXPECT_EQ(find_gap(handled, info(3, {3, 0}, StreamId{1, 0}, 3)).unread, 3U);
  EXPECT_FALSE(find_gap(handled, info(3, {3, 0}, StreamId{1, 0}, 3)));
}

TEST(StreamGapTest, AStreamThatIsBehindOnTheSameServerWasMadeAnewAndIsReadWhole) {
  StreamHandled handled{.id = {5, 0}, .ordinal = 5};
  const StreamGap gap = find_gap(handled, info(2, {3, 0}, StreamId{2, 0}, 3), StreamServer::kSame);
  EXPECT_TRUE(gap.is_anew);
  EXPECT_EQ(gap.unread, 0U);
  EXPECT_EQ(handled, (StreamHandled{.id = {0, 0}, .ordinal = 1}));
  // Also where its newest id is higher again.
  StreamHandled other{.id = {5, 0}, .ordinal = 5};
  EXPECT_TRUE(find_gap(other, info(3, {6, 0}, StreamId{2, 0}, 3), StreamServer::kSame).is_anew);
  EXPECT_EQ(other, (StreamHandled{.id = {0, 0}, .ordinal = 0}));
}

TEST(StreamGapTest, BeforeRedis7ItSaysAtLeastOne) {
  StreamHandled handled{.id = {5, 0}};
  const StreamGap gap = find_gap(handled, info(2, {9, 0}, StreamId{8, 0}, std::nullopt));
  EXPECT_EQ(gap.missing, 1U);
  EXPECT_FALSE(gap.is_counted);
}

}  // namespace
}  // namespace broadcast

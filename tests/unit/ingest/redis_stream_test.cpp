#include "host/ingest/redis_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/base/ended_life.hpp"
#include "tests/unit/ingest/stream_play.hpp"

namespace broadcast {
namespace {

using test::StreamPlay;
using test::unavailable;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(RedisStreamTest, AnEntryThatMakesItsOwnerFailThreeTimesIsRefused) {
  StreamPlay play;
  Verdict failed = unavailable();
  failed.has_failed_on_it = true;
  play.owner.verdicts = {failed, unavailable(), failed, failed};  // BUSY does not count
  play.add("1-1", "probe");
  play.add("1-2", "probe");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.owner.got.size(), 5U);
  EXPECT_EQ(play.counters.get(Counter::kStreamRetried), 3U);
  EXPECT_EQ(play.counters.get(Counter::kStreamRefused), 1U);
}

TEST(RedisStreamTest, AnEntryThatHasEndedTheHostThreeTimesIsRefusedAndTheNextOneReached) {
  const test::MarkerPath path;
  test::end_life(path.get(), {.stream = "s", .id = "1-1"}, 3);
  test::end_life(path.get(), {.stream = "s", .id = "1-2"}, 2);
  CrashMarker marker(path.get());
  StreamPlay play;
  play.options.marker = &marker;
  play.add("1-1", "probe", R"({"n":1})");
  play.add("1-2", "probe", R"({"n":2})");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_THAT(play.owner.payloads(), ElementsAre(R"({"n":2})"));
  EXPECT_EQ(play.counters.get(Counter::kStreamRefused), 1U);
  EXPECT_THAT(play.beside("s:refused", "id"), ElementsAre("1-1"));
  EXPECT_THAT(play.beside("s:refused", "reason"),
              ElementsAre("it has ended the host 3 times, the last time by SIGSEGV in MESSAGE"));
  play.stream->on_tick(mono_now());
  EXPECT_THAT(play.shown_status(), HasSubstr("entry 1-1 is refused"));
  for (const char* id : {"1-1", "1-2"}) EXPECT_EQ(marker.ends_in_entry("s", id).count, 0U);
}

TEST(RedisStreamTest, SoIsOneWhoseOwnerIsAbsent) {
  const test::MarkerPath path;
  test::end_life(path.get(), {.stream = "s", .id = "1-1"}, 3);
  CrashMarker marker(path.get());
  StreamPlay play;
  play.options.marker = &marker;
  play.options.park_after = {};
  play.release(play.owner);
  play.add("1-1", "probe");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamRefused, 1));
  EXPECT_THAT(play.beside("s:refused", "id"), ElementsAre("1-1"));
  EXPECT_TRUE(play.streams["s:parked"].empty());
}

TEST(RedisStreamTest, SoIsAParkedOne) {
  const test::MarkerPath path;
  test::end_life(path.get(), {.stream = "s:parked", .id = "900-0"}, 3);
  CrashMarker marker(path.get());
  StreamPlay play;
  play.options.marker = &marker;
  play.streams["s:parked"] = {
      {StreamId{900, 0}, {"id", "1-1", "topic", "probe", "payload", "{}", "published", "0"}}};
  play.add("1-2", "probe", R"({"n":2})");
  play.begin("1-1@1");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_THAT(play.owner.payloads(), ElementsAre(R"({"n":2})"));
  EXPECT_THAT(play.beside("s:refused", "id"), ElementsAre("1-1"));
  EXPECT_TRUE(play.streams["s:parked"].empty());
}

/// Commits when it is told.
class SlowStore final : public StateStore {
 public:
  std::vector<StoredTopic> load() override { return {}; }
  SipKey epoch_key() override { return {}; }
  void start(CommitListener&) override {}
  bool stop(MonoTime) override { return true; }
  std::uint64_t try_append(PendingMessage) override { return 0; }
  void when_committed(std::uint64_t, std::function<void(CommitOutcome)> done) override {
    waiting.push_back(std::move(done));
  }
  void post_latest(std::vector<PendingMessage>) override {}
  void post_forgotten(std::string_view) override {}
  std::uint64_t try_keep_position(StreamPosition) override { return 1; }
  std::optional<std::string> position_of(std::string_view) override { return std::nullopt; }

  std::vector<std::function<void(CommitOutcome)>> waiting;
};

TEST(RedisStreamTest, WhatAnEntryHasEndedIsForgottenOnceItsPositionIsKept) {
  const test::MarkerPath path;
  test::end_life(path.get(), {.stream = "s", .id = "1-1"}, 2);
  CrashMarker marker(path.get());
  SlowStore store;
  StreamPlay play;
  play.release(play.owner);
  play.release(play.other);
  play.hub.open_store(store);  // before there are claims
  play.claim(play.owner, "probe");
  play.options.marker = &marker;
  play.add("1-1", "probe");
  play.begin("");
  ASSERT_TRUE(play.run_until([&] { return !store.waiting.empty(); }));
  EXPECT_EQ(marker.ends_in_entry("s", "1-1").count, 2U);
  store.waiting[0](CommitOutcome::kLost);
  EXPECT_EQ(marker.ends_in_entry("s", "1-1").count, 2U);
  store.waiting[0](CommitOutcome::kCommitted);
  EXPECT_EQ(marker.ends_in_entry("s", "1-1").count, 0U);
  play.hub.close_store();
}

TEST(RedisStreamTest, ARedisThatDoesNotWaitForEntriesIsAskedOnceASecond) {
  StreamPlay play;
  play.add("1-1", "probe");
  const auto told = play.redis.answer;
  play.redis.answer = [told](const test::FakeRedis::Command& command) {
    const auto answer = told(command);
    return answer == "" ? "*-1\r\n" : answer;
  };
  const MonoTime before = mono_now();
  play.begin("1-1@1");
  ASSERT_TRUE(play.run_until([&] { return play.redis.count_of("XREAD") == 3; }));
  EXPECT_GE(mono_now() - before, std::chrono::seconds(2));
}

TEST(RedisStreamTest, WhatAnEntryHasCausedIsLeftOutWhenItComesAgain) {
  StreamPlay play;
  Verdict one = unavailable();
  one.published = 1;
  play.owner.verdicts = {one, one};
  play.add("1-1", "probe");
  play.add("1-2", "probe");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 2));
  std::vector<std::size_t> before;
  for (const ProducerMessage& message : play.owner.got) before.push_back(message.published_before);
  EXPECT_THAT(before, ElementsAre(0, 1, 2, 0));
  EXPECT_EQ(play.owner.got[2].position.id, "1-1@1");
  EXPECT_EQ(play.owner.got[3].position.id, "1-2@2");
}

TEST(RedisStreamTest, BeginsWithTheEntryThatWasPartlyDone) {
  StreamPlay play;
  for (const char* id : {"1-1", "1-2", "1-3"}) play.add(id, "probe");
  play.begin("1-2@2#3");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 2));
  EXPECT_EQ(play.redis.last("XREAD").back(), "1-1");
  EXPECT_EQ(play.owner.got[0].position.id, "1-2@2");
  EXPECT_EQ(play.owner.got[0].published_before, 3U);
  EXPECT_EQ(play.owner.got[1].published_before, 0U);
}

TEST(RedisStreamTest, AnEntryThatWasPartlyDoneAndIsGoneIsNotMissing) {
  StreamPlay play;
  play.add("1-3", "probe");
  play.added = 3;  // the first two were trimmed
  play.begin("1-2@2#3");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.owner.got[0].position.id, "1-3@3");
  EXPECT_EQ(play.counters.get(Counter::kStreamGaps), 0U);
}

TEST(RedisStreamTest, ReadsOneEntryWhereMoreDoNotFitAReply) {
  StreamPlay play;
  play.limits.reply_bytes = 8000;
  for (const char* id : {"1-1", "1-2"}) {
    play.add(id, "probe", '[' + std::string(5000, ' ') + ']');
  }
  play.add("1-3", "probe", '[' + std::string(9000, ' ') + ']');  // does not fit by itself
  play.add("1-4", "probe");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 3));
  EXPECT_EQ(play.counters.get(Counter::kStreamRefused), 1U);
  std::vector<std::string> counts;
  for (const auto& command : play.redis.heard) {
    if (command[0] == "XREAD") counts.push_back(command[2]);
  }
  EXPECT_THAT(counts, testing::Contains("1"));
  ASSERT_TRUE(play.run_until([&] { return play.redis.last("XREAD").back() == "1-4"; }));
  EXPECT_EQ(play.redis.last("XREAD")[2], "16");
}

TEST(RedisStreamTest, AStreamMadeAnewWithLowerIdsIsReadFromItsFirstEntry) {
  StreamPlay play;
  play.blocks = false;
  play.add("9-1", "probe", "[1]");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  ASSERT_TRUE(play.run_until([&] { return play.redis.last("XREAD").back() == "9-1"; }));
  play.entries.clear();
  play.add("5-1", "probe", "[2]");
  play.add("5-2", "probe", "[3]");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 3));
  EXPECT_THAT(play.owner.payloads(), ElementsAre("[1]", "[2]", "[3]"));
  EXPECT_EQ(play.counters.get(Counter::kStreamGaps), 1U);
  EXPECT_EQ(play.counters.get(Counter::kStreamUnread), 0U);
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(), HasSubstr("created anew with lower ids"));
}

TEST(RedisStreamTest, WhatAStreamThatEndsBeforeWhatWasHandledHoldsIsCountedAndTold) {
  StreamPlay play;
  play.blocks = false;
  play.add("5-1", "probe");
  play.add("5-2", "probe");
  RedisStream& stream = play.begin("9-1@9");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamUnread, 2));
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(), HasSubstr("the 2 entries that it holds are not read"));
  play.add("5-3", "probe", "[3]");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_THAT(play.owner.payloads(), ElementsAre("[3]"));
}

TEST(RedisStreamTest, SkipsAByteOrderMarkOfAPayload) {
  StreamPlay play;
  play.add("1-1", "probe", "\xEF\xBB\xBF{\"a\":1}");
  play.begin("0-0");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.owner.got.at(0).payload, "{\"a\":1}");
}

}  // namespace
}  // namespace broadcast

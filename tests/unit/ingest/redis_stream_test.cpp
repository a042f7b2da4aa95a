#include "host/ingest/redis_stream.hpp"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/fake_redis.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Outcome = Verdict::Outcome;

/// Gives the verdicts that it was told, then accepts.
class ToldOwner final : public TopicOwner {
 public:
  std::deque<Verdict> verdicts;
  std::vector<ProducerMessage> got;

  std::string_view owner_name() const override { return "probe"; }
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override {
    got.push_back(std::move(message));
    Verdict verdict{.outcome = Outcome::kAccepted, .text = {}, .last = {}};
    if (!verdicts.empty()) {
      verdict = std::move(verdicts.front());
      verdicts.pop_front();
    }
    done(std::move(verdict));
  }
  void post_demand(std::string_view, std::int64_t) override {}
};

/// What a stream holds, and how Redis tells it.
struct StreamPlay : test::RedisPlay {
  StreamPlay() : RedisPlay("status:stream") {
    EXPECT_FALSE(hub.try_claim(owner, "probe.so", {TopicPattern("probe", "", Delivery::kAll)}));
    EXPECT_FALSE(hub.try_claim(other, "other.so", {TopicPattern("other", "", Delivery::kAll)}));
    redis.answer = [this](const test::FakeRedis::Command& command) { return told(command); };
  }
  void add(const std::string& id, const std::string& topic, const std::string& payload = "{}") {
    using test::bulk;
    entries.emplace_back(*parse_stream_id(id),
                         test::list({bulk(id), test::list({bulk("topic"), bulk(topic),
                                                           bulk("payload"), bulk(payload)})}));
  }
  RedisStream& begin(const std::string& handled) {
    stream.emplace(
        parts(),
        RedisStream::Options{.key = "s", .start = RedisStream::Start::kKept, .handled = handled},
        hub);
    stream->start();
    return *stream;
  }
  bool run_until_count(Counter counter, std::uint64_t count) {
    return run_until([&] { return counters.get(counter) == count; });
  }

  ToldOwner owner;
  ToldOwner other;
  std::vector<std::pair<StreamId, std::string>> entries;
  std::uint64_t added = 0;  // ever; 0: as many as are there
  std::optional<RedisStream> stream;

 private:
  std::optional<std::string> told(const test::FakeRedis::Command& command) const {
    using test::bulk;
    if (command[0] == "XINFO") {
      const std::string size = ":" + std::to_string(entries.size()) + "\r\n";
      return test::list({bulk("length"), size, bulk("last-generated-id"),
                         bulk(to_string(entries.back().first)), bulk("entries-added"),
                         added == 0 ? size : ":" + std::to_string(added) + "\r\n",
                         bulk("recorded-first-entry-id"), bulk(to_string(entries[0].first))});
    }
    if (command[0] != "XREAD") return std::nullopt;
    std::vector<std::string> read;
    for (const auto& [id, entry] : entries) {
      const bool is_wanted = id > *parse_stream_id(command.back());
      if (is_wanted && read.size() < std::stoul(command[2])) read.push_back(entry);
    }
    if (read.empty()) return "";  // BLOCK
    return test::list({test::list({bulk("s"), test::list(read)})});
  }
};

Verdict unavailable() { return {.outcome = Outcome::kUnavailable, .text = "busy", .last = {}}; }

TEST(RedisStreamTest, WhatABroadcasterThatHasGivenUpWouldGetIsRefusedAndTheStreamGoesOn) {
  StreamPlay play;
  Verdict verdict = unavailable();
  verdict.text = "probe has given up";
  verdict.has_given_up = true;
  play.owner.verdicts = {verdict, verdict};
  play.add("1-1", "probe");
  play.add("1-2", "probe");
  play.add("1-3", "other");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.other.got.size(), 1U);
  EXPECT_EQ(play.counters.get(Counter::kStreamRefused), 2U);
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(), HasSubstr("probe has given up; entries for it are lost"));
}

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

TEST(RedisStreamTest, SkipsAByteOrderMarkOfAPayload) {
  StreamPlay play;
  play.add("1-1", "probe", "\xEF\xBB\xBF{\"a\":1}");
  play.begin("0-0");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.owner.got.at(0).payload, "{\"a\":1}");
}

}  // namespace
}  // namespace broadcast

// What becomes of a stream's entries that are for nobody, or wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/stream_play.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;

using test::StreamPlay;
using test::unavailable;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(RedisStreamAsideTest, WhatNobodyServesIsParkedAndComesFirstOnceItIsServed) {
  StreamPlay play;
  play.blocks = false;
  play.options.park_after = 0s;
  test::ToldOwner late;
  play.add("1-1", "late", "[1]");
  play.add("1-2", "other", "{}");
  play.add("1-3", "late", "[2]");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamParked, 2));
  EXPECT_EQ(play.other.got.size(), 1U);
  EXPECT_THAT(play.beside("s:parked", "id"), ElementsAre("1-1", "1-3"));
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(),
              HasSubstr("entries parked until somebody serves their topics: 2 (late)"));
  play.claim(late, "late");
  play.add("1-4", "late", "[3]");
  stream.on_tick(mono_now());
  ASSERT_TRUE(play.run_until([&] {
    stream.on_tick(mono_now());
    return play.counters.get(Counter::kStreamHandled) == 4;
  }));
  EXPECT_THAT(late.payloads(), ElementsAre("[1]", "[2]", "[3]"));
  ASSERT_TRUE(play.run_until([&] { return play.streams["s:parked"].empty(); }));
  EXPECT_EQ(play.counters.get(Counter::kStreamRefused), 0U);
}

TEST(RedisStreamAsideTest, AnEntryWaitsForAnOwnerThatIsNotAbsentForLong) {
  StreamPlay play;
  play.options.park_after = 1h;
  play.add("1-1", "probe", "[1]");
  play.add("1-2", "probe", "[2]");
  play.owner.verdicts = {unavailable()};
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamRetried, 1));
  play.release(play.owner);
  ASSERT_TRUE(play.run_until([&] {
    stream.on_tick(mono_now());
    return play.shown_status().find("entries wait for a broadcaster that serves probe") !=
           std::string::npos;
  }));
  play.claim(play.owner, "probe");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 2));
  EXPECT_THAT(play.owner.payloads(), ElementsAre("[1]", "[1]", "[2]"));
  EXPECT_EQ(play.counters.get(Counter::kStreamParked), 0U);
}

TEST(RedisStreamAsideTest, WhatABroadcasterThatHasGivenUpWouldGetIsParkedAndTheStreamGoesOn) {
  StreamPlay play;
  Verdict verdict = unavailable();
  verdict.text = "probe has given up";
  verdict.has_given_up = true;
  play.owner.verdicts = {verdict};
  play.add("1-1", "probe");
  play.add("1-2", "probe");
  play.add("1-3", "other");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.other.got.size(), 1U);
  EXPECT_THAT(play.beside("s:parked", "id"), ElementsAre("1-1", "1-2"));
}

TEST(RedisStreamAsideTest, WhatABroadcasterThatDoesNotStartWouldGetIsParkedAndGivenToItLater) {
  StreamPlay play;
  play.blocks = false;
  play.options.park_after = 0s;
  Verdict down = unavailable();
  down.retry_after = 1ms;
  play.owner.verdicts = {down};
  play.add("1-1", "probe", "[1]");
  play.add("1-2", "other");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamParked, 1));
  ASSERT_TRUE(play.run_until([&] {
    stream.on_tick(mono_now());
    return play.counters.get(Counter::kStreamHandled) == 2;
  }));
  EXPECT_THAT(play.owner.payloads(), ElementsAre("[1]", "[1]"));
}

TEST(RedisStreamAsideTest, WhatIsRefusedForGoodIsKeptWithTheReason) {
  StreamPlay play;
  play.owner.verdicts = {{.outcome = Verdict::Outcome::kRefused, .text = "no ticker", .last = {}}};
  play.add("1-1", "probe", "[1]");
  play.add("1-2", "probe", "{nix");
  play.add("1-3", "status:probe", "{}");
  play.add("1-4", "other");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_THAT(play.beside("s:refused", "id"), ElementsAre("1-1", "1-2", "1-3"));
  EXPECT_THAT(play.beside("s:refused", "payload"), ElementsAre("[1]", "{nix", "{}"));
  EXPECT_THAT(play.beside("s:refused", "reason"),
              ElementsAre("no ticker", HasSubstr("it is not JSON: line 1"),
                          "no broadcaster and no relay serves its topic"));
}

TEST(RedisStreamAsideTest, WhatTheLifeBeforeSetAsideIsNotSetAsideAgain) {
  StreamPlay play;
  play.options.park_after = 0s;
  play.streams["s:parked"] = {{{5, 0}, {"id", "1-1", "topic", "late", "payload", "{}"}}};
  play.streams["s:refused"] = {{{6, 0}, {"id", "1-2", "topic", "probe", "payload", "{nix"}}};
  play.add("1-1", "late");
  play.add("1-2", "probe", "{nix");
  play.add("1-3", "other");
  play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.redis.count_of("XADD"), 0U);
}

/// Or a host that is killed then, and reads the stream again from the position that was kept, would
/// find nothing of what it had parked.
TEST(RedisStreamAsideTest, NothingParkedIsRemovedBeforeTheStreamHasPassedWhatIsInDoubt) {
  for (const bool is_trimmed : {false, true}) {
    StreamPlay play;
    play.blocks = false;
    play.add("1-1", "other");
    if (!is_trimmed) play.add("1-2", "probe", "[1]");
    play.streams["s:parked"].push_back(
        {{9, 0}, {"id", "1-2", "topic", "probe", "payload", "[1]", "published", "0"}});
    play.begin("1-1");
    ASSERT_TRUE(play.run_until([&] { return play.redis.count_of("XDEL") == 1; }));
    EXPECT_THAT(play.owner.payloads(), ElementsAre("[1]")) << "once";
    const auto first = [&](std::string_view verb) {
      return std::ranges::find(play.redis.heard, verb, [](const auto& words) { return words[0]; });
    };
    EXPECT_LT(first("XREAD"), first("XDEL"));
  }
}

TEST(RedisStreamAsideTest, AParkedEntryGoesOnWithTheMessageThatWasNotPublished) {
  StreamPlay play;
  play.blocks = false;
  play.streams["s:parked"] = {
      {{5, 0}, {"id", "1-1", "topic", "probe", "payload", "[1]", "published", "1"}},
      {{6, 0}, {"id", "1-2", "topic", "probe", "payload", "[2]", "published", "1"}}};
  play.options.parked_handled = "5-0#2";
  play.add("1-3", "other");
  play.begin("1-2@2");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 3));
  ASSERT_EQ(play.owner.got.size(), 2U);
  EXPECT_EQ(play.owner.got[0].published_before, 2U);
  EXPECT_EQ(play.owner.got[0].position.stream, "s:parked");
  EXPECT_EQ(play.owner.got[0].position.id, "5-0");
  EXPECT_EQ(play.owner.got[1].published_before, 1U);
}

TEST(RedisStreamAsideTest, AParkedEntryWhoseOwnerIsGoneInTheMiddleGoesOnThereLater) {
  StreamPlay play;
  play.blocks = false;
  play.streams["s:parked"] = {{{5, 0}, {"id", "1-1", "topic", "probe", "payload", "[1]"}}};
  Verdict down = unavailable();
  down.retry_after = 1ms;
  down.published = 2;
  play.owner.verdicts = {down};
  play.add("1-2", "other");
  RedisStream& stream = play.begin("1-1@1");
  ASSERT_TRUE(play.run_until([&] {
    stream.on_tick(mono_now());
    return play.counters.get(Counter::kStreamHandled) == 2;
  }));
  ASSERT_EQ(play.owner.got.size(), 2U);
  EXPECT_EQ(play.owner.got[1].published_before, 2U);
}

TEST(RedisStreamAsideTest, AParkedEntryThatIsRefusedIsMovedOnce) {
  StreamPlay play;
  play.streams["s:parked"] = {{{5, 0}, {"id", "1-1", "topic", "probe", "payload", "[1]"}},
                              {{6, 0}, {"id", "1-2", "topic", "probe", "payload", "[2]"}}};
  // Killed between the two commands of the first.
  play.streams["s:refused"] = {{{6, 0}, {"id", "1-1", "topic", "probe", "payload", "[1]"}}};
  const Verdict refused{.outcome = Verdict::Outcome::kRefused, .text = "no", .last = {}};
  play.owner.verdicts = {refused, refused};
  play.add("1-3", "other");
  play.begin("1-2@2");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_THAT(play.beside("s:refused", "id"), ElementsAre("1-1", "1-2"));
  EXPECT_THAT(play.streams["s:parked"], IsEmpty());
}

TEST(RedisStreamAsideTest, WaitsWhereRedisRefusesToParkAndSaysWhy) {
  StreamPlay play;
  play.options.park_after = 0s;
  play.refuses["XADD"] = "NOPERM User x has no permissions to run the 'xadd' command";
  play.add("1-1", "late");
  play.add("1-2", "other");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until([&] { return play.redis.count_of("XADD") == 2; }));
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(),
              HasSubstr("Redis refuses to keep parked or refused entries "
                        "(NOPERM); they wait, and so do the entries behind them"));
  EXPECT_EQ(play.other.got.size(), 0U);
  play.refuses.clear();
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_EQ(play.counters.get(Counter::kStreamParked), 1U);
}

TEST(RedisStreamAsideTest, WithoutTheRightToReadThemItServesThoseThatAreThere) {
  StreamPlay play;
  play.refuses["XRANGE"] = "NOPERM this user has no permissions to run the 'xrange' command";
  play.add("1-1", "probe");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(), HasSubstr("(NOPERM)"));
}

TEST(RedisStreamAsideTest, WhatIsBeyondTheBoundsIsDroppedCountedAndTold) {
  StreamPlay play;
  play.options.park_after = 0s;
  play.options.most_aside = 2;
  for (const char* id : {"1-1", "1-2", "1-3"}) play.add(id, "late");
  for (const char* id : {"1-4", "1-5", "1-6"}) play.add(id, "probe", "7");
  play.add("1-7", "other");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamHandled, 1));
  EXPECT_THAT(play.beside("s:parked", "id"), ElementsAre("1-2", "1-3"));
  EXPECT_THAT(play.beside("s:refused", "id"), ElementsAre("1-5", "1-6"));
  EXPECT_EQ(play.counters.get(Counter::kStreamParkedDropped), 1U);
  EXPECT_EQ(play.counters.get(Counter::kStreamRefusedDropped), 1U);
  stream.on_tick(mono_now());
  EXPECT_THAT(play.shown_status(), HasSubstr("parked or refused entries were dropped"));
}

TEST(RedisStreamAsideTest, AnEntryThatWasDeletedByHandIsNobodysAnyMore) {
  StreamPlay play;
  play.blocks = false;
  play.options.park_after = 0s;
  test::ToldOwner late;
  play.add("1-1", "late", "[1]");
  play.add("1-2", "late", "[2]");
  RedisStream& stream = play.begin("");
  ASSERT_TRUE(play.run_until_count(Counter::kStreamParked, 2));
  play.streams["s:parked"].erase(play.streams["s:parked"].begin());
  play.claim(late, "late");
  ASSERT_TRUE(play.run_until([&] {
    stream.on_tick(mono_now());
    return play.counters.get(Counter::kStreamHandled) == 1;
  }));
  EXPECT_THAT(late.payloads(), ElementsAre("[2]"));
}

}  // namespace
}  // namespace broadcast

#include "host/ingest/redis_subscriber.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/fake_redis.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::bulk;
using testing::HasSubstr;

TEST(RedisSubscriberTest, WhatWentToNobodyIsShownForAMinute) {
  test::RedisPlay play;
  play.redis.answer = [](const test::FakeRedis::Command& command) -> std::optional<std::string> {
    if (command[0] != "PSUBSCRIBE") return std::nullopt;
    return test::list({bulk("psubscribe"), bulk(command[1]), ":1\r\n"}) +
           test::list({bulk("pmessage"), bulk(command[1]), bulk("live:nobody"), bulk("{}")});
  };
  RedisSubscriber subscriber(play.parts(), {.channels = "live:*"}, play.gate, play.hub.statuses());
  subscriber.start();
  ASSERT_TRUE(play.run_until([&] { return play.counters.get(Counter::kRedisNoOwner) == 1; }));
  const MonoTime begun = mono_now();
  subscriber.on_tick(begun);
  EXPECT_THAT(play.shown_status(), HasSubstr("messages dropped lately: no_owner 1"));
  subscriber.on_tick(begun + 59s);
  EXPECT_THAT(play.shown_status(), HasSubstr("degraded"));
  subscriber.on_tick(begun + 60s);
  EXPECT_THAT(play.shown_status(), HasSubstr(R"("state":"ok")"));
}

}  // namespace
}  // namespace broadcast

#include "host/ingest/redis_url.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::Not;
using Transport = RedisUrl::Transport;

std::string refusal_of(std::string_view text) {
  try {
    static_cast<void>(parse_redis_url(text));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "not refused";
}

TEST(RedisUrlTest, ReadsWhatCeleryAndRedisPyRead) {
  EXPECT_EQ(parse_redis_url("redis://"), RedisUrl{});
  EXPECT_EQ(parse_redis_url("redis://cache.example:7000/3"),
            (RedisUrl{.host = "cache.example", .port = 7000, .database = 3}));
  EXPECT_EQ(parse_redis_url("rediss://h"), (RedisUrl{.transport = Transport::kTls, .host = "h"}));
  EXPECT_EQ(parse_redis_url("redis://[::1]:7/?db=2&ssl_cert_reqs=none"),
            (RedisUrl{.host = "::1", .port = 7, .database = 2}));
  EXPECT_EQ(parse_redis_url("redis://:s3cret@h/1"),
            (RedisUrl{.host = "h", .password = "s3cret", .database = 1}));
  EXPECT_EQ(parse_redis_url("redis://:@h"), RedisUrl{.host = "h"});  // nobody, as in redis-py
  EXPECT_EQ(parse_redis_url("redis://u%40x:p%2Fw%25@h"),
            (RedisUrl{.host = "h", .user = "u@x", .password = "p/w%"}));
  EXPECT_EQ(parse_redis_url("unix:///run/redis.sock?db=4"),
            (RedisUrl{.transport = Transport::kUnix, .path = "/run/redis.sock", .database = 4}));
  EXPECT_EQ(
      parse_redis_url("redis+socket://:pw@/run/r.sock?virtual_host=1"),
      (RedisUrl{
          .transport = Transport::kUnix, .path = "/run/r.sock", .password = "pw", .database = 1}));
}

TEST(RedisUrlTest, RefusesTheRestAndNeverRepeatsIt) {
  for (const char* rest :
       {"//h", "amqp://u:s3cret@h", "redis://u:s3cret@h:0", "redis://u:s3cret@h:70000",
        "redis://u:s3cret@h:7x", "redis://u:s3cret@h/first", "redis://u:s3cret@h/-1",
        "redis://s3cret@h", "redis://s3cret:@h", "redis://u:s3cret%@h", "redis://u:s3cret%00@h",
        "redis://u:s3#cret@h", "redis://u:s3cret@[::1", "redis://u:s3cret@h h/0",
        "unix://u:s3cret@relative/path", "unix://", "rediss://u:s3cret@h/99999999999"}) {
    EXPECT_THAT(refusal_of(rest), HasSubstr("expected redis://user:password@host:port/0")) << rest;
    EXPECT_THAT(refusal_of(rest), Not(HasSubstr("s3"))) << rest;
  }
  EXPECT_THAT(refusal_of("unix:///" + std::string(107, 'x')), HasSubstr("at most 107 bytes"));
}

TEST(RedisUrlTest, IsShownWithoutUserAndPassword) {
  EXPECT_EQ(parse_redis_url("rediss://u:s3cret@[::1]:7/2").shown(), "rediss://[::1]:7/2");
  EXPECT_EQ(parse_redis_url("unix://u:s3cret@/run/r.sock").shown(), "unix:///run/r.sock?db=0");
}

}  // namespace
}  // namespace broadcast

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

TEST(RedisUrlTest, ReadsWhatCeleryAndRedisPyAskOfTls) {
  using Verify = RedisUrl::Tls::Verify;
  const auto tls_of = [](const std::string& query) {
    return parse_redis_url("rediss://h?" + query).tls;
  };
  for (const char* none : {"none", "CERT_NONE", "None"}) {
    EXPECT_EQ(tls_of("ssl_cert_reqs=" + std::string(none)).verify, Verify::kNothing);
    EXPECT_EQ(tls_of("ssl_check_hostname=true&ssl_cert_reqs=" + std::string(none)).verify,
              Verify::kNothing);
    EXPECT_EQ(tls_of("ssl_cert_reqs=" + std::string(none) + "&ssl_check_hostname=False").verify,
              Verify::kNothing);
  }
  for (const char* checked : {"required", "optional", "CERT_REQUIRED", "CERT_OPTIONAL"}) {
    EXPECT_EQ(tls_of("ssl_cert_reqs=" + std::string(checked)), RedisUrl::Tls{}) << checked;
  }
  for (const char* no : {"false", "False", "0", "no"}) {
    EXPECT_EQ(tls_of("ssl_check_hostname=" + std::string(no)).verify, Verify::kAuthority) << no;
  }
  EXPECT_EQ(tls_of("ssl_ca_certs=%2Fetc%2Fca.pem&ssl_certfile=/c.pem&ssl_keyfile=/a+k.pem"),
            (RedisUrl::Tls{.ca = "/etc/ca.pem", .certificate = "/c.pem", .key = "/a k.pem"}));
}

TEST(RedisUrlTest, ReadsUserAndPasswordOfTheQuery) {
  EXPECT_EQ(parse_redis_url("unix:///r.sock?username=u&password=p%26w&db=2"),
            (RedisUrl{.transport = Transport::kUnix,
                      .path = "/r.sock",
                      .user = "u",
                      .password = "p&w",
                      .database = 2}));
  EXPECT_EQ(parse_redis_url("redis://:a@h?password=b").password, "a");
}

TEST(RedisUrlTest, TakesTheSlashesThatCelerysExamplesEndIn) {
  EXPECT_EQ(parse_redis_url("redis://h:7//"), (RedisUrl{.host = "h", .port = 7}));
  EXPECT_EQ(parse_redis_url("redis://h//3/").database, 3U);
}

TEST(RedisUrlTest, NamesThePartsThatHaveNoEffect) {
  EXPECT_THAT(unused_parts("redis://h/0?db=1&socket_timeout=5&health_check_interval=30"),
              testing::ElementsAre("socket_timeout", "health_check_interval"));
  EXPECT_THAT(unused_parts("redis://h?ssl_cert_reqs=none"), testing::ElementsAre("ssl_cert_reqs"));
  EXPECT_THAT(unused_parts("rediss://h?ssl_cert_reqs=none&password=x"), testing::IsEmpty());
}

TEST(RedisUrlTest, NamesThePartThatItCannotHave) {
  for (const auto& [query, says] : std::vector<std::pair<std::string, std::string>>{
           {"ssl_ca_path=s3cret", "ssl_ca_path is not supported"},
           {"ssl_password=s3cret", "ssl_password is not supported"},
           {"ssl=s3cret", "ssl is not supported"},
           {"ssl_cert_reqs=s3cret", "ssl_cert_reqs must be none, optional or required"},
           {"ssl_check_hostname=s3cret", "ssl_check_hostname must be true or false"},
           {"ssl_keyfile=s3cret", "ssl_keyfile needs an ssl_certfile"},
           {"ssl_cert_reqs=none&ssl_cert_reqs=required", "ssl_cert_reqs is given twice"},
           {"db=1&timeout=5&db=2", "db is given twice"},
           {"timeout=5&timeout=5", "timeout is given twice"},
           {"s3cret", "name=value&name=value"},
           {"s3!cret=1", "name=value&name=value"},
           {"a=s3cret@h", "name=value&name=value"},
           {"db=s3cret", "the database must be a number"},
           {"password=s3cret%", "a % must be followed by"}}) {
    EXPECT_THAT(refusal_of("rediss://h?" + query), HasSubstr(says)) << query;
    EXPECT_THAT(refusal_of("rediss://h?" + query), Not(HasSubstr("s3"))) << query;
  }
  EXPECT_THAT(refusal_of("redis://a;redis://b"), HasSubstr("not several"));
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

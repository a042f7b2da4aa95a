#include "host/ingest/redis_connection.hpp"

#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/ingest/fake_redis.hpp"

namespace broadcast {
namespace {

using test::FakeRedis;
using test::RedisPlay;

struct Idle final : RedisConnection::User {
  void on_ready() override {}
  void on_reply(const redisReply&) override {}
  void on_down() override {}
};

TEST(RedisConnectionTest, IsReadyAlsoWhereSetNameAndPingAreNotAllowed) {
  for (const char* refusal : {"-NOPERM this user has no permissions to run it\r\n",
                              "-ERR unknown subcommand 'SETNAME'\r\n"}) {
    RedisPlay play;
    play.redis.answer = [&](const FakeRedis::Command& command) -> std::optional<std::string> {
      const bool is_refused = command[0] == "CLIENT" || refusal[1] == 'N';
      return is_refused ? std::optional<std::string>(refusal) : std::nullopt;
    };
    Idle user;
    RedisConnection connection(play.parts(), user);
    connection.start();
    EXPECT_TRUE(play.run_until([&] { return connection.is_ready(); })) << refusal;
  }
}

TEST(RedisConnectionTest, AnErrorThatRepeatsThePasswordIsCutShort) {
  const test::CapturedLog log;
  RedisPlay play;
  play.url.password = "s3cret";
  play.redis.answer = [](const FakeRedis::Command& command) -> std::optional<std::string> {
    if (command[0] != "AUTH") return std::nullopt;
    return "-ERR unknown command 'AUTH', with args beginning with: '" + command[1] + "' \r\n";
  };
  Idle user;
  RedisConnection connection(play.parts(), user);
  connection.start();
  ASSERT_TRUE(play.run_until([&] { return !connection.down_words().empty(); }));
  EXPECT_EQ(connection.down_words(), "Redis refuses the connection");
  EXPECT_THAT(log.text(), testing::HasSubstr("refuses the connection: AUTH: ERR;"));
  EXPECT_THAT(log.text(), testing::Not(testing::HasSubstr("s3cret")));
}

TEST(RedisConnectionTest, AGreetingThatDripsIsGivenUp) {
  RedisPlay play;
  bool is_greeted = false;
  play.redis.answer = [&](const FakeRedis::Command&) { return is_greeted = true, "+"; };
  Idle user;
  RedisConnection connection(play.parts(), user);
  connection.start();
  ASSERT_TRUE(play.run_until([&] { return is_greeted; }));
  boost::asio::steady_timer drip(play.io);
  std::function<void()> go_on = [&] {
    drip.expires_after(std::chrono::milliseconds(100));
    drip.async_wait([&](boost::system::error_code error) {
      if (error) return;
      play.redis.say("O");
      go_on();
    });
  };
  go_on();
  EXPECT_TRUE(play.run_until([&] { return !connection.down_words().empty(); }));
  EXPECT_EQ(connection.down_words(), "Redis does not answer");
}

}  // namespace
}  // namespace broadcast

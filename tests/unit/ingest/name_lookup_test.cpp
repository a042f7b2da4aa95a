#include "host/ingest/name_lookup.hpp"

#include <gtest/gtest.h>

#include "tests/unit/ingest/fake_redis.hpp"

namespace broadcast {
namespace {

TEST(NameLookupTest, FindsThisMachine) {
  test::RedisPlay play;
  std::vector<boost::asio::ip::tcp::endpoint> addresses;
  const NameLookup lookup(play.io, "localhost", 7,
                          [&](boost::system::error_code error, auto found) {
                            EXPECT_FALSE(error);
                            addresses = std::move(found);
                          });
  ASSERT_TRUE(play.run_until([&] { return !addresses.empty(); }));
  EXPECT_TRUE(addresses[0].address().is_loopback());
  EXPECT_EQ(addresses[0].port(), 7);
}

TEST(NameLookupTest, SaysThatThereIsNoSuchName) {
  test::RedisPlay play;
  boost::system::error_code known;
  const NameLookup lookup(play.io, "no such name", 7,
                          [&](boost::system::error_code error, auto) { known = error; });
  ASSERT_TRUE(play.run_until([&] { return static_cast<bool>(known); }));
}

TEST(NameLookupTest, OnceItIsCancelledNothingWaitsForIt) {
  for (int i = 0; i < 20; ++i) {
    const auto kept = std::make_shared<int>();
    boost::asio::io_context io;
    NameLookup lookup(io, "localhost", 7, [kept](boost::system::error_code, const auto&) {
      ADD_FAILURE() << "called";
    });
    lookup.cancel();
    EXPECT_EQ(kept.use_count(), 1);
    io.run();
  }
}

}  // namespace
}  // namespace broadcast

#include "host/net/socket_set.hpp"

#include <array>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace broadcast {
namespace {

/// Two ends of a connection.
struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0); }
  ~Pair() {
    for (const int end : ends) ::close(end);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  std::array<int, 2> ends{};
};

struct SocketSetTest : ::testing::Test {
  /// A name, and nothing else: the set does not look into it.
  Connection& connection() { return reinterpret_cast<Connection&>(place); }

  boost::asio::io_context io;
  SocketSet set{io};
  Pair pair;
  char place = 0;
};

TEST_F(SocketSetTest, NamesAConnectionThatCanBeRead) {
  set.add(pair.ends[0], connection());
  EXPECT_TRUE(set.ready().empty());
  ASSERT_EQ(::write(pair.ends[1], "x", 1), 1);
  const auto ready = set.ready();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0].connection, &connection());
  EXPECT_TRUE(ready[0].to_read);
}

TEST_F(SocketSetTest, NamesOneThatWasRemovedNoMoreThoughItsSocketIsStillHeldOpen) {
  const int closed = ::dup(pair.ends[0]);
  set.add(closed, connection());
  set.remove(closed);
  ::close(closed);  // pair.ends[0] holds it open, as a write under way in the ring does
  ASSERT_EQ(::write(pair.ends[1], "x", 1), 1);
  EXPECT_TRUE(set.ready().empty());
}

TEST_F(SocketSetTest, RemovingWhatWasNotAddedIsNoError) {
  set.remove(pair.ends[0]);
  EXPECT_TRUE(set.ready().empty());
}

}  // namespace
}  // namespace broadcast

#include "host/net/door_log.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/unit/base/captured_log.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

MonoTime after(std::chrono::nanoseconds since) { return MonoTime{} + 1h + since; }

class DoorLogTest : public testing::Test {
 protected:
  void refuse(Counter reason, std::chrono::nanoseconds at, std::string_view why = "403 no") {
    doors.refused(
        reason, [&] { return ++asked, text_of(peer) + ": " + std::string(why); }, after(at));
  }

  static constexpr auto nobody = [] { return std::string(); };
  int asked = 0;  // for a text
  test::CapturedLog log;
  DoorLog doors;
  const tcp::endpoint peer{boost::asio::ip::make_address("10.0.0.7"), 4711};
};

TEST_F(DoorLogTest, TellsTheFirstOfEachReasonAndCountsTheOthers) {
  for (int i = 0; i < 38; ++i) refuse(Counter::kHandshakeOrigin, 1s);
  refuse(Counter::kHandshakePath, 2s, "404 no");
  EXPECT_EQ(log.text(),
            "warning handshake refused (origin): 10.0.0.7:4711: 403 no\n"
            "info handshake refused (path): 10.0.0.7:4711: 404 no\n");
  EXPECT_EQ(asked, 2) << "texts that nobody reads are not made";
  refuse(Counter::kHandshakeOrigin, 62s);
  EXPECT_EQ(log.count_of(": 403 no; and 37 more since the last line\n"), 1) << log.text();
}

TEST_F(DoorLogTest, TellsTheEndOfABurst) {
  for (int i = 0; i < 3; ++i) {
    refuse(Counter::kHandshakeFull, 0s);
    refuse(Counter::kHandshakePath, 0s);
    doors.cannot_accept("Too many open files", after(0s));
  }
  doors.on_tick(after(59s));
  EXPECT_EQ(log.count_of("since"), 0);
  doors.on_tick(after(60s));
  doors.on_tick(after(130s));
  EXPECT_EQ(log.count_of("warning handshake refused (full): 2 more since the last line\n"), 1);
  EXPECT_EQ(log.count_of("info handshake refused (path): 2 more since the last line\n"), 1);
  EXPECT_EQ(log.count_of("error server.listen: cannot accept: 2 more since the last line\n"), 1);
  EXPECT_EQ(log.count_of("since"), 3);
}

TEST_F(DoorLogTest, QuotesClientsOnOneLine) {
  refuse(Counter::kHandshakeOrigin, 0s, "403 no, Origin: x\nerror forged\x1b[31m \xff");
  EXPECT_EQ(log.text(),
            "warning handshake refused (origin): 10.0.0.7:4711: 403 no, Origin: x error forged "
            "[31m ?\n");
}

TEST_F(DoorLogTest, IsSilentAboutThoseWhoLeaveByThemselves) {
  refuse(Counter::kHandshakeGone, 0s);
  doors.closing({1000, "", Counter::kClosedNormal}, nobody, after(0s));
  doors.closing(kCloseShutdown, nobody, after(0s));
  EXPECT_EQ(log.text(), "");
}

TEST_F(DoorLogTest, TellsWhoIsClosedAndWhy) {
  doors.closing(kCloseSlow, nobody, after(0s));
  doors.closing({4408, "no sign\nof life", Counter::kClosedHeartbeat}, nobody, after(0s));
  EXPECT_EQ(log.text(),
            "info connection closed (slow): gone: 4413 reader too slow\n"
            "info connection closed (heartbeat): gone: 4408 no sign of life\n");
  doors.closing(
      {1011, "", Counter::kClosedInternal}, [] { return std::string("192.0.2.1:0"); }, after(0s));
  EXPECT_EQ(log.count_of("warning connection closed (internal): 192.0.2.1:0: 1011 "), 1);
}

TEST_F(DoorLogTest, SaysOnceAMinuteThatThereAreNoDescriptors) {
  for (int i = 0; i < 240; ++i) {  // a minute of one shard's ticks, and of another's
    doors.cannot_accept("Too many open files", after(i * 250ms));
  }
  EXPECT_EQ(log.count_of("error server.listen: cannot accept: Too many open files."), 1);
  doors.cannot_accept("Too many open files", after(60s));
  EXPECT_EQ(log.count_of("; and 239 more since the last line\n"), 1) << log.text();
}

}  // namespace
}  // namespace broadcast

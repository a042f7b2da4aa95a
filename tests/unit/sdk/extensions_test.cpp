#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/broadcaster.hpp>
#include <broadcast/testing.hpp>

#include "logged_lines.hpp"

namespace broadcast {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// Uses every service a host may offer, and says what it got.
class Curious : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_start() override {
    counter_ = define_metric(MetricKind::kCounter, "polls", "Polls of the source");
    gauge_ = define_metric(MetricKind::kGauge, "lag", "Seconds behind");
    for (const double value : {3.0, 4.0}) {
      counter_.record(value);
      gauge_.record(value);
    }
    const bool sent = clients().try_send_all(R"({"type":"hello"})");
    const bool closed = clients().try_close_idle(seconds(9), 4408, "idle");
    say("clients", clients() ? 1 : 0);
    say("count", clients().count());
    say("sent", sent ? 1 : 0);
    say("closed", closed ? 1 : 0);
    say("beats", keep_heartbeat(seconds(3), seconds(9)) ? 1 : 0);
    say("dropped", drop_cache("x:*") ? 1 : 0);
    say("subscribers", subscribers("t:a").value_or(-1));
    say("metrics", counter_ && gauge_ ? 1 : 0);
  }

 private:
  void say(const std::string& what, std::int64_t value) {
    log(LogLevel::kInfo, what + "=" + std::to_string(value));
  }
  Metric counter_;
  Metric gauge_;
};

constexpr bc_entry kCurious = {BC_MAGIC,
                               sizeof(bc_entry),
                               BC_ABI_MAJOR,
                               0,
                               R"({"name":"curious","version":"1.0.0","abi":[1,0]})",
                               &PluginGlue::create<Curious>,
                               &PluginGlue::handle,
                               &PluginGlue::destroy};

TEST(ExtensionsTest, AreUsedWhereTheHostOffersThem) {
  FakeHost host(kCurious, "{}", {.clients = 7});
  host.subscribe("t:a");
  ASSERT_EQ(host.start(), BC_OK);
  EXPECT_THAT(lines_of(host), ElementsAre("clients=1", "count=7", "sent=1", "closed=1", "beats=1",
                                          "dropped=1", "subscribers=1", "metrics=1"));
  EXPECT_THAT(host.metrics(), UnorderedElementsAre(Pair("polls", 7.0), Pair("lag", 4.0)));
  EXPECT_THAT(host.sent_to_all(), ElementsAre(R"({"type":"hello"})"));
  EXPECT_EQ(host.closed_idle().front().reason, "idle");
  EXPECT_EQ(host.heartbeats().front().timeout, seconds(9));
}

TEST(ExtensionsTest, AreEmptyAndHarmlessWhereItDoesNot) {
  FakeHost host(
      kCurious, "{}",
      {.denied = {BC_EXT_CLIENTS, BC_EXT_HEARTBEAT, BC_EXT_METRICS, BC_EXT_CACHE, BC_EXT_DEMAND}});
  ASSERT_EQ(host.start(), BC_OK);
  EXPECT_THAT(lines_of(host), ElementsAre("clients=0", "count=0", "sent=0", "closed=0", "beats=0",
                                          "dropped=0", "subscribers=-1", "metrics=0"));
  EXPECT_THAT(host.metrics(), IsEmpty());
  EXPECT_THAT(host.sent_to_all(), IsEmpty());
}

}  // namespace
}  // namespace broadcast

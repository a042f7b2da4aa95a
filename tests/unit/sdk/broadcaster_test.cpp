#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/broadcaster.hpp>
#include <broadcast/testing.hpp>

namespace broadcast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Does what a message tells it.
class Scripted : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    if (json == "\"bad\"") throw Error(BC_E_INVALID, "a bad config");
  }
  void on_start() override {
    every(seconds(1), [this] { publish("t:tick", R"({"type":"tick"})"); });
  }
  void on_stop(std::chrono::nanoseconds) override { log(LogLevel::kInfo, "stopped"); }
  void on_demand(std::string_view topic, std::int64_t subscribers, bool replay) override {
    log(LogLevel::kInfo,
        std::string(topic) + "=" + std::to_string(subscribers) + (replay ? " again" : ""));
  }
  void on_message(const Message& message) override {
    const std::string_view what = message.payload;
    if (what == "refuse") throw Refused("signals[0].ticker: missing");
    if (what == "busy") throw Busy("later");
    if (what == "restart") throw RestartRequired("new instance, please");
    if (what == "throw") throw std::runtime_error("no such table");
    if (what == "throw 7") throw 7;
    if (what == "foreign") publish("u:other", R"({"type":"x"})");
    if (what == "not an object") publish("t:tick", "[]");
    if (what == "once") after(milliseconds(10), [this] { publish("t:once", R"({"type":"o"})"); });
    if (what == "cancel") cancel(after(milliseconds(10), [this] { publish("t:no", "{}"); }));
    if (what == "thread") post_from_a_thread();
    if (what == "cancel itself") cancel_itself();
    if (what == "nothing to run") static_cast<void>(post({}));
    if (what == "no timer to run") after(seconds(1), {});
    if (what == "foreign cancel") {
      std::thread([this] { EXPECT_THROW(cancel(1), Error); }).join();
    }
    if (what == "report") report(Health::kDegraded, "serving db");
  }

 private:
  void post_from_a_thread() {
    std::thread([this] {
      EXPECT_TRUE(post([this] { publish("t:posted", R"({"type":"p"})"); }));
    }).join();
  }
  void cancel_itself() {
    id_ = every(milliseconds(10), [this] {
      cancel(id_);
      publish("t:self", R"({"type":"s"})");
    });
  }
  TimerId id_ = 0;
};

}  // namespace
}  // namespace broadcast

BROADCAST_PLUGIN(
    broadcast::Scripted, "scripted", "1.0.0",
    R"("demand":true,"config":{},"topics":[{"pattern":"t:{x}","match":"[a-z]+","delivery":"all"}])")

namespace broadcast {
namespace {

struct BroadcasterTest : ::testing::Test {
  FakeHost host{bc_plugin_entry, "{}"};
  BroadcasterTest() { host.start(); }
};

TEST_F(BroadcasterTest, TimersRunOnVirtualTime) {
  host.advance(std::chrono::hours(1));
  EXPECT_EQ(host.published("t:tick").size(), 3600U);
  EXPECT_EQ(host.published("t:tick").back().at, seconds(3600));
  EXPECT_THAT(host.misuse(), IsEmpty());
}

TEST_F(BroadcasterTest, AfterFiresOnceAndCancelNever) {
  host.message("t:tick", "once");
  host.message("t:tick", "cancel");
  host.message("t:tick", "cancel itself");
  host.advance(milliseconds(500));
  EXPECT_EQ(host.published("t:once").size(), 1U);
  EXPECT_EQ(host.published("t:no").size(), 0U);
  EXPECT_EQ(host.published("t:self").size(), 1U);
}

TEST_F(BroadcasterTest, ATimerIsNotCancelledByAnotherThread) {
  host.message("t:tick", "foreign cancel");
  host.advance(seconds(1));
  EXPECT_EQ(host.published("t:tick").size(), 1U);
}

TEST_F(BroadcasterTest, WhatRunsNothingIsRefusedAtOnce) {
  EXPECT_EQ(host.message("t:tick", "nothing to run").text, "post() needs something to run");
  EXPECT_EQ(host.message("t:tick", "no timer to run").text, "a timer needs something to run");
}

TEST_F(BroadcasterTest, ExceptionsBecomeStatusAndText) {
  struct Row {
    const char* message;
    bc_status status;
    const char* text;
  };
  for (const Row& row :
       {Row{"refuse", BC_E_INVALID, "signals[0].ticker: missing"}, Row{"busy", BC_E_BUSY, "later"},
        Row{"restart", BC_E_RESTART, "new instance, please"},
        Row{"throw", BC_E_EXCEPTION, "no such table"},
        Row{"throw 7", BC_E_EXCEPTION, "unknown exception"}}) {
    const auto answer = host.message("t:tick", row.message);
    EXPECT_EQ(answer.status, row.status) << row.message;
    EXPECT_EQ(answer.text, row.text) << row.message;
  }
}

TEST_F(BroadcasterTest, PublishingWhatIsNotAllowedIsAnErrorOfTheMessageNotOfTheInstance) {
  EXPECT_EQ(host.message("t:tick", "foreign").status, BC_E_DENIED);
  EXPECT_EQ(host.message("t:tick", "not an object").status, BC_E_INVALID);
  EXPECT_EQ(host.misuse().size(), 2U);
}

TEST_F(BroadcasterTest, PostsFromAnyThreadRunOnThePluginsThread) {
  host.message("t:tick", "thread");
  EXPECT_EQ(host.published("t:posted").size(), 1U);
}

TEST_F(BroadcasterTest, DemandIsToldForFirstAndLastSubscriberAndAgainAfterAStart) {
  host.subscribe("t:a");
  host.subscribe("t:a");
  host.unsubscribe("t:a");
  host.unsubscribe("t:a");
  std::vector<std::string> lines;
  for (const auto& line : host.logs()) lines.push_back(line.text);
  EXPECT_THAT(lines, ElementsAre("t:a=1", "t:a=0"));

  FakeHost late(bc_plugin_entry, "{}");
  late.subscribe("t:b");
  late.start();
  EXPECT_EQ(late.logs().front().text, "t:b=1 again");
}

TEST_F(BroadcasterTest, ReportsNothingWhereTheHostDoesNotOfferIt) {
  host.message("t:tick", "report");
  ASSERT_EQ(host.reports().size(), 1U);
  EXPECT_EQ(host.reports().front().detail, "serving db");

  FakeHost poor(bc_plugin_entry, "{}", {.denied = {BC_EXT_STATUS}});
  poor.start();
  EXPECT_EQ(poor.message("t:tick", "report").status, BC_OK);
  EXPECT_THAT(poor.reports(), IsEmpty());
}

TEST_F(BroadcasterTest, StopsOnce) {
  host.stop();
  host.stop();
  EXPECT_EQ(host.logs().size(), 1U);
  EXPECT_EQ(host.logs().front().text, "stopped");
}

TEST(BroadcasterConfigTest, ABadConfigSaysWhy) {
  try {
    FakeHost host(bc_plugin_entry, "\"bad\"");
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "CONFIG failed (-1): a bad config");
  }
}

TEST(BroadcasterEventTest, AGrownEventIsReadByTheSizeRule) {
  struct Grown {
    bc_event event;
    std::uint64_t newer;
  } grown{};
  grown.event.size = sizeof grown;
  grown.event.kind = BC_EV_MESSAGE;
  bc_event read{};
  EXPECT_TRUE(read_sized(&grown.event, read));
  EXPECT_EQ(read.kind, BC_EV_MESSAGE);
  grown.newer = 1;
  EXPECT_FALSE(read_sized(&grown.event, read)) << "a value that it does not know";

  bc_event old{};
  old.size = offsetof(bc_event, source);
  old.kind = BC_EV_STOP;
  old.ptr = &old;
  EXPECT_TRUE(read_sized(&old, read));
  EXPECT_EQ(read.ptr, nullptr) << "beyond the caller's size";
}

}  // namespace
}  // namespace broadcast

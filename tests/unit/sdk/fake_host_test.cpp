#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/broadcaster.hpp>
#include <broadcast/testing.hpp>

namespace broadcast {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kGood = R"({"type":"x"})";

/// Publishes what it is told to; what its config says goes wrong, goes wrong.
class Careless : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    config_ = nlohmann::json::parse(json);
    if (config_.at("when") == "config") publish("t:a", kGood);
  }
  void on_start() override {
    if (config_.at("when") == "start") throw std::runtime_error("no such table");
    every(seconds(10), [this] { publish("t:tick", kGood); });
  }
  void on_stop(std::chrono::nanoseconds) override {
    log(LogLevel::kInfo, post([] {}) ? "posted while stopping" : "stopped");
  }
  void on_message(const Message& message) override {
    const std::string payload(message.payload);
    if (payload == "period") every(seconds(0), [] {});
    if (payload == "delay") after(seconds(-5), [this] { publish("t:late", kGood); });
    if (payload == "config") return log(LogLevel::kInfo, config_.dump());
    if (payload == "post") return static_cast<void>(post([this] { publish("t:post", kGood); }));
    if (payload == "many timers") {
      for (int i = 0; i < 4096; ++i) after(seconds(1), [] {});  // beside the one of on_start()
    }
    if (payload == "many posts") {
      for (int i = 0; i <= 4096; ++i) {
        if (!post([] {})) throw Busy("full");
      }
    }
    if (payload == "threads") return publish_from_threads();
    if (payload == "foreign timer") {
      return std::thread([this] { EXPECT_THROW(after(seconds(1), [] {}), Error); }).join();
    }
    if (payload.starts_with('{')) publish(message.topic, payload);
  }

 private:
  void publish_from_threads() {
    std::thread first([this] { publish_often(); });
    std::thread second([this] { publish_often(); });
    first.join();
    second.join();
  }
  void publish_often() {
    for (int i = 0; i < 100; ++i) publish("t:a", kGood);
  }
  nlohmann::json config_;
};

constexpr bc_entry kCareless = {BC_MAGIC,
                                sizeof(bc_entry),
                                BC_ABI_MAJOR,
                                0,
                                R"({"name":"careless","version":"1.0.0","abi":[1,0],
        "topics":[{"pattern":"t:{x}","match":"[a-z]+","delivery":"all"}],
        "config":{"type":"object","properties":{"when":{"type":"string","default":"never"},
          "deep":{"type":"array","default":[{}],"items":{"type":"object",
            "properties":{"seed":{"type":"integer","default":7}}}}}}})",
                                &PluginGlue::create<Careless>,
                                &PluginGlue::handle,
                                &PluginGlue::destroy};

struct FakeHostTest : ::testing::Test {
  FakeHost host{kCareless, "{}"};
  FakeHostTest() { host.start(); }
};

TEST_F(FakeHostTest, FillsInTheDefaultsOfTheManifestAtEveryDepth) {
  host.message("t:a", "config");
  EXPECT_EQ(host.logs().front().text, R"({"deep":[{"seed":7}],"when":"never"})");
}

TEST_F(FakeHostTest, ALatePeriodFiresOnceAndKeepsItsBeat) {
  host.pass(seconds(35));
  host.advance(seconds(0));
  EXPECT_EQ(host.published("t:tick").size(), 1U);
  host.advance(seconds(5));
  ASSERT_EQ(host.published("t:tick").size(), 2U);
  EXPECT_EQ(host.published("t:tick").back().at, seconds(40));
}

TEST_F(FakeHostTest, TimersTakeNoPeriodOfZeroAndADelayBelowZeroAsNow) {
  EXPECT_EQ(host.message("t:a", "period").text, "every() needs a period above 0");
  host.message("t:a", "delay");
  host.advance(seconds(0));
  EXPECT_EQ(host.published("t:late").size(), 1U);
}

TEST_F(FakeHostTest, NotesEveryMisuseInWords) {
  const std::string large = R"({"type":"x","text":")" + std::string(256 * 1024, 'a') + "\"}";
  host.message("u:other", std::string(kGood));
  host.message("t:9", std::string(kGood));
  host.message("t:a", R"({"type":"x","seq":1})");
  host.message("t:a", R"({"type":"x","topic":"t:a"})");
  host.message("t:a", R"({"no":"type"})");
  host.message("t:a", R"({"type":"x")");
  host.message("t:a", large);
  host.message("t:a", "foreign timer");
  EXPECT_THAT(
      host.misuse(),
      ElementsAre(HasSubstr("does not own: u:other"), HasSubstr("does not own: t:9"),
                  HasSubstr("without `topic` and `seq`"), HasSubstr("{\"type\":\"x\",\"topic\""),
                  HasSubstr("{\"no\":\"type\"}"), HasSubstr("not a JSON object"),
                  HasSubstr("larger than 262144 bytes: on t:a"), HasSubstr("foreign thread")));
  EXPECT_THAT(host.published(), IsEmpty());
}

TEST_F(FakeHostTest, PublishesFromSeveralThreadsAllCount) {
  host.message("t:a", "threads");
  EXPECT_EQ(host.published("t:a").size(), 200U);
}

TEST_F(FakeHostTest, WhatWasPostedRunsBeforeStopAndNothingIsTakenAfter) {
  host.message("t:a", "post");
  host.stop();
  EXPECT_EQ(host.published("t:post").size(), 1U);
  ASSERT_EQ(host.logs().size(), 1U);
  EXPECT_EQ(host.logs().front().text, "stopped");
}

TEST_F(FakeHostTest, NothingHappensToABroadcasterThatWasStopped) {
  host.stop();
  EXPECT_THROW(host.message("t:a", "{}"), std::logic_error);
  EXPECT_THROW(host.advance(seconds(60)), std::logic_error);
  EXPECT_THROW(host.unsubscribe("t:a"), std::logic_error);
}

TEST_F(FakeHostTest, DoesNotStartTwiceNorGoBackInTime) {
  EXPECT_THROW(host.start(), std::logic_error);
  EXPECT_THROW(host.advance(seconds(-1)), std::logic_error);
  EXPECT_THROW(host.pass(seconds(-1)), std::logic_error);
}

TEST_F(FakeHostTest, NobodyLeavesATopicThatNobodyHas) {
  EXPECT_THROW(host.unsubscribe("t:a"), std::logic_error);
  host.subscribe("t:a");
  host.unsubscribe("t:a");
}

TEST_F(FakeHostTest, HoldsAsManyTimersAndPostsAsAHost) {
  EXPECT_EQ(host.message("t:a", "many timers").text, "the host refused a timer");
  EXPECT_EQ(host.message("t:a", "many posts").status, BC_E_BUSY);
}

TEST(FakeHostStartTest, AStartThatFailedIsNotStopped) {
  FakeHost host(kCareless, R"({"when":"start"})");
  EXPECT_EQ(host.start(), BC_E_EXCEPTION);
  EXPECT_EQ(host.errors().front().text, "no such table");
  host.stop();
  EXPECT_THAT(host.logs(), IsEmpty());
}

TEST(FakeHostStartTest, PublishingBeforeStartIsRefused) {
  EXPECT_THROW(FakeHost(kCareless, R"({"when":"config"})"), std::runtime_error);
}

TEST(FakeHostStartTest, RefusesAnEntryOfAnotherAbi) {
  bc_entry entry = kCareless;
  entry.abi_major = 2;
  EXPECT_THROW(FakeHost(entry, "{}"), std::runtime_error);
}

TEST(FakeHostPublishTest, RefusesAFieldThatItDoesNotKnow) {
  struct Grown {
    bc_publish call;
    std::uint64_t newer;
  };
  static constexpr auto handle = [](void* self, const bc_event* event) -> bc_status {
    if (event->kind != BC_EV_MESSAGE) return BC_OK;
    Grown grown{};
    grown.call = {.size = sizeof grown, .topic = event->topic, .payload = borrow(kGood)};
    grown.newer = event->data.len;
    const auto* host = static_cast<const bc_host*>(self);
    return host->publish(host, &grown.call);
  };
  static constexpr bc_entry kGrown = {
      BC_MAGIC,
      sizeof(bc_entry),
      BC_ABI_MAJOR,
      0,
      kCareless.manifest,
      [](const bc_host* host, const char*, void** self) -> bc_status {
        *self = const_cast<bc_host*>(host);
        return BC_OK;
      },
      handle,
      [](void*) {}};
  FakeHost host(kGrown, "{}");
  host.start();
  EXPECT_EQ(host.message("t:a", "").status, BC_OK);
  EXPECT_EQ(host.message("t:a", "a new field").status, BC_E_UNSUPPORTED);
}

}  // namespace
}  // namespace broadcast

// What a broadcaster keeps from one generation to the next, under a FakeHost.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/broadcaster.hpp>
#include <broadcast/testing.hpp>

#include "logged_lines.hpp"

namespace broadcast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Counts the messages that it took in all its lives.
class Counting : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    if (json.find("early") != std::string_view::npos) keep_state("early");
    fails_ = json.find("fail") != std::string_view::npos;
  }
  void on_start() override {
    const std::string kept = kept_state();
    if (!kept.empty()) count_ = std::stoi(kept);
    log(LogLevel::kInfo, "begins at " + std::to_string(count_));
    if (!fails_) return;
    keep_state("77");
    if (kept_state() == "77") throw std::runtime_error("no such table");
  }
  void on_message(const Message& message) override {
    if (message.payload == "large") keep_state(std::string(BC_STATE_BYTES + 1, 'x'));
    if (message.payload == "forget") keep_state("");
    ++count_;
    if (!keep_state(std::to_string(count_))) log(LogLevel::kInfo, "not kept");
  }
  void on_stop(std::chrono::nanoseconds) override {
    if (!keep_state("0")) log(LogLevel::kInfo, "too late");
  }

 private:
  int count_ = 0;
  bool fails_ = false;
};

std::string counting_manifest(const char* exclusive) {
  return R"({"name":"counting","version":"1.0.0","abi":[1,0],"exclusive":)" +
         std::string(exclusive) + R"(,"config":{"type":"object","additionalProperties":true}})";
}
bc_entry counting_entry(const std::string& manifest) {
  return {BC_MAGIC,
          sizeof(bc_entry),
          BC_ABI_MAJOR,
          0,
          manifest.c_str(),
          &PluginGlue::create<Counting>,
          &PluginGlue::handle,
          &PluginGlue::destroy};
}
const std::string kCountingManifest = counting_manifest("false");
const std::string kCountingAloneManifest = counting_manifest("true");
const bc_entry kCounting = counting_entry(kCountingManifest);
const bc_entry kCountingAlone = counting_entry(kCountingAloneManifest);

TEST(KeptStateTest, SurvivesAReplacementAndTheOldOneIsTooLateInOnStop) {
  FakeHost host(kCounting, "{}");
  host.start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(host.message("t:a", "x").status, BC_OK);
  EXPECT_EQ(host.replace("{}"), BC_OK);
  EXPECT_THAT(lines_of(host), ElementsAre("begins at 0", "begins at 3", "too late"));
  EXPECT_EQ(host.kept_state(), "3");
  EXPECT_THAT(host.misuse(), IsEmpty());
}

TEST(KeptStateTest, AnExclusiveOneMayKeepInOnStop) {
  FakeHost host(kCountingAlone, "{}");
  host.start();
  EXPECT_EQ(host.message("t:a", "x").status, BC_OK);
  EXPECT_EQ(host.replace("{}"), BC_OK);
  EXPECT_THAT(lines_of(host), ElementsAre("begins at 0", "begins at 0"));
  EXPECT_THAT(host.misuse(), IsEmpty());
}

TEST(KeptStateTest, OfAnOnStartThatFailsNothingIsKept) {
  FakeHost host(kCounting, "{}", {.state = "7"});
  host.start();
  EXPECT_EQ(host.replace(R"({"fail":true})"), BC_E_EXCEPTION);
  EXPECT_EQ(host.errors().back().text, "no such table") << "it has read its own";
  EXPECT_EQ(host.message("t:a", "x").status, BC_OK);
  EXPECT_EQ(host.kept_state(), "8");
}

TEST(KeptStateTest, SurvivesARestartOfTheHost) {
  FakeHost host(kCounting, "{}", {.state = "41"});
  host.start();
  EXPECT_EQ(host.message("t:a", "x").status, BC_OK);
  EXPECT_EQ(host.kept_state(), "42");
}

TEST(KeptStateTest, OneThatIsTooLargeIsRefusedAndWhatWasKeptStays) {
  FakeHost host(kCounting, "{}", {.state = "7"});
  host.start();
  const auto answer = host.message("t:a", "large");
  EXPECT_EQ(answer.status, BC_E_INVALID);
  EXPECT_EQ(answer.text, "a state of 1048577 bytes refused by the host: too large, or not started");
  EXPECT_EQ(host.kept_state(), "7");
  EXPECT_THAT(host.misuse(), ElementsAre("a state of 1048577 bytes, more than a host keeps"));
}

TEST(KeptStateTest, IsNoneBeforeOnStart) {
  EXPECT_THROW(FakeHost(kCounting, R"({"early":true})"), std::runtime_error);
}

TEST(KeptStateTest, IsEmptyAndHarmlessWhereTheHostDoesNotOfferIt) {
  FakeHost host(kCounting, "{}", {.denied = {BC_EXT_STATE}, .state = "7"});
  host.start();
  EXPECT_EQ(host.message("t:a", "x").status, BC_OK);
  EXPECT_THAT(lines_of(host), ElementsAre("begins at 0", "not kept"));
}

}  // namespace
}  // namespace broadcast

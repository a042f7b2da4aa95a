#include <chrono>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace {

using broadcast::FakeHost;

class RatesTest : public testing::Test {
 protected:
  RatesTest() {
    std::filesystem::create_directories(directory);
    write("USDKRW", "1383.5");
    write("EURKRW", "1502");
    host.start();
  }
  ~RatesTest() override {
    EXPECT_TRUE(host.misuse().empty());
    std::filesystem::remove_all(directory);
  }

  void write(const std::string& pair, const std::string& rate) const {
    std::ofstream(directory / pair) << rate;
  }

  const std::filesystem::path directory =
      testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name();
  FakeHost host{BROADCAST_PLUGIN_PATH, nlohmann::json{{"directory", directory.string()}}.dump()};
};

TEST_F(RatesTest, PollsOnlyWhatSomebodySubscribesTo) {
  host.advance(std::chrono::seconds(10));
  EXPECT_EQ(host.metrics().count("reads"), 0U);
  host.subscribe("rate:USDKRW");
  EXPECT_EQ(host.last("rate:USDKRW")["data"]["rate"], 1383.5);
  host.advance(std::chrono::hours(1));
  EXPECT_EQ(host.published("rate:USDKRW").size(), 3601U);
  EXPECT_EQ(host.published().size(), 3601U);
  host.unsubscribe("rate:USDKRW");
  host.advance(std::chrono::hours(1));
  EXPECT_EQ(host.metrics().at("reads"), 3601);
}

TEST_F(RatesTest, ASuccessorPollsWhatWasWanted) {
  host.subscribe("rate:EURKRW");
  EXPECT_EQ(host.replace(nlohmann::json{{"directory", directory.string()}}.dump()), BC_OK);
  EXPECT_EQ(host.published("rate:EURKRW").size(), 2U);
}

TEST_F(RatesTest, GoesOnIfItsSuccessorDoesNotStart) {
  host.subscribe("rate:EURKRW");
  host.revoke();
  host.advance(std::chrono::seconds(10));
  EXPECT_EQ(host.published().size(), 1U);
  host.restore();
  host.advance(std::chrono::seconds(1));
  EXPECT_EQ(host.published().size(), 2U);
}

TEST_F(RatesTest, ASuccessorKnowsHowHighItWas) {
  host.subscribe("rate:EURKRW");
  write("EURKRW", "1490");
  EXPECT_EQ(host.replace(nlohmann::json{{"directory", directory.string()}}.dump()), BC_OK);
  EXPECT_EQ(host.last("rate:EURKRW")["data"]["rate"], 1490);
  EXPECT_EQ(host.last("rate:EURKRW")["data"]["high"], 1502);
}

TEST_F(RatesTest, APairThatCannotBeReadIsStaleUntilItCan) {
  host.subscribe("rate:GBPKRW");
  EXPECT_EQ(host.reports().back().state, BC_STATUS_STALE);
  EXPECT_EQ(host.reports().back().detail, "cannot read rate:GBPKRW");
  write("GBPKRW", "1810");
  host.advance(std::chrono::seconds(1));
  EXPECT_EQ(host.reports().back().state, BC_STATUS_OK);
  EXPECT_EQ(host.last("rate:GBPKRW")["data"]["rate"], 1810);
}

}  // namespace

#include "plugins/price/ticker_demand.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

std::string ticker(std::size_t number) { return std::to_string(100'000 + number); }

struct TickerDemandTest : ::testing::Test {
  TickerDemand demand;
  TickerDemandTest() { demand.configure({"005930"}); }
  void fill() {
    for (std::size_t i = 0; i < TickerDemand::kMost; ++i) {
      ASSERT_EQ(demand.on_demand(ticker(i), true).wanted, ticker(i));
    }
  }
};

TEST_F(TickerDemandTest, ATickerIsWantedWhileItIsSubscribedTo) {
  EXPECT_EQ(demand.on_demand("000660", true).wanted, "000660");
  EXPECT_EQ(demand.on_demand("000660", true).wanted, "") << "told again";
  EXPECT_EQ(demand.on_demand("000660", false).given_up, "000660");
  EXPECT_EQ(demand.on_demand("000660", false).given_up, "");
}

TEST_F(TickerDemandTest, AConfiguredOneIsWantedAnyway) {
  EXPECT_EQ(demand.on_demand("005930", true).wanted, "");
  EXPECT_EQ(demand.on_demand("005930", false).given_up, "");
}

TEST_F(TickerDemandTest, BeyondTheLimitATickerWaitsUntilOneIsGivenUp) {
  fill();
  EXPECT_EQ(demand.on_demand("999999", true).wanted, "");
  EXPECT_TRUE(demand.is_over());
  const auto change = demand.on_demand(ticker(7), false);
  EXPECT_EQ(change.given_up, ticker(7));
  EXPECT_EQ(change.wanted, "999999");
  EXPECT_FALSE(demand.is_over());
}

TEST_F(TickerDemandTest, WhoWaitsAndLeavesIsForgotten) {
  fill();
  static_cast<void>(demand.on_demand("999999", true));
  EXPECT_EQ(demand.on_demand("999999", false).given_up, "");
  EXPECT_FALSE(demand.is_over());
  EXPECT_EQ(demand.on_demand(ticker(7), false).wanted, "");
}

}  // namespace
}  // namespace broadcast

#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

TEST(JonggaSignalTest, PublishesWhatScannersSend) {
  broadcast::FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  const auto good = R"([{"ticker":"005930","name":"A","total_score":9}])";
  EXPECT_EQ(host.message("signal:jongga", good).status, BC_OK);
  EXPECT_EQ(host.last("signal:jongga")["data"]["signal_type"], "JONGGA_V2");
  const auto bad = R"([{"ticker":"005930","name":"A"}])";
  EXPECT_EQ(host.message("signal:jongga", bad).text, "signals[0].total_score: missing");
  EXPECT_TRUE(host.misuse().empty());
}

#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace broadcast {
namespace {

TEST(CEchoTest, EchoesWhatProducersSend) {
  FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  EXPECT_EQ(host.message("c:echo", "[1,2]").status, BC_OK);
  EXPECT_EQ(host.last("c:echo"), nlohmann::json::parse(R"({"type":"echo","data":[1,2]})"));
}

TEST(CEchoTest, RefusesAnEmptyMessageInItsOwnWords) {
  FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  const auto answer = host.message("c:echo", "");
  EXPECT_EQ(answer.status, BC_E_INVALID);
  EXPECT_EQ(answer.text, "the message is empty");
}

}  // namespace
}  // namespace broadcast

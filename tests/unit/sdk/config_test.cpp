#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/config.hpp>

namespace broadcast {
namespace {

TEST(ConfigTest, ReadsByType) {
  const Config config(R"({"interval":"250ms","body":"64KiB","url":"x","on":true,"list":["a"]})");
  EXPECT_EQ(config.duration("interval"), std::chrono::milliseconds(250));
  EXPECT_EQ(config.size("body"), 64U * 1024);
  EXPECT_EQ(config.text("url"), "x");
  EXPECT_TRUE(config.get<bool>("on"));
  EXPECT_THAT(config.get<std::vector<std::string>>("list"), testing::ElementsAre("a"));
  EXPECT_FALSE(config.has("off"));
}

TEST(ConfigTest, WhatIsNotAsItIsReadIsAnErrorThatNamesTheKey) {
  const Config config(R"({"interval":"soon","body":7})");
  const auto why = [](const auto& read) -> std::string {
    try {
      static_cast<void>(read());
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BC_E_INVALID);
      return error.what();
    }
    return "read";
  };
  EXPECT_EQ(why([&] { return config.duration("interval"); }),
            "interval: expected a duration such as 30s, got \"soon\"");
  EXPECT_EQ(why([&] { return config.text("absent"); }), "absent: missing");
  EXPECT_THAT(why([&] { return config.size("body"); }), testing::StartsWith("body: "));
}

}  // namespace
}  // namespace broadcast

#include "tools/broadcastctl/scaffold.hpp"

#include <gtest/gtest.h>

#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {
namespace {

std::string refusal_of(const std::string& name, const std::string& topic) {
  try {
    static_cast<void>(plan_scaffold(name, topic));
  } catch (const CannotRun& refused) {
    return refused.what();
  }
  return "not refused";
}

TEST(ScaffoldTest, LeavesNoPlaceholderOfItsOwn) {
  for (const Origin origin : {Origin::kOfTopic, Origin::kPosts}) {
    for (const char* const topic : {"signal:jongga", "price:{ticker}", "market-gate"}) {
      for (const ScaffoldFile& file : plan_scaffold("jongga_signal", topic, origin)) {
        EXPECT_EQ(file.text.find('@'), std::string::npos) << file.name;
      }
    }
  }
}

TEST(ScaffoldTest, TakesSignalsOnASignalTopicAndPollsForAnyOther) {
  const auto source = [](const std::string& topic) {
    return plan_scaffold("my_own", topic)[1].text;
  };
  EXPECT_NE(source("signal:jongga-v2")
                .find("BROADCAST_SIGNAL_PLUGIN(MyOwn, \"my_own\", \"0.1.0\", "
                      "\"signal:jongga-v2\", \"JONGGA_V2\")"),
            std::string::npos);
  EXPECT_NE(source("price:{ticker}").find("on_demand"), std::string::npos);
  EXPECT_NE(source("signal:{name}").find("on_demand"), std::string::npos);
}

TEST(ScaffoldTest, TakesPostsOfAnyTopicWhereItIsToldTo) {
  for (const char* const topic : {"signal:jongga", "news:{ticker}", "market-gate"}) {
    const std::string source = plan_scaffold("news", topic, Origin::kPosts)[1].text;
    EXPECT_NE(source.find("on_message"), std::string::npos);
    EXPECT_NE(source.find("\"pattern\":\"" + std::string(topic) + '"'), std::string::npos);
  }
}

TEST(ScaffoldTest, RefusesNamesThatNoPluginCanHave) {
  for (const char* const name : {"", "Jongga", "9th", "a-b", "a b", "../a", "a_", "_a"}) {
    EXPECT_TRUE(refusal_of(name, "signal:x").starts_with("name \"")) << name;
  }
  EXPECT_EQ(refusal_of(std::string(65, 'a'), "signal:x").find("not refused"), std::string::npos);
  EXPECT_EQ(refusal_of("redis", "signal:x"),
            "name \"redis\": status:redis is the host's own; choose another one");
}

TEST(ScaffoldTest, RefusesTopicsThatNoPluginCanOwn) {
  for (const char* const topic : {"", "a b", "\"", "price:{A}", "price:{a}:b", "signal:\n"}) {
    EXPECT_TRUE(refusal_of("x", topic).starts_with("topic pattern \"")) << topic;
  }
  EXPECT_EQ(refusal_of("x", "status:x"),
            "topic \"status:x\": status: is the host's own; choose another one");
}

}  // namespace
}  // namespace broadcast

// FakeHost replaces a broadcaster as the host does.

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/broadcaster.hpp>
#include <broadcast/testing.hpp>

namespace broadcast {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Publishes each second, signed with its name, what somebody subscribes to.
class Signed : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    name_ = nlohmann::json::parse(json).at("name").get<std::string>();
    if (name_ == "bad config") throw Error(BC_E_INVALID, "no such database");
  }
  void on_start() override {
    say("starts");
    if (name_ == "bad start") throw std::runtime_error("no such table");
    every(seconds(1), [this] { tick(); });
  }
  void on_stop(std::chrono::nanoseconds) override {
    tick();
    say("stops");
  }
  void on_demand(std::string_view topic, std::int64_t subscribers, bool replay) override {
    say("hears of " + std::string(topic) + (replay ? " again" : ""));
    if (subscribers > 0) wanted_.emplace(topic);
  }

 private:
  void tick() {
    for (const std::string& topic : wanted_) {
      const nlohmann::json text = {{"type", "tick"}, {"by", name_}};
      if (publish(topic, text.dump()) == PublishResult::kRevoked) say("is revoked");
    }
  }
  void say(const std::string& what) const { log(LogLevel::kInfo, name_ + " " + what); }

  std::string name_;
  std::set<std::string> wanted_;
};

std::string manifest_with(const char* exclusive) {
  return R"({"name":"signed","version":"1.0.0","abi":[1,0],"demand":true,"exclusive":)" +
         std::string(exclusive) + R"(,"topics":[{"pattern":"t:{x}","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,
"properties":{"name":{"type":"string"}}}})";
}
bc_entry entry_with(const std::string& manifest) {
  return {BC_MAGIC,
          sizeof(bc_entry),
          BC_ABI_MAJOR,
          0,
          manifest.c_str(),
          &PluginGlue::create<Signed>,
          &PluginGlue::handle,
          &PluginGlue::destroy};
}
const std::string kSignedManifest = manifest_with("false");
const std::string kExclusiveManifest = manifest_with("true");
const bc_entry kSigned = entry_with(kSignedManifest);
const bc_entry kExclusive = entry_with(kExclusiveManifest);

struct ReplaceTest : ::testing::Test {
  explicit ReplaceTest(const bc_entry& entry = kSigned) : host(entry, R"({"name":"old"})") {
    host.start();
    host.subscribe("t:a");
    host.advance(seconds(2));
    said_before = host.logs().size();
  }
  ~ReplaceTest() override { EXPECT_THAT(host.misuse(), IsEmpty()); }

  [[nodiscard]] std::vector<std::string> said() const {
    std::vector<std::string> lines;
    for (std::size_t i = said_before; i < host.logs().size(); ++i) {
      lines.push_back(host.logs()[i].text);
    }
    return lines;
  }

  FakeHost host;
  std::size_t said_before = 0;
};
struct ExclusiveTest : ReplaceTest {
  ExclusiveTest() : ReplaceTest(kExclusive) {}
};

TEST_F(ReplaceTest, TheNewOneIsToldOfDemandAgainAndTheOldOneIsRevokedBefore) {
  EXPECT_EQ(host.replace(R"({"name":"new"})"), BC_OK);
  EXPECT_THAT(said(),
              ElementsAre("new starts", "new hears of t:a again", "old is revoked", "old stops"));
  host.advance(seconds(1));
  EXPECT_EQ(host.published("t:a").size(), 3U);
  EXPECT_EQ(host.last("t:a")["by"], "new");
  EXPECT_EQ(host.replace(R"({"name":"third"})"), BC_OK);
  host.advance(seconds(1));
  EXPECT_EQ(host.last("t:a")["by"], "third");
}

TEST_F(ReplaceTest, TheOldOneGoesOnIfTheNewOneFails) {
  EXPECT_EQ(host.replace(R"({"name":"bad config"})"), BC_E_INVALID);
  EXPECT_EQ(host.errors().back().text, "CONFIG failed (-1): no such database");
  EXPECT_EQ(host.replace(R"({"name":"bad start"})"), BC_E_EXCEPTION);
  EXPECT_EQ(host.errors().back().text, "no such table");
  EXPECT_THROW(static_cast<void>(host.replace(R"({"nam":"new"})")), std::runtime_error);
  host.advance(seconds(1));
  EXPECT_EQ(host.published("t:a").size(), 3U);
  EXPECT_EQ(host.last("t:a")["by"], "old");
}

TEST_F(ReplaceTest, WhatIsRevokedPublishesAgainOnceItIsRestored) {
  host.revoke();
  host.advance(seconds(2));
  EXPECT_EQ(host.published("t:a").size(), 2U);
  EXPECT_THAT(said(), ElementsAre("old is revoked", "old is revoked"));
  host.restore();
  host.advance(seconds(1));
  EXPECT_EQ(host.published("t:a").size(), 3U);
}

TEST_F(ExclusiveTest, TheOldOneIsGoneBeforeTheNewOneStarts) {
  EXPECT_EQ(host.replace(R"({"name":"new"})"), BC_OK);
  EXPECT_THAT(said(), ElementsAre("old stops", "new starts", "new hears of t:a again"));
}

}  // namespace
}  // namespace broadcast

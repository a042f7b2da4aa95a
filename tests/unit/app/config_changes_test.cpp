#include "host/app/config_changes.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/app/yaml_document.hpp"
#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ConfigChangesTest, NothingDiffersFromItself) {
  const Config config = configured("limits: {outbox: 2MiB}");
  const ConfigChanges changes = changes_between(config, config);
  EXPECT_THAT(changes.live, IsEmpty());
  EXPECT_THAT(changes.restart, IsEmpty());
}

TEST(ConfigChangesTest, KeysAreNamedByWhenTheyHold) {
  const Config running = configured("log: {level: info}");
  const Config next = configured(
      R"({log: {level: debug, format: json}, limits: {outbox: 2MiB}, server: {threads: 3},
          relay: ["news:*"], admin: {tokens: [{token: secret-of-sixteen, scopes: [admin]}]}})");
  const ConfigChanges changes = changes_between(running, next);
  EXPECT_THAT(changes.live, ElementsAre("admin.tokens", "limits.outbox", "relay", "log.level"));
  EXPECT_THAT(changes.restart, ElementsAre("server.threads", "log.format"));
}

TEST(ConfigChangesTest, WhatDoesNotHoldYetIsNamedAgainTheNextTime) {
  Config running = configured("{}");
  const Config next = configured("{server: {threads: 3}, limits: {outbox: 2MiB}}");
  take_live(running, next);
  EXPECT_EQ(running.limits.outbox_bytes, 2U * 1024 * 1024);
  const ConfigChanges changes = changes_between(running, next);
  EXPECT_THAT(changes.live, IsEmpty());
  EXPECT_THAT(changes.restart, ElementsAre("server.threads"));
}

TEST(ConfigChangesTest, RedisKeepsItsLimitUntilARestart) {
  const Config running = configured(R"(redis: {url: "redis://127.0.0.1"})");
  const Config next = configured(R"({redis: {url: "redis://127.0.0.1"}, limits: {publish: 1KiB}})");
  const ConfigChanges changes = changes_between(running, next);
  EXPECT_THAT(changes.live, ElementsAre("limits.publish"));
  EXPECT_THAT(changes.restart, ElementsAre("limits.publish (for messages from Redis)"));
}

/// A section that is told as one takes effect as one.
TEST(ConfigChangesTest, WhatIsInASectionThatIsToldAsOneTakesEffectWithIt) {
  const auto expect_restart = [](const char* key, auto, const auto&, Effect effect, const char*) {
    EXPECT_EQ(effect, Effect::kRestart) << key;
  };
  for_each_setting(Of<HistoryConfig>{}, expect_restart);
  for_each_setting(Of<StateConfig>{}, expect_restart);
  for_each_setting(Of<RedisConfig>{}, expect_restart);
}

TEST(ConfigChangesTest, OfABroadcasterOnlyWhatReplacesNothingIsTold) {
  const Config running = configured("broadcasters: {price: , heartbeat: }");
  const Config next = configured(
      "broadcasters: {price: {topics: 5, config: {interval: 1s}}, heartbeat: {enabled: false}}");
  EXPECT_THAT(changes_between(running, next).live, ElementsAre("broadcasters.price.topics"));
}

/// The reader's keys and the table of changes cannot drift apart.
TEST(ConfigChangesTest, EveryKeyOfTheReaderIsInTheTable) {
  std::ifstream file(CONFIG_DIRECTORY "/reference.yaml");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  YamlFindings findings;
  const auto anything = [](const std::string&) { return std::optional<std::string>(""); };
  static_cast<void>(read_config(read_yaml(text, anything, findings), anything, findings));
  const std::vector<std::string> keys = setting_keys();
  std::size_t found = 0;
  for (const std::string& known : findings.known()) {
    const bool is_section = known.find('.') == std::string::npos && known != "relay";
    if (is_section || known.starts_with("broadcasters.")) continue;
    ++found;
    EXPECT_TRUE(std::ranges::any_of(keys, [&](const std::string& key) {
      return known == key || known.starts_with(key + '.') || known.starts_with(key + '[');
    })) << known;
  }
  EXPECT_GE(found, keys.size());
}

}  // namespace
}  // namespace broadcast

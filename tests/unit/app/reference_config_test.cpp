// config/*.yaml are documentation: held equal to what the host really does.

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/counters.hpp"
#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kReference = CONFIG_DIRECTORY "/reference.yaml";

std::string reference_text() {
  std::ifstream stream(kReference);
  return {std::istreambuf_iterator<char>(stream), {}};
}

YamlNode reference_document(YamlFindings& findings) {
  return read_yaml(reference_text(), test_variable, findings);
}

/// What stands behind the `#` of each line; the first line is 1.
std::vector<std::string> comments() {
  std::vector<std::string> result{""};
  std::istringstream lines(reference_text());
  for (std::string line; std::getline(lines, line);) {
    const std::size_t hash = line.find(" # ");
    result.push_back(hash == std::string::npos ? "" : line.substr(hash + 3));
  }
  return result;
}

/// "limits.outbox: 1MiB # bytes that may wait ..." of each key. Of several broadcasters the first
/// one is documented, whose library is its own.
void collect_lines(const YamlNode& map, const std::string& path, std::set<std::string>& lines) {
  static const std::vector<std::string> kComments = comments();
  for (const YamlNode& child : map.children) {
    const bool is_name = path == "broadcasters";
    if (is_name && &child != &map.children.front()) continue;
    const std::string below = key_path(path, is_name ? "*" : child.key);
    const bool is_map = child.kind == YamlNode::Kind::kMap;
    const bool has_default = !is_map && below != "broadcasters.*.library";
    if (!is_name) {
      lines.insert(below + (has_default ? ": " + to_json(child, "").value.dump() : "") + " # " +
                   kComments.at(static_cast<std::size_t>(child.at.line)));
    }
    if (is_map && child.key != "config") collect_lines(child, below, lines);
  }
}

/// The same out of the rows. What stands in lists has no line of its own.
std::set<std::string> lines_of_the_rows() {
  YamlFindings findings(YamlFindings::Mode::kDescribe);
  static_cast<void>(read_config(YamlNode{}, test_variable, findings));
  std::set<std::string> lines;
  for (const auto& [path, key] : findings.described()) {
    if (path.find("[]") != std::string::npos) continue;
    const auto& value = key.default_value;
    lines.insert(path + (value.is_null() ? "" : ": " + value.dump()) + " # " + key.text);
  }
  return lines;
}

/// Every key that stands in `map`; a broadcaster's own config is the plugin's business.
void collect_keys(const YamlNode& map, const std::string& path, std::set<std::string>& keys) {
  for (const YamlNode& child : map.children) {
    const std::string child_path = key_path(path, child.key);
    const bool is_name = path == "broadcasters";
    if (!is_name) keys.insert(child_path);
    if (child.kind == YamlNode::Kind::kMap && child.key != "config") {
      collect_keys(child, child_path, keys);
    }
  }
}

std::vector<std::string> names(const Config& config) {
  std::vector<std::string> result;
  for (const auto& [name, broadcaster] : config.broadcasters) result.push_back(name);
  return result;
}

TEST(ReferenceConfigTest, HasTheDefaults) {
  const Config config = load_config(kReference, test_variable);
  const Config defaults;
  EXPECT_EQ(config.server, defaults.server);
  EXPECT_EQ(config.admin, defaults.admin);
  EXPECT_EQ(config.limits, defaults.limits);
  EXPECT_EQ(config.topics, defaults.topics);
  EXPECT_EQ(config.history, defaults.history);
  EXPECT_EQ(config.state, defaults.state);
  EXPECT_EQ(config.redis, defaults.redis);
  EXPECT_EQ(config.relay, defaults.relay);
  EXPECT_EQ(config.log, defaults.log);
  EXPECT_EQ(config.plugins, defaults.plugins);
}

TEST(ReferenceConfigTest, HasEveryKeyThatTheReaderKnowsAndNoOther) {
  YamlFindings findings;
  const YamlNode root = reference_document(findings);
  static_cast<void>(read_config(root, test_variable, findings));
  std::set<std::string> keys;
  collect_keys(root, "", keys);
  EXPECT_EQ(keys, findings.known());
}

TEST(ReferenceConfigTest, HasTheDefaultAndTheTextOfEachRowAndNoOther) {
  YamlFindings findings;
  std::set<std::string> lines;
  collect_lines(reference_document(findings), "", lines);
  EXPECT_EQ(lines, lines_of_the_rows());
}

TEST(ReferenceConfigTest, EveryKeyThatTheReaderKnowsIsDescribed) {
  YamlFindings findings(YamlFindings::Mode::kDescribe);
  static_cast<void>(read_config(YamlNode{}, test_variable, findings));
  std::set<std::string> described;
  for (const auto& [path, schema] : findings.described()) described.insert(path);
  EXPECT_EQ(described, findings.known());
  EXPECT_TRUE(described.contains("admin.tokens[].token"));
  EXPECT_TRUE(described.contains("broadcasters.*.permissions"));
}

TEST(OperationsPageTest, SaysOfEveryLimitWhatWhoeverMeetsItIsTold) {
  std::ifstream page(CONFIG_DIRECTORY "/../docs/operations.md");
  std::string tables;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `")) tables += line.substr(0, line.find('|', 1)) + '\n';
  }
  for_each_setting(Of<Limits>{}, [&](const char* key, const auto&...) {
    EXPECT_THAT(tables, HasSubstr("`" + std::string(key) + "`"));
  });
}

TEST(LimitsTest, EachIsCountedByItsKey) {
  std::set<std::string> keys{"admin.connections"};
  for_each_setting(Of<Limits>{}, [&](const char* key, const auto&...) { keys.insert(key); });
  std::set<std::string> counted;
  for (const CounterRow& row : kCounterRows) {
    if (row.metric.label == nullptr) continue;
    if (row.metric.label == std::string_view("limit")) counted.insert(row.word);
  }
  EXPECT_EQ(counted, keys);
}

TEST(ReferenceConfigTest, ShowsTheBroadcastersAsTheyAreByDefault) {
  const Config config = load_config(kReference, test_variable);
  EXPECT_THAT(names(config),
              ElementsAre("daytrading_signal", "heartbeat", "market_gate", "price", "vcp_signal"));
  for (const auto& [name, broadcaster] : config.broadcasters) {
    EXPECT_TRUE(broadcaster.enabled) << name;
    EXPECT_EQ(broadcaster.library, "lib" + name + ".so");
  }
}

TEST(DemoConfigTest, TakesRedisFromTheEnvironment) {
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "REDIS_URL" ? std::optional<std::string>("redis://demo/1") : std::nullopt;
  };
  EXPECT_EQ(load_config(CONFIG_DIRECTORY "/demo.yaml", environment).redis.url, "redis://demo/1");
  EXPECT_EQ(load_config(CONFIG_DIRECTORY "/demo.yaml", test_variable).redis.url, "");
}

TEST(DemoConfigTest, RunsEverythingOnThisMachineOnly) {
  const Config config = load_config(CONFIG_DIRECTORY "/demo.yaml", test_variable);
  EXPECT_EQ(config.server.listen, (ListenAddress{"127.0.0.1", 5111}));
  EXPECT_TRUE(config.admin.listen.is_loopback());
  EXPECT_THAT(names(config),
              ElementsAre("daytrading_signal", "heartbeat", "market_gate", "price", "vcp_signal"));
  EXPECT_THAT(config.broadcasters.at("heartbeat").permissions, ElementsAre("clients"));
}

}  // namespace
}  // namespace broadcast

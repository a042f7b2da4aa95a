#include "tools/broadcastctl/scaffold.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "host/hub/topic_pattern.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

namespace {

// @NAME@ and so on are replaced; see words_for().

constexpr std::string_view kCMake = R"(cmake_minimum_required(VERSION 3.25)
project(@NAME@ CXX)
enable_testing()
find_package(BroadcastSdk 1 REQUIRED)
broadcast_add_plugin(@NAME@ @NAME@.cpp)
broadcast_test_plugin(@NAME@ @NAME@_test.cpp)
)";

constexpr std::string_view kSignal =
    R"(// Takes what scanners send on @TOPIC@, checks it, and publishes it as a signal_update.

#include <broadcast/signal_broadcaster.hpp>

class @CLASS@ : public broadcast::SignalBroadcaster {
 public:
  using SignalBroadcaster::SignalBroadcaster;

  // `ticker` and `name` are checked already. What else must a signal have? One without it is refused,
  // and its producer reads where: "signals[0].score: missing".
  void check(const broadcast::Signal& signal) const override { require_number(signal, "score"); }
};

BROADCAST_SIGNAL_PLUGIN(@CLASS@, "@NAME@", "0.1.0", "@TOPIC@", "@TYPE@")
)";

constexpr std::string_view kSignalTest = R"(#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace {

TEST(@CLASS@Test, PublishesWhatScannersSend) {
  broadcast::FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  const auto good = R"~([{"ticker":"005930","name":"Samsung","score":9}])~";
  EXPECT_EQ(host.message("@TOPIC@", good).status, BC_OK);
  EXPECT_EQ(host.last("@TOPIC@")["data"]["signal_type"], "@TYPE@");
  EXPECT_TRUE(host.misuse().empty());
}

TEST(@CLASS@Test, RefusesASignalWithoutScore) {
  broadcast::FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  const auto bad = R"~([{"ticker":"005930","name":"Samsung"}])~";
  EXPECT_EQ(host.message("@TOPIC@", bad).text, "signals[0].score: missing");
  EXPECT_TRUE(host.published("@TOPIC@").empty());
}

}  // namespace
)";

constexpr std::string_view kPolling =
    R"(// Publishes @TOPIC@ every `interval`, as long as somebody subscribes to it.

#include <chrono>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>
#include <broadcast/config.hpp>
#include <broadcast/units.hpp>

class @CLASS@ : public broadcast::Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  // Checked against the schema below, with its defaults filled in.
  void on_config(std::string_view json) override {
    const broadcast::Config config(json);
    interval_ = config.duration("interval");
  }

  void on_start() override {
    every(interval_, [this] {
      for (const std::string& topic : wanted_) poll(topic);
    });
  }

  // After a start the host tells of every topic that has subscribers, so nothing need be kept.
  void on_demand(std::string_view topic, std::int64_t subscribers, bool /*replay*/) override {
    if (subscribers == 0) {
      wanted_.erase(std::string(topic));
    } else if (wanted_.emplace(topic).second) {
      poll(std::string(topic));
    }
  }

 private:
  // Ask the real source here. It may block: this thread is the plugin's own.
  void poll(const std::string& topic) {
    const nlohmann::json update = {{"type", "@NAME@_update"},
                                   {"data", {{"timestamp", broadcast::iso_timestamp(wall_ns())}}}};
    publish(topic, update.dump());
  }

  std::chrono::nanoseconds interval_{};
  std::set<std::string> wanted_;
};

BROADCAST_PLUGIN(@CLASS@, "@NAME@", "0.1.0", R"~("requires":["bc.demand/1"],"demand":true,
"topics":[{"pattern":"@TOPIC@",@MATCH@"delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"5s",
"description":"time between two polls of the source"}}})~")
)";

constexpr std::string_view kPollingTest = R"(#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace {

TEST(@CLASS@Test, PollsWhileSomebodySubscribes) {
  broadcast::FakeHost host(BROADCAST_PLUGIN_PATH, R"~({"interval":"1s"})~");
  host.start();
  host.advance(std::chrono::seconds(10));
  EXPECT_TRUE(host.published().empty());

  host.subscribe("@SAMPLE@");
  host.advance(std::chrono::seconds(3));
  EXPECT_EQ(host.published("@SAMPLE@").size(), 4U);  // at once, and every second
  EXPECT_EQ(host.last("@SAMPLE@")["type"], "@NAME@_update");

  host.unsubscribe("@SAMPLE@");
  host.advance(std::chrono::seconds(3));
  EXPECT_EQ(host.published("@SAMPLE@").size(), 4U);
  EXPECT_TRUE(host.misuse().empty());
}

}  // namespace
)";

constexpr std::string_view kPosts =
    R"(// Takes what producers post to @TOPIC@, checks it, and publishes it.

#include <cstddef>

#include <broadcast/broadcaster.hpp>
#include <broadcast/fields.hpp>
#include <broadcast/units.hpp>

class @CLASS@ : public broadcast::Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  // What must a post have? One without it is refused, and its producer reads where: "@NAME@.title:
  // missing".
  void on_message(const broadcast::Message& message) override {
    const broadcast::Json sent = broadcast::parse_json(message.payload);
    const broadcast::Field item(sent, "@NAME@");
    require_string(item.at("title"), kMaxTitleBytes);
    if (const auto url = item.find("url")) require_string(*url);

    const broadcast::Json update = {{"type", "@NAME@_update"},
                                    {"timestamp", broadcast::iso_timestamp(wall_ns())},
                                    {"data", sent}};
    const auto result = publish(message.topic, update.dump());
    if (result == broadcast::PublishResult::kBusy) throw broadcast::Busy("the host is full");
  }

 private:
  static constexpr std::size_t kMaxTitleBytes = 256;
};

BROADCAST_PLUGIN(@CLASS@, "@NAME@", "0.1.0",
                 R"~("topics":[{"pattern":"@TOPIC@",@MATCH@"delivery":"all"}])~")
)";

constexpr std::string_view kPostsTest = R"(#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace {

TEST(@CLASS@Test, PublishesWhatProducersPost) {
  broadcast::FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  EXPECT_EQ(host.message("@SAMPLE@", R"~({"title":"Results are out"})~").status, BC_OK);
  EXPECT_EQ(host.last("@SAMPLE@")["type"], "@NAME@_update");
  EXPECT_EQ(host.last("@SAMPLE@")["data"]["title"], "Results are out");
  EXPECT_TRUE(host.misuse().empty());
}

TEST(@CLASS@Test, RefusesAPostWithoutTitle) {
  broadcast::FakeHost host(BROADCAST_PLUGIN_PATH, "{}");
  host.start();
  EXPECT_EQ(host.message("@SAMPLE@", R"~({"url":"https://example.com"})~").text,
            "@NAME@.title: missing");
  EXPECT_EQ(host.message("@SAMPLE@", R"~({"title":"A","url":7})~").text,
            "@NAME@.url: expected text, got 7");
  EXPECT_TRUE(host.published("@SAMPLE@").empty());
}

}  // namespace
)";

constexpr std::string_view kYaml = R"(# Goes into the host's YAML.
broadcasters:
  @NAME@:
    enabled: true
    library: lib@NAME@.so   # in plugins.directory, or a path
    config: @CONFIG@
)";

constexpr std::string_view kReadme = R"(# @NAME@
Publishes `@TOPIC@`.

    cmake -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build && ctest --test-dir build --output-on-failure
    broadcastctl plugin check build/lib@NAME@.so

Copy `build/lib@NAME@.so` into the host's `plugins.directory` and [@NAME@.yaml](@NAME@.yaml) into its YAML, then
`broadcast-host --config FILE --check`. `broadcastctl config docs build/lib@NAME@.so` prints the table of its keys.
)";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }

void check_name(const std::string& name) {
  constexpr std::size_t kMostBytes = 64;
  const bool fits =
      !name.empty() && name.size() <= kMostBytes && is_lower(name[0]) && !name.ends_with('_') &&
      std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
  if (!fits) {
    throw CannotRun("name \"" + name +
                    "\": expected a-z, 0-9 and _, beginning with a letter, at most 64, such as "
                    "jongga_signal");
  }
  if (name == "relay" || name == "redis" || name == "stream") {
    throw CannotRun("name \"" + name + "\": status:" + name +
                    " is the host's own; choose another one");
  }
}

void check_topic(const std::string& topic) {
  try {
    static_cast<void>(TopicPattern(topic, "", Delivery::kLatest));
  } catch (const std::invalid_argument& error) {
    throw CannotRun(error.what());
  }
  if (topic.starts_with("status:")) {
    throw CannotRun("topic \"" + topic + "\": status: is the host's own; choose another one");
  }
}

/// "jongga_signal" -> "JonggaSignal"
std::string class_of(const std::string& name) {
  std::string result;
  bool begins = true;
  for (const char c : name) {
    if (c != '_') result += begins ? upper(c) : c;
    begins = c == '_';
  }
  return result;
}

/// "signal:jongga-v2" -> "JONGGA_V2"
std::string type_of(const std::string& topic) {
  std::string result;
  for (const char c : topic.substr(topic.find(':') + 1)) {
    const bool fits = is_lower(c) || is_digit(c) || upper(c) != c || (c >= 'A' && c <= 'Z');
    result += fits ? upper(c) : '_';
  }
  return result;
}

struct Sources {
  std::string_view plugin;
  std::string_view test;
  const char* config;  // an example of it
};

Sources sources_for(const std::string& topic, Origin origin) {
  if (origin == Origin::kPosts) return {kPosts, kPostsTest, "{}"};
  const bool is_signal = topic.starts_with("signal:") && topic.find('{') == std::string::npos;
  if (is_signal) return {kSignal, kSignalTest, "{}"};
  return {kPolling, kPollingTest, "{interval: 5s}"};
}

std::string filled(std::string_view text,
                   const std::vector<std::pair<std::string_view, std::string>>& words) {
  std::string result(text);
  for (const auto& [word, value] : words) {
    for (std::size_t at = 0; (at = result.find(word, at)) != std::string::npos;) {
      result.replace(at, word.size(), value);
      at += value.size();
    }
  }
  return result;
}

}  // namespace

std::vector<ScaffoldFile> plan_scaffold(const std::string& name, const std::string& topic,
                                        Origin origin) {
  check_name(name);
  check_topic(topic);
  const std::size_t brace = topic.find('{');
  const bool has_placeholder = brace != std::string::npos;
  const Sources sources = sources_for(topic, origin);
  const std::vector<std::pair<std::string_view, std::string>> words = {
      {"@NAME@", name},
      {"@CLASS@", class_of(name)},
      {"@TOPIC@", topic},
      {"@TYPE@", type_of(topic)},
      {"@SAMPLE@", has_placeholder ? topic.substr(0, brace) + "005930" : topic},
      {"@MATCH@", has_placeholder ? R"("match":"[0-9A-Za-z]+",)" : ""},
      {"@CONFIG@", sources.config}};
  return {{"CMakeLists.txt", filled(kCMake, words)},
          {name + ".cpp", filled(sources.plugin, words)},
          {name + "_test.cpp", filled(sources.test, words)},
          {name + ".yaml", filled(kYaml, words)},
          {"README.md", filled(kReadme, words)}};
}

void write_scaffold(const std::filesystem::path& directory,
                    const std::vector<ScaffoldFile>& files) {
  for (const ScaffoldFile& file : files) {
    std::error_code error;
    if (!std::filesystem::exists(directory / file.name, error)) continue;
    throw CannotRun((directory / file.name).string() +
                    ": is there already, and nothing was written. Choose another --directory.");
  }
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  for (const ScaffoldFile& file : files) {
    std::ofstream stream(directory / file.name, std::ios::binary);
    stream << file.text;
    stream.close();
    if (!stream) {
      throw CannotRun((directory / file.name).string() +
                      ": cannot be written: " + std::generic_category().message(errno) + ".");
    }
  }
}

}  // namespace broadcast

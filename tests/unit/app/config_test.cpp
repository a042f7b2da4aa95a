#include "host/app/config.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ConfigTest, AnEmptyFileHasAllDefaultsAndNoBroadcasters) {
  for (const char* text : {"", "# nothing\n", "server:\nlimits: {}\nbroadcasters:\n"}) {
    const Config config = configured(text);
    EXPECT_EQ(config.server, ServerConfig{});
    EXPECT_EQ(config.admin, AdminConfig{});
    EXPECT_EQ(config.limits, Limits{});
    EXPECT_EQ(config.topics, TopicsConfig{});
    EXPECT_EQ(config.history, HistoryConfig{});
    EXPECT_EQ(config.state, StateConfig{});
    EXPECT_EQ(config.log, LogConfig{});
    EXPECT_EQ(config.plugins, PluginsConfig{});
    EXPECT_THAT(config.broadcasters, IsEmpty());
  }
}

TEST(ConfigTest, ReadsServerAndAdmin) {
  const Config config = configured(
      "server: {listen: \"[::1]:0\", path: /live, threads: 3, flush: sendmsg, drain: 250ms,\n"
      "         origins: [\"https://*.example.com\", \"http://a.b:*\", \"null\", \"*\"],\n"
      "         hosts: [Dashboard.example.com, 10.0.0.7]}\n"
      "admin:\n"
      "  listen: 0.0.0.0:65535\n"
      "  tokens:\n"
      "    - {token: \"${SCANNER_TOKEN}\", scopes: [admin, publish, \"publish:signal:*\"]}\n");
  EXPECT_EQ(config.server.listen, (ListenAddress{"::1", 0}));
  EXPECT_EQ(config.server.path, "/live");
  EXPECT_EQ(config.server.threads, 3U);
  EXPECT_EQ(config.server.flush, FlushMode::kSendmsg);
  EXPECT_EQ(config.server.drain, milliseconds(250));
  EXPECT_THAT(config.server.origins,
              ElementsAre("https://*.example.com", "http://a.b:*", "null", "*"));
  EXPECT_THAT(config.server.hosts, ElementsAre("Dashboard.example.com", "10.0.0.7"));
  EXPECT_EQ(config.admin.listen, (ListenAddress{"0.0.0.0", 65535}));
  EXPECT_THAT(
      config.admin.tokens,
      ElementsAre(TokenConfig{"s3cret-of-the-scanner", {"admin", "publish", "publish:signal:*"}}));
}

TEST(ConfigTest, ReadsEveryLimit) {
  const Limits limits =
      configured(
          "limits: {message: 2KiB, outbox: 4MiB, publish: 1MiB, write_stall: 5s, handshake: 1s,\n"
          "  topics: 500, topics_per_connection: 50, topics_per_address: 70, topics_per_request: "
          "5,\n"
          "  topic_name: 99, commands_per_second: 0, work_per_address: 0,\n"
          "  control_frames_per_second: 7, connections: 10, "
          "connections_per_address: 2, "
          "  accepts_per_second: 50, handshakes: 7}")
          .limits;
  const Limits expected{.message_bytes = 2048,
                        .outbox_bytes = 4 << 20,
                        .publish_bytes = 1 << 20,
                        .write_stall = seconds(5),
                        .handshake = seconds(1),
                        .topics = 500,
                        .topics_per_connection = 50,
                        .topics_per_address = 70,
                        .work_per_address = 0,
                        .topics_per_request = 5,
                        .topic_name_bytes = 99,
                        .commands_per_second = 0,
                        .control_frames_per_second = 7,
                        .connections = 10,
                        .connections_per_address = 2,
                        .accepts_per_second = 50,
                        .handshakes = 7};
  EXPECT_EQ(limits, expected);
}

TEST(ConfigTest, ReadsDeflate) {
  EXPECT_EQ(configured("deflate: {enabled: false, min_bytes: 1KiB, level: 9}\n").deflate,
            (DeflateOptions{.enabled = false, .min_bytes = 1024, .level = 9}));
}

TEST(ConfigTest, ReadsHistoryAndState) {
  const Config config = configured(
      "history: {messages: 0, age: 90s, bytes: 1MiB}\n"
      "state: {path: /var/lib/broadcast/state.db, synchronous: normal, latest_every: 100ms}\n");
  EXPECT_EQ(config.history, (HistoryConfig{0, seconds(90), 1 << 20}));
  EXPECT_EQ(config.state,
            (StateConfig{"/var/lib/broadcast/state.db", Synchronous::kNormal, milliseconds(100)}));
  EXPECT_EQ(configured("state: {synchronous: off}").state.synchronous, Synchronous::kOff);
}

TEST(ConfigTest, ReadsTopicsLogAndPlugins) {
  const Config config = configured(
      "topics: {unknown: accept}\nlog: {level: \"${LEVEL}\", format: json}\n"
      "plugins: {directory: /opt/x, runtime_directory: /run/x, strict: \"${STRICT:-true}\"}\n");
  EXPECT_TRUE(config.topics.accept_unknown);
  EXPECT_EQ(config.log, (LogConfig{"debug", LogFormat::kJson}));
  EXPECT_EQ(config.plugins, (PluginsConfig{"/opt/x", "/run/x", true}));
}

TEST(ConfigTest, ReadsRedisAndRelays) {
  const Config config = configured(
      "redis: {url: \"rediss://u:p@h:7/1\", channels: \"live:*\", stream: \"s:1\", ca: /x.pem,\n"
      "        cache: \"redis://h/2\", park_after: 5s}\n"
      "relay: [\"news:*\", {topic: log:all, delivery: all}]\n");
  EXPECT_EQ(config.redis, (RedisConfig{"rediss://u:p@h:7/1", "live:*", "s:1",
                                       std::chrono::seconds(5), "/x.pem", "redis://h/2"}));
  EXPECT_THAT(config.relay, ElementsAre(RelayConfig{"news:*", Delivery::kLatest},
                                        RelayConfig{"log:all", Delivery::kAll}));
  EXPECT_EQ(configured("redis: {channels: \"\"}").redis.channels, "");
}

TEST(ConfigTest, RedisIsWhereTheEnvironmentSaysUnlessTheFileDoes) {
  const auto url_with = [](std::map<std::string, std::string> variables, std::string_view text) {
    const Environment environment = [&](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    return parse_config(text, "f.yaml", environment).redis.url;
  };
  constexpr const char* kNested = "redis: {url: \"${CELERY_BROKER_URL:-${REDIS_URL:-}}\"}";
  for (const char* text : {"", "redis: {stream: s}", kNested}) {
    EXPECT_EQ(url_with({}, text), "");
    EXPECT_EQ(url_with({{"REDIS_URL", "redis://r"}}, text), "redis://r");
    EXPECT_EQ(url_with({{"REDIS_URL", "redis://r"}, {"CELERY_BROKER_URL", "redis://c"}}, text),
              "redis://c");
    EXPECT_EQ(url_with({{"REDIS_URL", "redis://r"}, {"CELERY_BROKER_URL", ""}}, text), "redis://r");
  }
  EXPECT_EQ(url_with({{"REDIS_URL", "redis://r"}}, "redis: {url: \"\"}"), "");
  EXPECT_EQ(url_with({{"REDIS_URL", "redis://r"}, {"CELERY_BROKER_URL", ""}}, "redis: {url: \"\"}"),
            "");
}

TEST(ConfigTest, ABroadcasterMayBeANameAlone) {
  const BroadcasterConfig price = configured("broadcasters:\n  price:\n").broadcasters.at("price");
  EXPECT_TRUE(price.enabled);
  EXPECT_EQ(price.library, "libprice.so");
  EXPECT_THAT(price.permissions, IsEmpty());
  EXPECT_EQ(price.config, json::object());
}

TEST(ConfigTest, ReadsABroadcaster) {
  const BroadcasterConfig price =
      configured(
          "broadcasters:\n  price: {enabled: false, library: /opt/p.so, permissions: [clients, "
          "cache],\n    config: {interval: 5s, tickers: [005930, \"000660\"], seed: 1}}\n")
          .broadcasters.at("price");
  EXPECT_FALSE(price.enabled);
  EXPECT_EQ(price.library, "/opt/p.so");
  EXPECT_THAT(price.permissions, ElementsAre("clients", "cache"));
  EXPECT_EQ(price.config,
            json::parse(R"({"interval":"5s","tickers":["005930","000660"],"seed":1})"));
}

TEST(ConfigTest, KnowsWhatOnlyThisMachineCanReach) {
  for (const char* host : {"127.0.0.1", "127.8.9.10", "::1"}) {
    EXPECT_TRUE((ListenAddress{host, 1}.is_loopback())) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "fe80::1"}) {
    EXPECT_FALSE((ListenAddress{host, 1}.is_loopback())) << host;
  }
  const Config with_socket = configured("server: {listen: \"unix:/run/ws.sock\"}");
  EXPECT_EQ(with_socket.server.listen, (ListenAddress{"", 0, "/run/ws.sock"}));
  EXPECT_TRUE(with_socket.server.listen.is_loopback());
  EXPECT_EQ(listen_text(with_socket.server.listen), "unix:/run/ws.sock");
  EXPECT_TRUE(configured("admin: {listen: localhost:1}").admin.listen.is_loopback());
}

TEST(ConfigTest, LocatesWhatABroadcastersSchemaRefuses) {
  const Config config = configured(
      "broadcasters:\n"
      "  price:\n"
      "    config:\n"
      "      interval: 20ms\n"
      "      sources:\n"
      "        - {type: sim}\n"
      "  heartbeat: {enabled: true}\n");
  EXPECT_EQ(config.locate("price", "/interval"), "f.yaml:4:7: broadcasters.price.config.interval");
  EXPECT_EQ(config.locate("price", "/sources/0/type"),
            "f.yaml:6:12: broadcasters.price.config.sources[0].type");
  EXPECT_EQ(config.locate("price", "/sources/0"),
            "f.yaml:6:11: broadcasters.price.config.sources[0]");
  EXPECT_EQ(config.locate("price", ""), "f.yaml:3:5: broadcasters.price.config");
}

TEST(ConfigTest, LocatesWhatIsMissingAtTheNearestValueAroundIt) {
  const Config config = configured(
      "broadcasters:\n  price:\n    config:\n      sources: [{type: sim}]\n  heartbeat:\n");
  EXPECT_EQ(config.locate("price", "/sources/0/seed"),
            "f.yaml:4:17: broadcasters.price.config.sources[0].seed");
  EXPECT_EQ(config.locate("price", "/a/b"), "f.yaml:3:5: broadcasters.price.config.a.b");
  EXPECT_EQ(config.locate("heartbeat", "/timeout"),
            "f.yaml:5:3: broadcasters.heartbeat.config.timeout");
  EXPECT_EQ(config.locate("nobody", "/x"), "f.yaml: broadcasters.nobody");
}

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest() { std::filesystem::create_directory(directory_); }
  ~ConfigFileTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] std::string problem(const std::string& name) const {
    try {
      static_cast<void>(load_config(path(name), test_variable));
      return "no problem";
    } catch (const ConfigError& error) {
      return error.what();
    }
  }

 private:
  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("config_test_") + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ConfigFileTest, ReadsAFileAndNamesItInProblems) {
  std::ofstream(path("good.yaml")) << "log: {level: warn}\n";
  std::ofstream(path("bad.yaml")) << "log: {level: loud}\n";
  EXPECT_EQ(load_config(path("good.yaml"), test_variable).log.level, "warn");
  EXPECT_EQ(problem("bad.yaml"),
            path("bad.yaml") +
                ":1:7: log.level: expected one of trace, debug, info, warn, error, found loud");
}

TEST_F(ConfigFileTest, SaysWhyAFileCannotBeRead) {
  std::ofstream(path("large.yaml")) << std::string(1024 * 1024 + 1, '#');
  EXPECT_EQ(problem("none.yaml"),
            path("none.yaml") + ": cannot be read: No such file or directory");
  EXPECT_EQ(problem("."), path(".") + ": cannot be read: Is a directory");
  EXPECT_EQ(problem("large.yaml"), path("large.yaml") + ": cannot be read: larger than 1MiB");
}

}  // namespace
}  // namespace broadcast

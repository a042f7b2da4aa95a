#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Mistake {
  std::string text;
  std::string problem;
};

void expect_problems(std::initializer_list<Mistake> mistakes) {
  for (const Mistake& one : mistakes) EXPECT_EQ(problems(one.text), one.problem) << one.text;
}

TEST(ConfigErrorsTest, UnknownKeysComeWithTheNearestKnownOne) {
  expect_problems({
      {"serve: {}\n", "f.yaml:1:1: serve: unknown key; did you mean \"server\"?"},
      {"server:\n  lisen: x\n", "f.yaml:2:3: server.lisen: unknown key; did you mean \"listen\"?"},
      {"limits: {topics_per_conection: 5}\n",
       "f.yaml:1:10: limits.topics_per_conection: unknown key; did you mean "
       "\"topics_per_connection\"?"},
      {"log: {colour: red}\n", "f.yaml:1:7: log.colour: unknown key; known here: level, format"},
      {"server: {backlog: 5}\n",
       "f.yaml:1:10: server.backlog: unknown key; known here: listen, path, threads, flush, "
       "tls, origins, hosts, trusted_proxies, proxy_protocol, demo_page, "
       "drain_delay, drain"},
      {"broadcasters:\n  price: {enable: true}\n",
       "f.yaml:2:11: broadcasters.price.enable: unknown key; did you mean \"enabled\"?"},
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa, scopes: [admin], scope: x}]}",
       "f.yaml:1:61: admin.tokens[0].scope: unknown key; did you mean \"scopes\"?"},
  });
}

TEST(ConfigErrorsTest, WrongTypesSayWhatWasExpectedAndFound) {
  expect_problems({
      {"[a, b]\n", "f.yaml:1:1: expected a map with keys such as server, broadcasters"},
      {"just text\n", "f.yaml:1:1: expected a map with keys such as server, broadcasters"},
      {"server: 5\n", "f.yaml:1:1: server: expected a map, found 5"},
      {"server: [a]\n", "f.yaml:1:1: server: expected a map, found a list"},
      {"server: {listen: {}}\n",
       "f.yaml:1:10: server.listen: expected a single value, found a map"},
      {"server: {origins: \"*\"}\n", "f.yaml:1:10: server.origins: expected a list, found \"*\""},
      {"server: {origins: [[x]]}\n",
       "f.yaml:1:20: server.origins[0]: expected a single value, found a list"},
      {"admin: {tokens: secret}\n",
       "f.yaml:1:9: admin.tokens: expected a list of maps, found secret"},
      {"admin: {tokens: [secret]}\n", "f.yaml:1:18: admin.tokens[0]: expected a map, found secret"},
      {"broadcasters: [price]\n", "f.yaml:1:1: broadcasters: expected a map, found a list"},
      {"broadcasters: {price: true}\n",
       "f.yaml:1:16: broadcasters.price: expected a map, found true"},
      {"broadcasters: {price: {config: 5}}\n",
       "f.yaml:1:24: broadcasters.price.config: expected a map, found 5"},
      {"plugins: {strict: yes}\n",
       "f.yaml:1:11: plugins.strict: expected true or false, found yes"},
      {"plugins: {strict: }\n",
       "f.yaml:1:11: plugins.strict: expected true or false, found nothing"},
  });
}

TEST(ConfigErrorsTest, AddressesAreNumericWithAPort) {
  const std::string expected =
      "f.yaml:1:10: server.listen: expected address:port such as 127.0.0.1:5111, [::1]:5111 or "
      "localhost:5111, or unix: and the path of a socket, found ";
  for (const char* text : {"\"5111\"", "\"example.com:80\"", "\"1.2.3.4:65536\"", "\"1.2.3.4:\"",
                           "\"1.2.3.4:x\"", "\"::1:80\"", "\"[1.2.3.4]:80\"", "\"[::1:80\"",
                           "\":80\"", "\"1.2.3:80\"", "\"1.2.3.4:-1\"", "\"1.2.3.4:000080\""}) {
    EXPECT_EQ(problems("server: {listen: " + std::string(text) + "}"), expected + text);
  }
}

TEST(ConfigErrorsTest, AUnixSocketHasAnAbsolutePathThatFits) {
  const std::string expected =
      ": expected unix: and an absolute path of at most 107 bytes, such as "
      "unix:/run/broadcast-host/ws.sock, found ";
  for (const std::string& text :
       {std::string("\"unix:\""), std::string("\"unix:ws.sock\""), std::string("\"unix:/run/\"")}) {
    EXPECT_EQ(problems("server: {listen: " + text + "}"),
              "f.yaml:1:10: server.listen" + expected + text);
  }
  const std::string too_long = "unix:/" + std::string(107, 'x');
  EXPECT_THAT(problems("server: {listen: \"" + too_long + "\"}"), HasSubstr(expected));
  EXPECT_EQ(problems("server: {listen: \"" + too_long.substr(0, 112) + "\"}"), "no problem");
  EXPECT_EQ(problems("admin: {listen: \"unix:/run/x.sock\"}"),
            "f.yaml:1:9: admin.listen: expected address:port such as 127.0.0.1:5111, [::1]:5111 or "
            "localhost:5111, found \"unix:/run/x.sock\"");
}

TEST(ConfigErrorsTest, BadValuesOfTheServer) {
  expect_problems({
      {"server: {path: ws}", "f.yaml:1:10: server.path: expected a path such as /ws, found ws"},
      {"server: {path: \"/ws?x=1\"}",
       "f.yaml:1:10: server.path: expected a path such as /ws, found \"/ws?x=1\""},
      {"server: {path: \"\"}", "f.yaml:1:10: server.path: expected a path such as /ws, found \"\""},
      {"server: {threads: 0}",
       "f.yaml:1:10: server.threads: expected auto or a number from 1 to 256, found 0"},
      {"server: {threads: 257}",
       "f.yaml:1:10: server.threads: expected auto or a number from 1 to 256, found 257"},
      {"server: {threads: many}",
       "f.yaml:1:10: server.threads: expected auto or a number from 1 to 256, found many"},
      {"server: {flush: writev}",
       "f.yaml:1:10: server.flush: expected one of auto, sendmsg, io_uring, found writev"},
      {"server: {drain: 30}",
       "f.yaml:1:10: server.drain: expected a duration from 0s to 1h, found 30"},
      {"server: {drain: 2h}",
       "f.yaml:1:10: server.drain: expected a duration from 0s to 1h, found 2h"},
  });
  for (const char* origin :
       {"https://", "https://*", "https://a,b", "://a", "https://*.", "https://a.*.b",
        "https://a b", "https://a:port", "https://a:0", "https://*a.b"}) {
    EXPECT_EQ(problems("server: {origins: [\"" + std::string(origin) + "\"]}"),
              "f.yaml:1:20: server.origins[0]: expected https://host, https://host:port, "
              "https://*.host, *://host, http://host:*, null or *, found \"" +
                  std::string(origin) + "\"");
  }
  expect_problems({
      {"server: {origins: [\"https://한국.kr\"]}",
       "f.yaml:1:20: server.origins[0]: expected the host in ASCII as browsers send it, xn--... "
       "(\"host\".encode(\"idna\") in Python), found \"https://한국.kr\""},
      {"server: {origins: [\"https://a.b/c\"]}",
       "f.yaml:1:20: server.origins[0]: expected an origin without a path: https://host or "
       "https://host:port, found \"https://a.b/c\""},
      {"server: {origins: [\"https://*.com\"]}",
       "f.yaml:1:20: server.origins[0]: expected hosts of one owner, such as "
       "https://*.example.com: anybody can have a host below com, found \"https://*.com\""},
      {"server: {hosts: [\"a.b:80\"]}",
       "f.yaml:1:18: server.hosts[0]: expected a host's name without a port, such as "
       "dashboard.example.com, found \"a.b:80\""},
  });
}

TEST(ConfigErrorsTest, BeyondLoopbackTheAdminNeedsAToken) {
  expect_problems({
      {"admin: {listen: \"0.0.0.0:5112\"}",
       "f.yaml:1:9: admin.listen: 0.0.0.0:5112 can be reached from beyond this machine and "
       "admin.tokens is empty; add a token, or listen on 127.0.0.1"},
      {"admin: {listen: \"[::]:1\", tokens: []}",
       "f.yaml:1:9: admin.listen: [::]:1 can be reached from beyond this machine and admin.tokens "
       "is empty; add a token, or listen on 127.0.0.1"},
      {"admin: {listen: \"[::1]:1\"}", "no problem"},
      {"admin: {listen: \"0.0.0.0:1\", tokens: [{token: aaaaaaaaaaaaaaaa, scopes: [publish]}]}",
       "no problem"},
  });
}

TEST(ConfigErrorsTest, TokensNeedScopesAndALength) {
  const std::string none = "a token without scopes allows nothing; expected [admin] or [publish]";
  const std::string token =
      "expected a token of at least 16 visible ASCII characters without spaces; \"openssl rand "
      "-hex 32\" makes one";
  expect_problems({
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa}]}",
       "f.yaml:1:18: admin.tokens[0].scopes: " + none},
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa, scopes: }]}",
       "f.yaml:1:44: admin.tokens[0].scopes: " + none},
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa, scopes: []}]}",
       "f.yaml:1:44: admin.tokens[0].scopes: " + none},
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa, scopes: admin}]}",
       "f.yaml:1:44: admin.tokens[0].scopes: expected a list, found admin"},
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa, scopes: [root]}]}",
       "f.yaml:1:53: admin.tokens[0].scopes[0]: expected admin, read, publish, publish:<topic> or "
       "publish:<prefix>*, found root"},
      {"admin: {tokens: [{token: aaaaaaaaaaaaaaaa, scopes: [\"publish:a b\", \"publish:*x\", "
       "\"publish:\"]}]}",
       "f.yaml:1:53: admin.tokens[0].scopes[0]: expected admin, read, publish, publish:<topic> or "
       "publish:<prefix>*, found \"publish:a b\"\n"
       "f.yaml:1:68: admin.tokens[0].scopes[1]: expected admin, read, publish, publish:<topic> or "
       "publish:<prefix>*, found \"publish:*x\"\n"
       "f.yaml:1:82: admin.tokens[0].scopes[2]: expected admin, read, publish, publish:<topic> or "
       "publish:<prefix>*, found \"publish:\""},
      {"admin: {tokens: [{scopes: [admin]}]}", "f.yaml:1:18: admin.tokens[0].token: " + token},
      {"admin: {tokens: [{token: x, scopes: [admin]}]}",
       "f.yaml:1:19: admin.tokens[0].token: " + token},
      {"admin: {tokens: [{token: fifteen-letters, scopes: [admin]}]}",
       "f.yaml:1:19: admin.tokens[0].token: " + token},
      {"admin:\n  tokens:\n    - {token: aaaaaaaaaaaaaaaa, scopes: [admin]}\n    - {token: "
       "aaaaaaaaaaaaaaaa, scopes: "
       "[publish]}\n",
       "f.yaml:4:8: admin.tokens[1].token: given twice; give one token all its scopes"},
  });
}

TEST(ConfigErrorsTest, ATokenIsNeverShown) {
  const std::string text = problems("admin: {tokens: [{token: \"my s3cret\", scopes: [admin]}]}");
  EXPECT_THAT(text, HasSubstr("admin.tokens[0].token: expected a token"));
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
}

TEST(ConfigErrorsTest, LimitsHaveRanges) {
  expect_problems({
      {"limits: {message: lots}",
       "f.yaml:1:10: limits.message: expected a size from 1KiB to 64MiB, found lots"},
      {"limits: {message: 65MiB}",
       "f.yaml:1:10: limits.message: expected a size from 1KiB to 64MiB, found 65MiB"},
      {"limits: {message: 1023}",
       "f.yaml:1:10: limits.message: expected a size from 1KiB to 64MiB, found 1023"},
      {"limits: {write_stall: 99ms}",
       "f.yaml:1:10: limits.write_stall: expected a duration from 100ms to 1h, found 99ms"},
      {"limits: {topics: 1.5}",
       "f.yaml:1:10: limits.topics: expected a whole number from 1 to 10000000, found 1.5"},
      {"limits: {topics: -1}",
       "f.yaml:1:10: limits.topics: expected a whole number from 1 to 10000000, found -1"},
      {"limits: {topic_name: 256}",
       "f.yaml:1:10: limits.topic_name: expected a whole number from 1 to 255, found 256"},
      {"limits: {commands_per_second: 99999999999999999999}",
       "f.yaml:1:10: limits.commands_per_second: expected a whole number from 0 to 1000000, found "
       "99999999999999999999"},
  });
}

TEST(ConfigErrorsTest, LimitsFitEachOther) {
  expect_problems({
      {"limits: {outbox: 512KiB}",
       "f.yaml:1:10: limits.outbox: limits.publish (256KiB) may be at most a quarter of "
       "limits.outbox (512KiB)"},
      {"limits: {outbox: 2MiB, publish: 513KiB}",
       "f.yaml:1:24: limits.publish: limits.publish (513KiB) may be at most a quarter of "
       "limits.outbox (2MiB)"},
      {"limits: {topics: 1000}",
       "f.yaml:1:10: limits.topics: limits.topics_per_connection (1024) may be at most "
       "limits.topics (1000)"},
      {"limits: {topics_per_connection: 100}",
       "f.yaml:1:10: limits.topics_per_connection: limits.topics_per_request (128) may be at most "
       "limits.topics_per_connection (100)"},
      {"limits: {connections: 5, connections_per_address: 6}",
       "f.yaml:1:26: limits.connections_per_address: limits.connections_per_address (6) may be at "
       "most limits.connections (5)"},
      {"limits: {outbox: 2MiB, publish: 512KiB}", "no problem"},
      {"limits: {connections_per_address: 6}", "no problem"},
  });
}

TEST(ConfigErrorsTest, BadValuesOfHistoryAndState) {
  expect_problems({
      {"history: {messages: 1000001}",
       "f.yaml:1:11: history.messages: expected a whole number from 0 to 1000000, found 1000001"},
      {"history: {age: 0s}",
       "f.yaml:1:11: history.age: expected a duration from 1s to 8760h, found 0s"},
      {"history: {bytes: 1023}",
       "f.yaml:1:11: history.bytes: expected a size from 1KiB to 1GiB, found 1023"},
      {"history: {size: 5}",
       "f.yaml:1:11: history.size: unknown key; known here: messages, age, bytes"},
      {"state: {path: /var/lib/}",
       "f.yaml:1:9: state.path: expected the path of a file such as /var/lib/broadcast/state.db, "
       "found /var/lib/"},
      {"state: {path: [a]}", "f.yaml:1:9: state.path: expected a single value, found a list"},
      {"state: {synchronous: true}",
       "f.yaml:1:9: state.synchronous: expected one of full, normal, off, found true"},
      {"state: {latest_every: 9ms}",
       "f.yaml:1:9: state.latest_every: expected a duration from 10ms to 1h, found 9ms"},
  });
}

TEST(ConfigErrorsTest, BroadcastersHaveNamesLibrariesAndPermissions) {
  const std::string name =
      ": expected a name of a-z, 0-9 and _ that begins with a letter, at most 64 long, found ";
  expect_problems({
      {"broadcasters: {Price: }", "f.yaml:1:16: broadcasters.Price" + name + "\"Price\""},
      {"broadcasters: {9p: }", "f.yaml:1:16: broadcasters.9p" + name + "\"9p\""},
      {"broadcasters: {\"\": }", "f.yaml:1:16: broadcasters." + name + "\"\""},
      {"broadcasters: {price: {library: }}",
       "f.yaml:1:24: broadcasters.price.library: expected the file of a plugin such as "
       "libprice.so, found nothing"},
      {"broadcasters: {price: {permissions: [clients, root]}}",
       "f.yaml:1:47: broadcasters.price.permissions[1]: expected one of clients, cache, found "
       "root"},
  });
}

TEST(ConfigErrorsTest, RedisIsAUrlThatIsNeverRepeatedAndAPrefix) {
  const std::string url =
      ": redis.url: expected redis://user:password@host:port/0, rediss://... or "
      "unix:///path?db=0; ";
  expect_problems({
      {"redis: {url: \"amqp://u:s3cret@h\"}", "f.yaml:1:9" + url + "the scheme is not supported"},
      {"redis: {url: \"redis://u:s3cret@h/x\"}",
       "f.yaml:1:9" + url + "the database must be a number such as 0"},
      {"redis: {cache: \"memcached://u:s3cret@h\"}", "f.yaml:1:9: redis.cache" +
                                                         url.substr(url.find(": expected")) +
                                                         "the scheme is not supported"},
      {"redis: {channels: \"*:ws\"}",
       "f.yaml:1:9: redis.channels: expected a prefix and a star such as ws:broadcast:*, found "
       "\"*:ws\""},
      {"redis: {stream: \"a b\"}",
       "f.yaml:1:9: redis.stream: expected a key such as ws:stream, without spaces, found \"a b\""},
  });
}

TEST(ConfigErrorsTest, TheOnlyBrokerThatIsNotRedisIsNamedByItsVariable) {
  const auto environment = [](const std::string& name) {
    return name == "CELERY_BROKER_URL" ? std::optional<std::string>("amqp://u:s3cret@h")
                                       : std::nullopt;
  };
  try {
    static_cast<void>(parse_config("", "f.yaml", environment));
    ADD_FAILURE() << "not refused";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(),
                testing::EndsWith("the scheme is not supported (CELERY_BROKER_URL from the "
                                  "environment; url: \"\" switches Redis off)"));
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("s3cret")));
  }
}

TEST(ConfigErrorsTest, RelaysAreTopicsOrBranches) {
  const std::string expected = "expected a topic such as news:krx, or a branch such as news:*";
  expect_problems({
      {"relay: [\"*\"]", "f.yaml:1:9: relay[0]: " + expected + ", found \"*\""},
      {"relay: [{delivery: all}]", "f.yaml:1:9: relay[0].topic: " + expected},
      {"relay: [{topic: a, delivery: some}]",
       "f.yaml:1:20: relay[0].delivery: expected one of latest, all, found some"},
      {"broadcasters: {relay: }",
       "f.yaml:1:16: broadcasters.relay: expected another name: status:relay is the host's own, "
       "found \"relay\""},
  });
}

TEST(ConfigErrorsTest, AnUnsetVariableIsOneProblemAndNoOther) {
  expect_problems({
      {"admin:\n  tokens:\n    - {token: \"${ADMIN_TOKEN}\", scopes: [admin]}\n",
       "f.yaml:3:8: admin.tokens[0].token: environment variable ADMIN_TOKEN is not set; set it, or "
       "write ${ADMIN_TOKEN:-default}"},
      {"limits: {outbox: \"${SIZE}\"}",
       "f.yaml:1:10: limits.outbox: environment variable SIZE is not set; set it, or write "
       "${SIZE:-default}"},
      {"broadcasters:\n  price:\n    config: {url: \"${DATABASE}\"}\n",
       "f.yaml:3:14: broadcasters.price.config.url: environment variable DATABASE is not set; set "
       "it, or write ${DATABASE:-default}"},
  });
}

TEST(ConfigErrorsTest, EverythingIsReportedAtOnceInTheOrderOfTheFile) {
  EXPECT_EQ(problems("log: {level: loud}\n"
                     "server:\n"
                     "  thread: 4\n"
                     "  drain: soon\n"
                     "  drain: 5s\n"
                     "limits: {publish: 1MiB, message: \"${SIZE}\"}\n"
                     "broadcasters: {price: {enabled: 1}}\n"),
            "f.yaml:1:7: log.level: expected one of trace, debug, info, warn, error, found loud\n"
            "f.yaml:3:3: server.thread: unknown key; did you mean \"threads\"?\n"
            "f.yaml:4:3: server.drain: expected a duration from 0s to 1h, found soon\n"
            "f.yaml:5:3: server.drain: given twice, first in line 4; remove one\n"
            "f.yaml:6:10: limits.publish: limits.publish (1MiB) may be at most a quarter of "
            "limits.outbox (1MiB)\n"
            "f.yaml:6:25: limits.message: environment variable SIZE is not set; set it, or write "
            "${SIZE:-default}\n"
            "f.yaml:7:24: broadcasters.price.enabled: expected true or false, found 1");
}

TEST(ConfigErrorsTest, WhatIsFoundStaysOnOneLineAndShort) {
  EXPECT_EQ(problems("log: {level: \"a\\nb\\e\"}"),
            "f.yaml:1:7: log.level: expected one of trace, debug, info, warn, error, found "
            "\"a?b?\"");
  const std::string cut = problems("log: {level: " + std::string(79, 'x') + "한글}");
  EXPECT_THAT(cut, HasSubstr("found " + std::string(79, 'x') + "..."));
}

}  // namespace
}  // namespace broadcast

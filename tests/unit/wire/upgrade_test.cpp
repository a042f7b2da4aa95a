#include "host/wire/upgrade.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

namespace http = boost::beast::http;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// The example of RFC 6455, section 1.3.
const std::string kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string kAcceptKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const std::string kHost = "Host: example.com:5111\r\n";
const std::string kUpgrade = "Upgrade: websocket\r\n";
const std::string kConnection = "Connection: Upgrade\r\n";
const std::string kVersion = "Sec-WebSocket-Version: 13\r\n";
const std::string kGet = "GET /ws HTTP/1.1\r\n";
const std::string kGood = kGet + kHost + kUpgrade + kConnection + kVersion + kKey;

UpgradeVerdict verdict_on(const std::string& head, const PageRules& pages = {},
                          bool is_from_here = false) {
  http::request_parser<http::empty_body> parser;
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head + "\r\n"), error);
  EXPECT_TRUE(parser.is_header_done()) << head << error.message();
  return check_upgrade(parser.get(), pages, is_from_here);
}

TEST(UpgradeTest, AcceptsAGoodRequest) {
  const struct {
    const char* name;
    std::string head;
  } rows[] = {
      {"the plain one", kGood},
      {"as Firefox says it",
       kGet + kHost + kUpgrade + "Connection: keep-alive, Upgrade\r\n" + kVersion + kKey},
      {"any case",
       kGet + kHost + "upgrade: WebSocket\r\nconnection: UPGRADE\r\n" + kVersion + kKey},
      {"among other protocols",
       kGet + kHost + "Upgrade: h2c, websocket\r\n" + kConnection + kVersion + kKey},
      {"tokens over two lines",
       kGet + kHost + kUpgrade + "Connection: keep-alive\r\n" + kConnection + kVersion + kKey},
      {"with offers", kGood + "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                              "Sec-WebSocket-Protocol: chat\r\n"},
      {"same origin", kGood + "Origin: http://example.com:5111\r\n"},
  };
  for (const auto& row : rows) {
    const UpgradeVerdict verdict = verdict_on(row.head);
    EXPECT_TRUE(verdict.accepted()) << row.name << ": " << verdict.refusal.text;
    EXPECT_EQ(verdict.accept_key, kAcceptKey) << row.name;
  }
}

TEST(UpgradeTest, RefusesEverythingElse) {
  const std::string name = "Sec-WebSocket-Key: ";
  const struct {
    const char* what;
    unsigned status;
    std::string head;
  } rows[] = {
      {"POST", 405, "POST" + kGood.substr(3)},
      {"HEAD", 405, "HEAD" + kGood.substr(3)},
      {"HTTP/1.0", 400, "GET /ws HTTP/1.0\r\n" + kHost + kUpgrade + kConnection + kVersion + kKey},
      {"a browser's page view", 426, kGet + kHost},
      {"no Upgrade", 426, kGet + kHost + kConnection + kVersion + kKey},
      {"another protocol", 426, kGet + kHost + "Upgrade: h2c\r\n" + kConnection + kVersion + kKey},
      {"a longer word", 426,
       kGet + kHost + "Upgrade: websockets\r\n" + kConnection + kVersion + kKey},
      {"no Connection", 426, kGet + kHost + kUpgrade + kVersion + kKey},
      {"Connection without upgrade", 426,
       kGet + kHost + kUpgrade + "Connection: keep-alive\r\n" + kVersion + kKey},
      {"no version", 426, kGet + kHost + kUpgrade + kConnection + kKey},
      {"version 8", 426,
       kGet + kHost + kUpgrade + kConnection + "Sec-WebSocket-Version: 8\r\n" + kKey},
      {"two versions", 426, kGood + kVersion},
      {"no key", 400, kGet + kHost + kUpgrade + kConnection + kVersion},
      {"two keys", 400, kGood + kKey},
      {"empty key", 400, kGet + kHost + kUpgrade + kConnection + kVersion + name + "\r\n"},
      {"key of 15 bytes", 400,
       kGet + kHost + kUpgrade + kConnection + kVersion + name + "dGhlIHNhbXBsZSBub25j\r\n"},
      {"key of 17 bytes", 400,
       kGet + kHost + kUpgrade + kConnection + kVersion + name + "dGhlIHNhbXBsZSBub25jZQE=\r\n"},
      {"key not base64", 400,
       kGet + kHost + kUpgrade + kConnection + kVersion + name + "dGhlIHNhbXBsZSBub25j*Q==\r\n"},
      {"foreign origin", 403, kGood + "Origin: http://evil.example\r\n"},
      {"extensions that are no list", 400, kGood + "Sec-WebSocket-Extensions: foo; ;\r\n"},
      {"origin null", 403, kGood + "Origin: null\r\n"},
      {"two origins", 403,
       kGood + "Origin: http://example.com:5111\r\nOrigin: http://evil.example\r\n"},
  };
  for (const auto& row : rows) {
    const UpgradeVerdict verdict = verdict_on(row.head);
    EXPECT_FALSE(verdict.accepted()) << row.what;
    EXPECT_EQ(verdict.refusal.status, row.status) << row.what << ": " << verdict.refusal.text;
    EXPECT_FALSE(verdict.refusal.text.empty()) << row.what;
  }
}

TEST(UpgradeTest, TakesUpTheFirstGoodOfferOfDeflate) {
  const std::string name = "Sec-WebSocket-Extensions: ";
  EXPECT_FALSE(verdict_on(kGood).deflate);
  EXPECT_FALSE(verdict_on(kGood + name + "foo\r\n").deflate);
  const UpgradeVerdict two_lines =
      verdict_on(kGood + name + "foo, permessage-deflate; bar\r\n" + name +
                 "permessage-deflate; server_max_window_bits=10\r\n");
  ASSERT_TRUE(two_lines.deflate);
  EXPECT_EQ(two_lines.deflate->form, FrameForm::kPlain);
  EXPECT_FALSE(verdict_on(kGet + kHost + name + "permessage-deflate\r\n").deflate)
      << "nor with a refusal";
}

TEST(UpgradeTest, SaysInHeadersWhatItWouldTake) {
  EXPECT_THAT(verdict_on("POST" + kGood.substr(3)).refusal.headers,
              ElementsAre(Pair(http::field::allow, "GET")));
  EXPECT_THAT(verdict_on(kGet + kHost).refusal.headers,
              ElementsAre(Pair(http::field::upgrade, "websocket"),
                          Pair(http::field::connection, "Upgrade")));
  EXPECT_THAT(
      verdict_on(kGood + kVersion).refusal.headers,
      ElementsAre(Pair(http::field::upgrade, "websocket"), Pair(http::field::connection, "Upgrade"),
                  Pair(http::field::sec_websocket_version, "13")));
}

TEST(UpgradeTest, KnowsWhyItRefuses) {
  EXPECT_EQ(verdict_on("POST" + kGood.substr(3)).refusal.reason, Counter::kHandshakeMethod);
  EXPECT_EQ(verdict_on(kGet + kHost).refusal.reason, Counter::kHandshakeNoUpgrade);
  EXPECT_EQ(verdict_on(kGood + kVersion).refusal.reason, Counter::kHandshakeNoUpgrade);
  EXPECT_EQ(verdict_on(kGood + kKey).refusal.reason, Counter::kHandshakeBadRequest);
  EXPECT_EQ(verdict_on(kGood + "Origin: null\r\n").refusal.reason, Counter::kHandshakeOrigin);
}

TEST(UpgradeTest, TakesTheListOfOriginsIntoAccount) {
  const std::string head = kGood + "Origin: https://app.example.org\r\n";
  EXPECT_TRUE(verdict_on(head, {.origins = {"https://*.example.org"}}).accepted());
  EXPECT_EQ(verdict_on(head, {.origins = {"https://example.org"}}).refusal.status, 403U);
}

TEST(UpgradeTest, BelievesAProxyThatTheHostIsCalledSo) {
  const std::string head = kGood + "Origin: http://example.com:5111\r\n";
  EXPECT_EQ(verdict_on(head, {}, true).refusal.status, 403U) << "a rebound name";
  for (const char* header :
       {"Forwarded: for=10.0.0.7\r\n", "X-Forwarded-For: 10.0.0.7\r\n", "Via: 1.1 proxy\r\n"}) {
    EXPECT_TRUE(verdict_on(head + header, {}, true).accepted()) << header;
    EXPECT_EQ(verdict_on(head + header, {.hosts = {"other"}}, true).refusal.status, 403U) << header;
  }
}

TEST(TargetTest, HasAPath) {
  EXPECT_EQ(path_of("/ws"), "/ws");
  EXPECT_EQ(path_of("/ws?subscribe=a"), "/ws");
  EXPECT_EQ(path_of("/ws#part"), "/ws");
  EXPECT_EQ(path_of("/v1/publish/signal%3Avcp"), "/v1/publish/signal:vcp");
  EXPECT_EQ(path_of("http://example.com:5111/ws?subscribe=a"), "/ws");
  EXPECT_EQ(path_of("http://example.com"), "/");
  EXPECT_EQ(path_of("http://example.com?next=/ws"), "/");
  EXPECT_EQ(path_of("/redirect?to=http://x/ws"), "/redirect");
  EXPECT_EQ(path_of(std::string_view("/a%41").substr(0, 4)), "/a%4");
  EXPECT_EQ(path_of("*"), "*");
  EXPECT_EQ(path_of(""), "");
}

TEST(TargetTest, NamesTheFirstTopics) {
  EXPECT_THAT(subscribe_topics_of("/ws"), IsEmpty());
  EXPECT_THAT(subscribe_topics_of("/ws?"), IsEmpty());
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe"), IsEmpty());
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe=,,"), IsEmpty());
  EXPECT_THAT(subscribe_topics_of("/ws?resubscribe=a&subscribed=b&Subscribe=c"), IsEmpty());
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe=price:005930,signal:vcp"),
              ElementsAre("price:005930", "signal:vcp"));
  EXPECT_THAT(subscribe_topics_of("/ws?token=x&subscribe=a&&subscribe=,b,,c,&z"),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe=price%3A005930%2csignal%3avcp"),
              ElementsAre("price:005930", "signal:vcp"));
  EXPECT_THAT(subscribe_topics_of("/ws?%73ubscribe=a%26b=c"), ElementsAre("a&b=c"));
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe=a, b,%20c%09,+d+,+,e%2Bf,g%20h"),
              ElementsAre("a", "b", "c", "d", "e+f", "g h"));
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe=a%,b%2,c%zz,%4"),
              ElementsAre("a%", "b%2", "c%zz", "%4"));
  EXPECT_THAT(subscribe_topics_of("/ws?subscribe=a#&subscribe=b"), ElementsAre("a"));
}

}  // namespace
}  // namespace broadcast

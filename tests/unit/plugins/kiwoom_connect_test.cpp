// Connections of the Kiwoom sources: certificates, addresses, cuts at any byte.

#include <cstdlib>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "plugins/io/tls_connect.hpp"
#include "tests/unit/plugins/kiwoom_play.hpp"

namespace broadcast::test {
namespace {

class KiwoomConnectTest : public KiwoomPlay {
 protected:
  /// What it says of a connection that cannot be.
  std::string refusal(const KiwoomOptions& how) {
    const auto shared = session(how);
    KiwoomRestSource source(1h, shared);
    heard_.links.clear();
    source.want(tickers({"005930"}));
    source.start(heard_.events());
    EXPECT_TRUE(run_until([&] { return !heard_.links.empty(); }));
    return heard_.links.empty() ? "" : heard_.links.back();
  }
};

TEST_F(KiwoomConnectTest, RefusesACertificateOfAnotherAuthority) {
  const Authority other;
  const PemFile file(other.certificate());
  KiwoomOptions how = options();
  how.ca = file.path();
  EXPECT_NE(refusal(how).find("certificate refused: "), std::string::npos);
  EXPECT_EQ(stat("requests"), 0);
}

TEST_F(KiwoomConnectTest, RefusesAnAuthorityThatTheMachineDoesNotKnow) {
  KiwoomOptions how = options();
  how.ca = "";
  EXPECT_NE(refusal(how).find("certificate refused: "), std::string::npos);
}

TEST_F(KiwoomConnectTest, RefusesACertificateOfAnotherHost) {
  KiwoomStandIn other(authority_.issue("api.kiwoom.com"));
  KiwoomOptions how = options();
  how.rest_url = "https://localhost:" + std::to_string(other.port());
  EXPECT_NE(refusal(how).find("certificate refused: hostname mismatch"), std::string::npos)
      << heard_.links.back();
}

TEST_F(KiwoomConnectTest, RefusesACertificateThatDoesNotNameTheAddress) {
  KiwoomOptions how = options();
  how.rest_url = "https://127.0.0.1:" + std::to_string(stand_in_.port());
  EXPECT_NE(refusal(how).find("certificate refused: IP address mismatch"), std::string::npos)
      << heard_.links.back();
}

TEST_F(KiwoomConnectTest, TakesACertificateOfAnAddress) {
  KiwoomStandIn other(authority_.issue("127.0.0.1"));
  KiwoomOptions how = options();
  how.rest_url = "https://127.0.0.1:" + std::to_string(other.port());
  EXPECT_EQ(refusal(how), "");
}

TEST_F(KiwoomConnectTest, SaysThatNobodyListensOrNobodyIsThere) {
  KiwoomOptions how = options();
  how.rest_url = "https://localhost:1";
  EXPECT_NE(refusal(how).find("localhost:1: Connection refused"), std::string::npos);
  how.rest_url = "https://no-such-host.invalid";
  EXPECT_NE(refusal(how).find("no token: no-such-host.invalid: "), std::string::npos);
}

TEST_F(KiwoomConnectTest, BoundsAHandshakeAndStopsAtOnceDuringOne) {
  boost::asio::io_context io;  // it takes connections, and says nothing
  boost::asio::ip::tcp::acceptor mute(io, {boost::asio::ip::address_v4::loopback(), 0});
  KiwoomOptions how = options();
  how.rest_url = "https://localhost:" + std::to_string(mute.local_endpoint().port());
  how.connect_patience = 200ms;
  EXPECT_NE(refusal(how).find("no connection within 200 ms"), std::string::npos);
  how.connect_patience = 1h;
  KiwoomWsSource source(session(how));
  source.start(heard_.events());
  mute.accept();  // the first one's
  mute.accept();
}

TEST(TlsUrlTest, ReadsAddresses) {
  const TlsUrl url = TlsUrl::parse("wss://api.kiwoom.com:10000/api/dostk/websocket", "wss");
  EXPECT_EQ(url.host, "api.kiwoom.com");
  EXPECT_EQ(url.port, "10000");
  EXPECT_EQ(url.path, "/api/dostk/websocket");
  EXPECT_EQ(TlsUrl::parse("https://a.b", "https").host_header(), "a.b");
  for (const char* odd :
       {"", "http://a.b", "https://", "https://a.b:0", "https://a.b:99999", "https://a b",
        "https://user:pw@a.b", "https://a.b/x y", "https://a.b:"}) {
    EXPECT_THROW(static_cast<void>(TlsUrl::parse(odd, "https")), std::invalid_argument) << odd;
  }
}

TEST_F(KiwoomConnectTest, MakesSourcesOfTheYaml) {
  KiwoomSessions sessions;
  const json config = {{"type", "kiwoom_ws"}, {"app_key", "K"}, {"secret_key", "S"}, {"mock", true},
                       {"rest_url", ""},      {"ws_url", ""},   {"ca", ca_.path()}};
  json rest = config;
  rest["type"] = "kiwoom_rest";
  const auto first = make_kiwoom_source(config, 5s, thread_.calls(), sessions);
  const auto second = make_kiwoom_source(rest, 5s, thread_.calls(), sessions);
  EXPECT_EQ(first->name(), "kiwoom_ws");
  EXPECT_TRUE(first->has_indices());
  EXPECT_EQ(second->name(), "kiwoom_rest");
  EXPECT_FALSE(second->has_indices());
  ASSERT_EQ(sessions.size(), 1U) << "one key, one session";
  const KiwoomOptions& options = sessions.begin()->second->options();
  EXPECT_EQ(options.rest_url, "https://mockapi.kiwoom.com");
  EXPECT_EQ(options.ws_url, "wss://mockapi.kiwoom.com:10000/api/dostk/websocket");
}

TEST_F(KiwoomConnectTest, RefusesAYamlThatCannotWorkAndNamesTheKey) {
  const json good = {{"type", "kiwoom_ws"}, {"app_key", "K"}, {"secret_key", "S"}};
  const std::vector<std::pair<json, std::string>> bad = {
      {{{"app_key", ""}}, "app_key: is empty"},
      {{{"secret_key", ""}}, "secret_key: is empty"},
      {{{"rest_url", "http://x"}}, "rest_url: expected https://host[:port]"},
      {{{"ws_url", "https://x"}}, "ws_url: expected wss://host[:port]/path"},
      {{{"ca", "/no/such/file"}}, "ca: no certificates can be read from \"/no/such/file\""}};
  for (const auto& [change, text] : bad) {
    json config = good;
    config.update(change);
    KiwoomSessions sessions;
    try {
      static_cast<void>(make_kiwoom_source(config, 5s, thread_.calls(), sessions));
      ADD_FAILURE() << config;
    } catch (const std::invalid_argument& error) {
      EXPECT_EQ(std::string(error.what()).find(text), 0U) << error.what();
    }
  }
  KiwoomSessions sessions;
  const auto first = make_kiwoom_source(good, 5s, thread_.calls(), sessions);
  json other = good;
  other["secret_key"] = "T";
  EXPECT_THROW(static_cast<void>(make_kiwoom_source(other, 5s, thread_.calls(), sessions)),
               std::invalid_argument);
}

/// How many bytes of the stand-in's are let through, from cut to cut. All of them with
/// BROADCAST_EVERY_BYTE=1.
std::size_t stride(std::size_t otherwise) {
  return std::getenv("BROADCAST_EVERY_BYTE") != nullptr ? 1 : otherwise;
}

TEST_F(KiwoomConnectTest, SurvivesACutOfRestAtAnyByte) {
  set("limit", 0);
  std::size_t cuts = 0;
  for (std::size_t bytes = 0;; bytes += stride(97)) {
    control({{"do", "cut"}, {"after", bytes}});
    const std::int64_t before = stat("connections");
    const auto shared = session();
    KiwoomRestSource source(10ms, shared);
    Heard heard;
    source.want(tickers({"005930"}));
    source.start(heard.events());
    ASSERT_TRUE(run_until([&] {
      if (heard.is_down()) thread_.advance(1s);  // its back-off
      return !heard.quotes.empty();
    })) << bytes;
    EXPECT_EQ(heard.quotes.size(), 1U);
    EXPECT_EQ(heard.refused.total(), 0U);
    for (const std::string& link : heard.links) expect_no_secret(link);
    if (stat("connections") == before + 1) break;  // it got through: the exchange is shorter
    ++cuts;
  }
  EXPECT_GT(cuts, 10U);
}

TEST_F(KiwoomConnectTest, SurvivesACutOfTheWebSocketAtAnyByte) {
  set("limit", 0);
  set("ping_ms", 20);
  for (std::size_t bytes = 0; bytes < 3'000; bytes += stride(197)) {
    const auto shared = session();
    std::string token;
    shared->with_token([&](const std::string& one, const std::string&) { token = one; });
    ASSERT_TRUE(run_until([&] { return !token.empty(); }));
    control({{"do", "cut"}, {"after", bytes}});
    KiwoomWsSource source(shared);
    Heard heard;
    source.want(many_tickers(2));
    source.start(heard.events());
    const std::int64_t before = stat("pongs");
    // PINGs use up what the cut left.
    ASSERT_TRUE(run_until([&] { return heard.is_down(); })) << bytes;
    ASSERT_TRUE(run_until([&] {
      thread_.advance(1s);
      return heard.is_up() && stats().at("registered").size() == 2 && stat("pongs") > before;
    })) << bytes;
    EXPECT_EQ(heard.refused.total(), 0U);
    control({{"do", "drop"}});
    ASSERT_TRUE(run_until([&] { return heard.is_down(); }));
  }
}

}  // namespace
}  // namespace broadcast::test

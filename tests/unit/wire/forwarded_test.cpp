#include "host/wire/forwarded.hpp"

#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::make_address;

const Networks kTrusted({"10.0.0.0/8", "fd00::/8", "unix"});

RequestSource source(const std::string& fields, const char* peer = "10.0.0.1",
                     const Networks& trusted = kTrusted) {
  http::request_parser<http::empty_body> parser;
  boost::system::error_code error;
  parser.put(boost::asio::buffer("GET / HTTP/1.1\r\nHost: here\r\n" + fields + "\r\n"), error);
  EXPECT_TRUE(parser.is_header_done()) << fields << error.message();
  const auto address =
      peer == nullptr ? std::nullopt : std::optional(make_address(std::string(peer)));
  return source_of(parser.get().base(), address, trusted);
}

/// The client's address, or "unknown".
std::string client(const std::string& fields, const char* peer = "10.0.0.1") {
  const auto address = source(fields, peer).address;
  return address ? address->to_string() : "unknown";
}

TEST(ForwardedTest, WhoeverIsNoTrustedProxyIsBelievedNothing) {
  const std::string all =
      "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4;host=there;proto=https\r\n"
      "X-Forwarded-Host: there\r\nX-Forwarded-Proto: https\r\n";
  const RequestSource direct = source(all, "192.0.2.9");
  EXPECT_EQ(direct.address->to_string(), "192.0.2.9");
  EXPECT_EQ(direct.host, "here");
  EXPECT_FALSE(direct.is_proxied);
  EXPECT_EQ(source(all, nullptr, Networks({"10.0.0.0/8"})).address, std::nullopt);
}

TEST(ForwardedTest, TheListIsReadFromTheRightAsFarAsProxiesAreTrusted) {
  EXPECT_EQ(client("X-Forwarded-For: 1.2.3.4\r\n"), "1.2.3.4");
  EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n"), "1.2.3.4") << "made up by the client";
  EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.7\r\n"), "1.2.3.4");
  EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4,10.0.0.7\r\n"), "1.2.3.4")
      << "on several lines";
  EXPECT_EQ(client("X-Forwarded-For: 10.0.0.9, 10.0.0.7\r\n"), "10.0.0.9") << "all are proxies";
  EXPECT_EQ(client("X-Forwarded-For: ,1.2.3.4,,\r\n"), "1.2.3.4");
  EXPECT_EQ(client("X-Forwarded-For: 1.2.3.4\r\n", nullptr), "1.2.3.4") << "by a Unix socket";
}

TEST(ForwardedTest, AProxyThatDoesNotSayWhoItWasIsTheLastThatIsKnown) {
  EXPECT_EQ(client(""), "10.0.0.1");
  EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, unknown\r\n"), "10.0.0.1");
  EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, _hidden, 10.0.0.7\r\n"), "10.0.0.7");
  EXPECT_EQ(client("Forwarded: for=6.6.6.6, by=10.0.0.7\r\n"), "10.0.0.1") << "no for";
  EXPECT_EQ(client("", nullptr), "unknown");
  std::string many = "X-Forwarded-For: 1.2.3.4";
  for (int i = 0; i < 40; ++i) many += ", 10.0.0.7";
  EXPECT_EQ(client(many + "\r\n"), "10.0.0.1");
}

TEST(ForwardedTest, ReadsAddressesAsProxiesWriteThem) {
  EXPECT_EQ(client("X-Forwarded-For: 1.2.3.4:5678\r\n"), "1.2.3.4");
  EXPECT_EQ(client("X-Forwarded-For: 2001:db8::1\r\n"), "2001:db8::1");
  EXPECT_EQ(client("X-Forwarded-For: [2001:db8::1]:99\r\n"), "2001:db8::1");
  EXPECT_EQ(client("X-Forwarded-For: [2001:db8::1]x\r\n"), "10.0.0.1");
  EXPECT_EQ(client("X-Forwarded-For: fe80::1%1\r\n"), "10.0.0.1");
  EXPECT_EQ(client("Forwarded: for=1.2.3.4;proto=http, For=\"[2001:db8::1]:99\"\r\n"),
            "2001:db8::1");
  EXPECT_EQ(client("Forwarded: proto=https ; for = 1.2.3.4\r\n"), "1.2.3.4");
  EXPECT_EQ(client("Forwarded: host=\"a,for=6.6.6.6\";for=1.2.3.4\r\n"), "1.2.3.4")
      << "a comma within quotes ends nothing";
}

TEST(ForwardedTest, AQuoteThatAClientHasLeftOpenSwallowsNothing) {
  // What the proxy appends, behind what the client has sent.
  for (const char* made_up : {"for=6.6.6.6;x=\"", "for=6.6.6.6;x=\"\\", "for=6.6.6.6;x=\"a\"b"}) {
    for (const char* appended :
         {"for=1.2.3.4", "for=\"[2001:db8::1]:99\"", "for=\"[2001:db8::1]\", for=\"[fd00::1]\""}) {
      EXPECT_EQ(client("Forwarded: " + std::string(made_up) + ", " + appended + "\r\n"), "10.0.0.1")
          << made_up << appended;
    }
  }
  EXPECT_EQ(client("X-Forwarded-For: \", 1.2.3.4\r\n"), "1.2.3.4") << "it knows no quotes";
}

TEST(ForwardedTest, HeadersThatContradictEachOtherAreNotBelieved) {
  const RequestSource both = source("Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n");
  EXPECT_TRUE(both.is_contradictory);
  EXPECT_EQ(both.address->to_string(), "10.0.0.1");
  const RequestSource same = source("Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n");
  EXPECT_FALSE(same.is_contradictory);
  EXPECT_EQ(same.address->to_string(), "1.2.3.4");
}

TEST(ForwardedTest, TheHostIsTheNearestProxys) {
  const RequestSource x = source(
      "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: evil, dashboard.example\r\n"
      "X-Forwarded-Proto: http, https\r\n");
  EXPECT_EQ(x.host, "dashboard.example");
  const RequestSource forwarded = source(
      "Forwarded: for=6.6.6.6;host=evil, for=1.2.3.4;host=\"a.example:8443\";proto=https\r\n");
  EXPECT_EQ(forwarded.host, "a.example:8443");
  EXPECT_EQ(source("X-Forwarded-For: 1.2.3.4\r\n").host, "here");
  EXPECT_EQ(source("Forwarded: for=1.2.3.4\r\nX-Forwarded-Host: evil\r\n").host, "here")
      << "the proxy writes the other header";
}

}  // namespace
}  // namespace broadcast

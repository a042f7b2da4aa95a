#include "host/wire/origin.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;

bool allowed(std::string_view origin, std::string_view host, const PageRules& rules) {
  return page_allowed({.origin = origin, .host_header = host}, rules);
}

TEST(OriginTest, OfTheHostItselfIsAlwaysAllowed) {
  const struct {
    const char* origin;
    const char* host;
    bool allowed;
  } rows[] = {
      {"", "example.com", true},
      {"http://example.com", "example.com", true},
      {"https://example.com", "example.com", true},
      {"https://example.com", "example.com:443", true},
      {"http://example.com:80", "example.com", true},
      {"HTTP://Example.COM", "example.com", true},
      {"http://localhost:5111", "localhost:5111", true},
      {"http://[::1]:5111", "[::1]:5111", true},
      {"http://[::1]", "[::1]", true},
      {"https://xn--3e0b707e.kr", "xn--3e0b707e.kr", true},
      {"http://[::1]", "[::2]", false},
      {"http://example.com", "example.com:443", false},
      {"http://localhost:3000", "localhost:5111", false},
      {"http://example.com.evil.org", "example.com", false},
      {"http://evil.org", "example.com", false},
      {"http://evil.org@example.com", "example.com", false},
      {"http://example.com/", "example.com", false},
      {"http://example.com:", "example.com", false},
      {"http://example.com:80x", "example.com", false},
      {"http://example.com:65616", "example.com", false},
      {"null", "null", false},
      {"example.com", "example.com", false},
      {"://example.com", "example.com", false},
      {"*://example.com", "example.com", false},
      {"http://", "", false},
      {"http://a b", "a b", false},
  };
  const std::vector<std::string> other = {"https://other.example"};
  for (const auto& row : rows) {
    EXPECT_EQ(allowed(row.origin, row.host, {}), row.allowed) << row.origin << row.host;
    EXPECT_EQ(allowed(row.origin, row.host, {.origins = other}), row.allowed)
        << row.origin << row.host << ": a list takes nothing away";
  }
}

TEST(OriginTest, OfAnotherHostIsAllowedIfItIsListed) {
  const std::vector<std::string> list = {"https://app.example.com", "http://localhost:*",
                                         "https://*.wild.org",      "https://*.port.org:8443",
                                         "*://any.scheme",          "*://any.scheme.port:8080",
                                         "https://slash.org/",      "HTTPS://Upper.ORG",
                                         "https://default.org:443", "http://[0:0::1]:80",
                                         "capacitor://localhost",   "*://*.every.where:*",
                                         "https://xn--3e0b707e.kr", "chrome-extension://abcdefgh"};
  const struct {
    const char* origin;
    bool allowed;
  } rows[] = {
      {"", true},
      {"https://app.example.com", true},
      {"https://APP.example.com:443", true},
      {"http://localhost", true},
      {"http://localhost:3000", true},
      {"https://a.wild.org", true},
      {"https://a.b.wild.org", true},
      {"https://a.port.org:8443", true},
      {"http://any.scheme", true},
      {"https://any.scheme", true},
      {"https://any.scheme:443", true},
      {"https://any.scheme.port:8080", true},
      {"https://slash.org", true},
      {"https://upper.org", true},
      {"https://default.org", true},
      {"http://[::1]", true},
      {"capacitor://localhost", true},
      {"http://a.every.where:7", true},
      {"https://xn--3e0b707e.kr", true},
      {"chrome-extension://abcdefgh", true},
      {"http://app.example.com", false},
      {"https://app.example.com:444", false},
      {"https://example.com", false},
      {"https://localhost", false},
      {"https://wild.org", false},
      {"https://.wild.org", false},
      {"https://evilwild.org", false},
      {"https://a.wild.org.evil.com", false},
      {"http://a.wild.org", false},
      {"https://a.wild.org:8443", false},
      {"https://a.port.org", false},
      {"http://a.port.org:8443", false},
      {"https://any.scheme:80", false},
      {"https://any.scheme.port", false},
      {"https://slash.org/", false},  // no browser sends that
      {"http://default.org", false},
      {"http://[::2]", false},
      {"capacitor://localhost:1", false},
      {"null", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(allowed(row.origin, "the.host", {.origins = list}), row.allowed) << row.origin;
  }
}

TEST(OriginTest, WithoutAHostIsAllowedIfItIsListedAsSuch) {
  const auto with = [](const char* entry) { return PageRules{.origins = {entry}}; };
  EXPECT_FALSE(allowed("null", "the.host", {}));
  EXPECT_TRUE(allowed("null", "the.host", with("null")));
  EXPECT_FALSE(allowed("http://null", "the.host", with("null")));
  EXPECT_TRUE(allowed("null", "the.host", with("*")));
  EXPECT_TRUE(allowed("http://any.where", "the.host", with("*")));
}

TEST(OriginTest, OfANameThatAPageMadePointHereIsNotTheHostsOwn) {
  const std::vector<std::string> named = {"Dashboard.example.com", "stocks"};
  const struct {
    const char* origin;
    const char* host;
    bool from_here;  // straight from this machine, where nobody has named the host
    bool by_name;    // where it was named, from anywhere
  } rows[] = {
      {"http://evil.example:5111", "evil.example:5111", false, false},
      {"http://localhost.evil.example", "localhost.evil.example", false, false},
      {"http://127.0.0.1.evil.example", "127.0.0.1.evil.example", false, false},
      {"http://machine.evil.example", "machine.evil.example", false, false},
      {"http://dashboard.example.com", "dashboard.example.com", false, true},
      {"http://STOCKS:5111", "stocks:5111", false, true},
      {"http://a.stocks", "a.stocks", false, false},
      {"https://evil.example", "evil.example", true, false},  // TLS ended at a proxy
      {"ftp://evil.example:5111", "evil.example:5111", false, false},
      {"http://localhost:5111", "localhost:5111", true, true},
      {"http://stocks.localhost:5111", "stocks.localhost:5111", true, true},
      {"http://127.0.0.1:5111", "127.0.0.1:5111", true, true},
      {"http://10.0.0.7:5111", "10.0.0.7:5111", true, true},
      {"http://[::1]:5111", "[::1]:5111", true, true},
      {"http://machine:5111", "machine:5111", true, true},
  };
  for (const auto& row : rows) {
    AskedBy asked_by{.origin = row.origin, .host_header = row.host, .is_straight_from_here = true};
    EXPECT_EQ(page_allowed(asked_by, {.machine = "Machine"}), row.from_here) << row.origin;
    EXPECT_EQ(page_allowed(asked_by, {.hosts = named, .machine = "Machine"}), row.by_name)
        << row.origin;
    asked_by.is_straight_from_here = false;
    EXPECT_EQ(page_allowed(asked_by, {.hosts = named, .machine = "Machine"}), row.by_name)
        << row.origin;
    EXPECT_TRUE(page_allowed(asked_by, {.machine = "Machine"}))
        << "unnamed, and not from here: " << row.origin;
  }
}

TEST(OriginTest, OfTheHostItselfNeedsAName) {
  for (const char* good : {"dashboard.example.com", "Stocks", "10.0.0.7", "[::1]", "my_host"}) {
    EXPECT_TRUE(is_host_name(good)) << good;
  }
  for (const char* bad : {"", "a:80", "https://a", "a/b", "*.a", "::1", "a b", "한국.kr"}) {
    EXPECT_FALSE(is_host_name(bad)) << bad;
  }
}

TEST(OriginTest, OfTheListIsUnderstoodOrRefusedByName) {
  for (const char* good :
       {"*", "null", "https://example.com", "http://localhost:3000", "http://[::1]:80",
        "https://*.example.com", "https://*.example.com:8443", "https://example.com/",
        "*://example.com", "http://localhost:*", "*://*.example.com:*", "https://*.team.vercel.app",
        "http://*.lan", "http://*.localhost:*", "https://com"}) {
    EXPECT_EQ(expected_origin(good), "") << good;
  }
  const struct {
    const char* text;
    const char* expected;
  } rows[] = {
      {"", "https://*.host"},
      {"https://", "https://*.host"},
      {"https://*", "https://*.host"},
      {"https://*.", "https://*.host"},
      {"https://*example.com", "https://*.host"},
      {"https://a.*.com", "https://*.host"},
      {"https://*.*.com", "https://*.host"},
      {"https://*.[::1]", "https://*.host"},
      {"https://a.com, https://b.com", "https://host"},
      {"https://me@example.com", "https://host:port"},
      {"https://example.com:port", "https://host:port"},
      {"https://example.com:0", "https://host:port"},
      {"https://example.com:80:*", "http://host:*"},
      {"https://[::x]", "https://host"},
      {"ht tp://example.com", "https://host"},
      {"://example.com", "*://host"},
      {"example.com", "with its scheme, such as https://example.com"},
      {"localhost:3000", "with its scheme, such as https://localhost:3000"},
      {"*.example.com", "with its scheme"},
      {"https://example.com/ws", "without a path"},
      {"https://example.com//", "without a path"},
      {"https://example.com?x", "without a path"},
      {"wss://example.com", "with http:// or https://"},
      {"https://*.com", "anybody can have a host below com"},
      {"https://*.co.kr:8443", "below co.kr"},
      {"*://*.KR:*", "below kr"},
      {"https://*.vercel.app", "https://*.example.com"},
      {"https://*.xn--3e0b707e", "below xn--3e0b707e"},
      {"https://한국.kr", "xn--"},
      {"https://ex\xff.kr", "xn--"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(expected_origin(row.text), HasSubstr(row.expected)) << row.text;
  }
}

}  // namespace
}  // namespace broadcast

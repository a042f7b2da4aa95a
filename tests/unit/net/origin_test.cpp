#include "host/net/origin.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;

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
    EXPECT_EQ(origin_allowed(row.origin, row.host, {}), row.allowed) << row.origin << row.host;
    EXPECT_EQ(origin_allowed(row.origin, row.host, other), row.allowed)
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
    EXPECT_EQ(origin_allowed(row.origin, "the.host", list), row.allowed) << row.origin;
  }
}

TEST(OriginTest, WithoutAHostIsAllowedIfItIsListedAsSuch) {
  EXPECT_FALSE(origin_allowed("null", "the.host", {}));
  EXPECT_TRUE(origin_allowed("null", "the.host", std::vector<std::string>{"null"}));
  EXPECT_FALSE(origin_allowed("http://null", "the.host", std::vector<std::string>{"null"}));
  EXPECT_TRUE(origin_allowed("null", "the.host", std::vector<std::string>{"*"}));
  EXPECT_TRUE(origin_allowed("http://any.where", "the.host", std::vector<std::string>{"*"}));
}

TEST(OriginTest, OfTheListIsUnderstoodOrRefusedByName) {
  for (const char* good :
       {"*", "null", "https://example.com", "http://localhost:3000", "http://[::1]:80",
        "https://*.example.com", "https://*.example.com:8443", "https://example.com/",
        "*://example.com", "http://localhost:*", "*://*.example.com:*"}) {
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
      {"wss://example.com", "begins with http:// or https://"},
      {"https://한국.kr", "xn--"},
      {"https://ex\xff.kr", "xn--"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(expected_origin(row.text), HasSubstr(row.expected)) << row.text;
  }
}

}  // namespace
}  // namespace broadcast

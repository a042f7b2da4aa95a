#include "host/wire/proxy_protocol.hpp"

#include <sstream>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

/// "192.0.2.1:56324 after 44", "nobody after 16", "incomplete", or why not.
std::string read(std::string_view bytes) {
  const ProxyHeaderResult result = parse_proxy_header(bytes);
  if (std::holds_alternative<ProxyHeaderIncomplete>(result)) return "incomplete";
  if (const auto* const fault = std::get_if<ProxyHeaderFault>(&result)) {
    return std::string(fault->text);
  }
  const auto& header = std::get<ProxyHeader>(result);
  std::ostringstream text;
  if (header.source) {
    text << boost::asio::ip::tcp::endpoint(header.source->address, header.source->port);
  } else {
    text << "nobody";
  }
  text << " after " << header.bytes;
  return text.str();
}

std::string version_2(char command, char family, std::string_view addresses,
                      std::size_t length = SIZE_MAX) {
  if (length == SIZE_MAX) length = addresses.size();
  std::string header = kSignature;
  header += command;
  header += family;
  header += static_cast<char>(length >> 8);
  header += static_cast<char>(length & 0xFF);
  return header.append(addresses);
}

const std::string kV4("\xC0\x00\x02\x01\xC0\x00\x02\x02\xDC\x04\x01\xBB", 12);
const std::string kV6 = std::string("\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) +
                        std::string("\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x02", 16) +
                        std::string("\xDC\x04\x01\xBB", 4);

TEST(ProxyProtocolTest, Version1NamesTheClient) {
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET / HTTP/1.1\r\n"),
            "192.0.2.1:56324 after 42");
  EXPECT_EQ(read("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"),
            "[2001:db8::1]:56324 after 46");
  EXPECT_EQ(read("PROXY UNKNOWN\r\n"), "nobody after 15");
  EXPECT_EQ(read("PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), "nobody after 36");
}

TEST(ProxyProtocolTest, Version1IsReadToTheLetter) {
  for (const char* const line :
       {"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 056 443\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP6 fe80::1%1 ::2 1 2\r\n",
        "PROXY \r\n"}) {
    EXPECT_EQ(read(line), "a PROXY header of version 1 is malformed") << line;
  }
  EXPECT_THAT(read("PROXY TCP4 " + std::string(100, '1')), HasSubstr("longer than 107"));
}

TEST(ProxyProtocolTest, Version2NamesTheClient) {
  EXPECT_EQ(read(version_2('\x21', '\x11', kV4) + "GET "), "192.0.2.1:56324 after 28");
  EXPECT_EQ(read(version_2('\x21', '\x21', kV6)), "[2001:db8::1]:56324 after 52");
  EXPECT_EQ(read(version_2('\x21', '\x11', kV4 + std::string("\x04\x00\x01\x00", 4))),
            "192.0.2.1:56324 after 32")
      << "what it adds is passed over";
}

TEST(ProxyProtocolTest, Version2MayNameNobody) {
  EXPECT_EQ(read(version_2('\x20', '\x00', "")), "nobody after 16") << "its health check";
  EXPECT_EQ(read(version_2('\x20', '\x11', kV4)), "nobody after 28");
  EXPECT_EQ(read(version_2('\x21', '\x00', "")), "nobody after 16");
  EXPECT_EQ(read(version_2('\x21', '\x31', std::string(216, 'x'))), "nobody after 232");
}

TEST(ProxyProtocolTest, Version2SaysWhatIsWrong) {
  EXPECT_THAT(read(version_2('\x11', '\x11', kV4)), HasSubstr("another version"));
  EXPECT_THAT(read(version_2('\x22', '\x11', kV4)), HasSubstr("unknown command"));
  EXPECT_THAT(read(version_2('\x21', '\x11', kV4.substr(1))), HasSubstr("too short"));
  EXPECT_THAT(read(version_2('\x21', '\x21', kV4)), HasSubstr("too short"));
  EXPECT_THAT(read(version_2('\x21', '\x11', kV4, 2033)), HasSubstr("longer than 2048"))
      << "before all of it is there";
}

TEST(ProxyProtocolTest, WhateverElseComesIsNone) {
  for (const char* const text : {"GET / HTTP/1.1\r\n", "PROXX", "\r\n\r\nX", "\x16\x03\x01"}) {
    EXPECT_THAT(read(text), StartsWith("the connection does not begin")) << text;
  }
}

TEST(ProxyProtocolTest, EveryBeginningOfOneIsIncomplete) {
  for (const std::string& whole : {std::string("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"),
                                   version_2('\x21', '\x21', kV6)}) {
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
      EXPECT_EQ(read(whole.substr(0, bytes)), "incomplete") << bytes;
    }
  }
}

}  // namespace
}  // namespace broadcast

#include "host/wire/http_rules.hpp"

#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

namespace http = boost::beast::http;

const std::string kNamed = "Host: example.com\r\n";

http::request_header<> header_of(const std::string& head) {
  http::request_parser<http::empty_body> parser;
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head + "\r\n"), error);
  EXPECT_TRUE(parser.is_header_done()) << head << error.message();
  return parser.get().base();
}

TEST(HttpRulesTest, KnowWhomARequestIsForAndWhereItEnds) {
  const struct {
    std::string head;
    unsigned status;  // 0: it is clear
  } rows[] = {
      {"GET / HTTP/1.1\r\n" + kNamed, 0},
      {"GET / HTTP/1.1\r\nHost:\r\n", 0},
      {"GET / HTTP/1.0\r\n", 0},
      {"POST / HTTP/1.1\r\n" + kNamed + "Content-Length: 4\r\n", 0},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: chunked\r\n", 0},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: CHUNKED \r\n", 0},
      {"GET / HTTP/1.1\r\n", 400},
      {"GET / HTTP/1.1\r\n" + kNamed + kNamed, 400},
      {"GET / HTTP/1.0\r\n" + kNamed + kNamed, 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: xchunked\r\n", 501},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: identity\r\n", 501},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: chunked, identity\r\n", 501},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
       501},
      {"POST / HTTP/1.1\r\n" + kNamed + "Transfer-Encoding: gzip\r\nContent-Length: 4\r\n", 501},
  };
  for (const auto& row : rows) {
    const auto fault = framing_fault(header_of(row.head));
    EXPECT_EQ(fault ? fault->status : 0, row.status) << row.head;
  }
}

TEST(HttpRulesTest, KnowOneExpectation) {
  const std::string get = "GET / HTTP/1.1\r\n" + kNamed;
  EXPECT_FALSE(has_unknown_expectation(header_of(get)));
  EXPECT_FALSE(has_unknown_expectation(header_of(get + "Expect: 100-Continue\r\n")));
  EXPECT_TRUE(has_unknown_expectation(header_of(get + "Expect: 200-ok\r\n")));
  EXPECT_TRUE(has_unknown_expectation(header_of(get + "Expect: 100-continue\r\nExpect: tea\r\n")));
  EXPECT_FALSE(has_unknown_expectation(header_of("GET / HTTP/1.0\r\nExpect: tea\r\n")))
      << "HTTP/1.0 has none";
}

}  // namespace
}  // namespace broadcast

#include "host/wire/http_rules.hpp"

#include <algorithm>

#include <boost/beast/core/string.hpp>

namespace broadcast {

namespace {

namespace http = boost::beast::http;
using boost::beast::iequals;

}  // namespace

std::optional<FramingFault> framing_fault(const http::request_header<>& request) {
  const bool is_http_1_0 = request.version() < 11;
  const std::size_t hosts = request.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && !is_http_1_0)) {
    return FramingFault{400, "There must be one Host header"};
  }
  const std::size_t codings = request.count(http::field::transfer_encoding);
  if (codings == 0) return std::nullopt;
  // Beast takes what it does not know for no coding at all, and the body for the next request.
  if (codings > 1 || !iequals(request[http::field::transfer_encoding], "chunked")) {
    return FramingFault{501, "Transfer-Encoding may only be chunked"};
  }
  if (is_http_1_0 || request.count(http::field::content_length) > 0) {
    return FramingFault{400, "Transfer-Encoding needs HTTP/1.1, and no Content-Length"};
  }
  return std::nullopt;
}

bool has_unknown_expectation(const http::request_header<>& request) {
  const auto [first, last] = request.equal_range(http::field::expect);
  return request.version() >= 11 && std::any_of(first, last, [](const auto& field) {
           return !iequals(field.value(), "100-continue");
         });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

}  // namespace broadcast

// The first bytes of a connection: Beast reads the HTTP request as the listener has it do, then
// framing_fault() and check_upgrade() decide.

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>

#include "host/wire/http_rules.hpp"
#include "host/wire/origin.hpp"
#include "host/wire/upgrade.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

namespace http = boost::beast::http;
using fuzz::require;
using fuzz::require_equal;
using Parser = http::request_parser<http::empty_body>;

constexpr std::uint32_t kHeaderBytes = 8 * 1024;

bool read_header(Parser& parser, std::string_view bytes) {
  parser.header_limit(kHeaderBytes);
  parser.eager(false);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(bytes), error);
  return !error && parser.is_header_done();
}

std::string written(const UpgradeRefusal& refusal) {
  http::response<http::string_body> response;
  response.version(11);
  response.result(refusal.status);
  for (const auto& [name, value] : refusal.headers) response.set(name, value);
  response.body() = refusal.text;
  response.prepare_payload();
  std::ostringstream out;
  out << response;
  return out.str();
}

void check_refusal(const UpgradeRefusal& refusal) {
  constexpr std::array<unsigned, 4> kStatuses = {400, 403, 405, 426};
  require(std::ranges::find(kStatuses, refusal.status) != kStatuses.end(),
          "a refusal has a status that says whose mistake it is");
  fuzz::require_sentence(refusal.text);
  http::response_parser<http::string_body> parser;
  boost::system::error_code error;
  const std::string text = written(refusal);
  parser.eager(true);
  parser.put(boost::asio::buffer(text), error);
  require(!error && parser.is_done(), "a refusal is an HTTP response: " + text);
  require_equal(parser.get().body(), refusal.text, "a refusal arrives as it was meant");
}

/// What we answer is an offer of the same terms.
void check_deflate(const UpgradeVerdict& verdict) {
  if (!verdict.deflate) return;
  const DeflateAnswer again = answer_deflate_offers(verdict.deflate->answer);
  require(again.is_valid && again.terms, "an answer is a list: " + verdict.deflate->answer);
  require_equal(again.terms->answer, verdict.deflate->answer, "an answer keeps to the offer");
}

void check_verdict(const UpgradeVerdict& verdict) {
  if (verdict.accepted()) {
    require_equal(verdict.accept_key.size(), 28U, "an accept key is a SHA-1 in base64");
    check_deflate(verdict);
  } else {
    check_refusal(verdict.refusal);
  }
}

/// Taking origins up never shuts anybody out who needs none of them.
void check_origins(const http::request_header<>& request) {
  const std::string origin(request[http::field::origin]);
  const std::string host(request[http::field::host]);
  const auto allowed = [&](const PageRules& rules, std::string_view asked = {}) {
    return page_allowed({.origin = origin, .host_header = asked.empty() ? host : asked}, rules);
  };
  require(allowed({.origins = {"*"}}), "* is every origin");
  const PageRules other{.origins = {"https://other.example:7"}};
  require(!allowed({}) || allowed(other), "a list takes nothing away: " + origin);
  const bool is_plain = expected_origin(origin).empty() && !origin.ends_with('/') &&
                        origin.find('*') == std::string::npos;
  if (!is_plain) return;
  require(allowed({.origins = {"https://other.example", origin}}),
          "an origin that is listed is allowed: " + origin);
  require(origin == "https://other.example:7" || !allowed(other, "the.host") ||
              allowed({}, "the.host") ||
              std::ranges::any_of(origin, [](char c) { return c >= 'A' && c <= 'Z'; }),
          "another origin is not: " + origin);
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  Parser parser;
  if (!read_header(parser, fuzz::text_of(data, size))) return 0;
  const auto& request = parser.get();
  check_origins(request);
  if (const auto fault = framing_fault(request)) {
    fuzz::require_sentence(std::string(fault->text));
    return 0;
  }
  require(parser.chunked() == (request.count(http::field::transfer_encoding) > 0),
          "Beast and we read the same end");
  const PageRules listed{.origins = {"https://*.example.com", "http://localhost:3000"}};
  check_verdict(check_upgrade(request, listed, false));
  const UpgradeVerdict same_origin = check_upgrade(request, {}, false);
  check_verdict(same_origin);
  require(same_origin.accepted() || !check_upgrade(request, {}, true).accepted(),
          "what is straight from here is allowed no more");
  const UpgradeVerdict open = check_upgrade(request, {.origins = {"*"}}, true);
  check_verdict(open);
  require(open.accepted() || !same_origin.accepted(), "* allows what the same origin does");
  static_cast<void>(path_of(request.target()));
  static_cast<void>(subscribe_topics_of(request.target()));
  return 0;
}

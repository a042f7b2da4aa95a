// What a proxy says about the client in front of the bytes and in the request: the PROXY header as
// it arrives byte by byte, then Forwarded and X-Forwarded-For.

#include <algorithm>
#include <string>
#include <variant>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>

#include "host/wire/forwarded.hpp"
#include "host/wire/networks.hpp"
#include "host/wire/proxy_protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

namespace http = boost::beast::http;
using fuzz::require;

/// What has come decides: more bytes change a header that is there, or its fault, no more.
void check_proxy_header(std::string_view bytes) {
  const ProxyHeaderResult whole = parse_proxy_header(bytes);
  for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 300); ++size) {
    const ProxyHeaderResult part = parse_proxy_header(bytes.substr(0, size));
    if (const auto* const header = std::get_if<ProxyHeader>(&part)) {
      const auto* const again = std::get_if<ProxyHeader>(&whole);
      require(header->bytes == size, "a header ends with its last byte");
      require(again != nullptr && again->bytes == size && again->source == header->source,
              "what follows a header does not change it");
      return;
    }
    if (std::holds_alternative<ProxyHeaderFault>(part)) {
      require(std::holds_alternative<ProxyHeaderFault>(whole), "a fault stays one");
      return;
    }
  }
  if (std::holds_alternative<ProxyHeaderIncomplete>(whole)) {
    require(bytes.size() < kMostProxyHeader, "a header that is too long is a fault");
  }
}

void check_forwarded(std::string_view bytes) {
  http::request_parser<http::empty_body> parser;
  boost::system::error_code error;
  parser.put(boost::asio::buffer("GET / HTTP/1.1\r\n" + std::string(bytes) + "\r\n\r\n"), error);
  if (error || !parser.is_header_done()) return;
  const auto& request = parser.get().base();
  const auto proxy = boost::asio::ip::make_address("10.0.0.1");
  const Networks trusted({"10.0.0.0/8"});
  const RequestSource direct = source_of(request, proxy, Networks());
  require(
      direct.address == proxy && !direct.is_proxied && direct.host == request[http::field::host],
      "nobody is believed who is not trusted");
  const RequestSource proxied = source_of(request, proxy, trusted);
  require(proxied.is_proxied && proxied.address, "a trusted proxy has an address at least");
  require(!proxied.is_contradictory || proxied.address == proxy, "contradictions say nothing");
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = broadcast::fuzz::text_of(data, size);
  broadcast::check_proxy_header(text);
  broadcast::check_forwarded(text);
  return 0;
}

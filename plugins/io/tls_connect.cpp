#include "plugins/io/tls_connect.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/error.hpp>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "plugins/io/duration_text.hpp"
#include "plugins/io/host_lookup.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kLookupPeriod{20};

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value > 0 && value < 65536;
}

bool is_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
  });
}

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  Connector(IoThread& io, TlsUrl url, std::chrono::nanoseconds patience, TlsConnected done)
      : url_(std::move(url)),
        patience_(patience),
        done_(std::move(done)),
        deadline_(std::chrono::steady_clock::now() + patience),
        timer_(io.context()),
        stream_(std::make_unique<TlsStream>(io.context(), io.tls())) {}

  void start() {
    SSL* const tls = stream_->native_handle();
    error_code error;
    const auto address = asio::ip::make_address(url_.host, error);
    if (!error) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), url_.host.c_str());
      return connect({tcp::endpoint(address, port())});
    }
    if (SSL_set1_host(tls, url_.host.c_str()) != 1 ||
        SSL_set_tlsext_host_name(tls, url_.host.c_str()) != 1) {
      return fail("the host's name does not fit into a handshake");
    }
    lookup_.emplace(url_.host, url_.port);
    look_up();
  }

 private:
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoul(url_.port));
  }

  void look_up() {
    const auto found = lookup_->poll();
    if (found) return found->error.empty() ? connect(found->endpoints) : fail(found->error);
    if (std::chrono::steady_clock::now() >= deadline_) return fail("name servers do not answer");
    timer_.expires_after(kLookupPeriod);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->look_up();
    });
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): the lookup that has them goes here
  void connect(std::vector<tcp::endpoint> endpoints) {
    lookup_.reset();
    auto& tcp_stream = beast::get_lowest_layer(*stream_);
    tcp_stream.expires_at(deadline_);
    tcp_stream.async_connect(endpoints,
                             [self = shared_from_this()](error_code error, const tcp::endpoint&) {
                               error ? self->fail(self->text_of(error)) : self->shake_hands();
                             });
  }

  void shake_hands() {
    error_code ignored;
    beast::get_lowest_layer(*stream_).socket().set_option(tcp::no_delay(true), ignored);
    stream_->async_handshake(asio::ssl::stream_base::client,
                             [self = shared_from_this()](error_code error) {
                               error ? self->fail(self->handshake_text(error)) : self->succeed();
                             });
  }

  [[nodiscard]] std::string text_of(error_code error) const {
    return error == beast::error::timeout ? "no connection within " + in_ms(patience_)
                                          : error.message();
  }
  [[nodiscard]] std::string handshake_text(error_code error) const {
    const long verdict = SSL_get_verify_result(stream_->native_handle());
    if (verdict == X509_V_OK) return "TLS: " + text_of(error);
    return std::string("certificate refused: ") + X509_verify_cert_error_string(verdict);
  }

  void succeed() { done_(std::move(stream_), ""); }
  void fail(const std::string& why) {
    stream_.reset();
    done_(nullptr, url_.host_header() + ": " + why);
  }

  const TlsUrl url_;
  const std::chrono::nanoseconds patience_;
  const TlsConnected done_;
  const std::chrono::steady_clock::time_point deadline_;
  asio::steady_timer timer_;
  std::optional<HostLookup> lookup_;
  std::unique_ptr<TlsStream> stream_;
};

}  // namespace

/// Not by Boost.URL, which takes much that has no place here: users, queries, fragments.
TlsUrl TlsUrl::parse(const std::string& url, const std::string& scheme) {
  const std::string begin = scheme + "://";
  TlsUrl parsed{.port = "443", .path = "/"};
  if (url.starts_with(begin)) {
    const std::string rest = url.substr(begin.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string authority = rest.substr(0, slash);
    if (slash < rest.size()) parsed.path = rest.substr(slash);
    const std::size_t colon = authority.find(':');
    parsed.host = authority.substr(0, colon);
    if (colon != std::string::npos) parsed.port = authority.substr(colon + 1);
    const bool is_path = std::ranges::all_of(parsed.path, [](char c) { return c > 32 && c < 127; });
    if (is_host(parsed.host) && is_port(parsed.port) && is_path) return parsed;
  }
  throw std::invalid_argument("expected " + begin + "host[:port]" +
                              (scheme == "wss" ? "/path" : ""));
}

std::string TlsUrl::host_header() const { return port == "443" ? host : host + ":" + port; }

void connect_tls(IoThread& io, const TlsUrl& url, std::chrono::nanoseconds patience,
                 TlsConnected done) {
  std::make_shared<Connector>(io, url, patience, std::move(done))->start();
}

}  // namespace broadcast

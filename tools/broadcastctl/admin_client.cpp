#include "tools/broadcastctl/admin_client.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;

template <class Future>
void wait_for(boost::asio::io_context& io, Future future) {
  io.restart();
  io.run();
  future.get();
}

template <class Stream>
http::response<http::string_body> talk(boost::asio::io_context& io, Stream& stream,
                                       const http::request<http::empty_body>& request) {
  wait_for(io, http::async_write(stream, request, boost::asio::use_future));
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  wait_for(io, http::async_read(stream, buffer, parser, boost::asio::use_future));
  return parser.release();
}

ssl::context tls_context(const AdminAddress& address) {
  ssl::context context(ssl::context::tls_client);
  try {
    context.set_verify_mode(ssl::verify_peer);
    if (address.ca.empty()) {
      context.set_default_verify_paths();
    } else {
      context.load_verify_file(address.ca);
    }
    if (!address.certificate.empty()) {
      context.use_certificate_chain_file(address.certificate);
      context.use_private_key_file(address.key, ssl::context::pem);
    }
  } catch (const boost::system::system_error& error) {
    throw CannotRun("--ca, --cert or --key: " + error.code().message() + ". Name PEM files.");
  }
  return context;
}

http::response<http::string_body> exchange(const AdminAddress& address, http::verb method,
                                           const std::string& target) {
  http::request<http::empty_body> request(method, target, 11);
  request.set(http::field::host, address.text());
  request.set(http::field::connection, "close");
  if (!address.token.empty()) request.set(http::field::authorization, "Bearer " + address.token);
  request.prepare_payload();
  const bool is_ipv6 = address.host.starts_with('[');
  const std::string host = is_ipv6 ? address.host.substr(1, address.host.size() - 2) : address.host;
  boost::asio::io_context io;
  beast::tcp_stream stream(io);
  stream.expires_after(address.patience);  // only what is asynchronous heeds it
  wait_for(io, stream.async_connect(tcp::resolver(io).resolve(host, address.port),
                                    boost::asio::use_future));
  if (!address.is_tls) return talk(io, stream, request);
  ssl::context context = tls_context(address);
  ssl::stream<beast::tcp_stream&> tls(stream, context);
  tls.set_verify_callback(ssl::host_name_verification(host));
  static_cast<void>(SSL_set_tlsext_host_name(tls.native_handle(), host.c_str()));
  wait_for(io, tls.async_handshake(ssl::stream_base::client, boost::asio::use_future));
  return talk(io, tls, request);
}

std::string next_step_of_tls(std::string_view problem) {
  const auto says = [&](std::string_view text) { return problem.find(text) != problem.npos; };
  if (says("certificate required")) return "It wants a client's certificate: --cert and --key.";
  if (says("wrong version number") || says("http request")) {
    return "It does not speak TLS: leave https:// out.";
  }
  return "Is its certificate signed by a known CA, or by --ca, for this name?";
}

AdminAnswer ask(const AdminAddress& address, http::verb method, const std::string& target) {
  http::response<http::string_body> response;
  try {
    response = exchange(address, method, target);
  } catch (const boost::system::system_error& error) {
    if (error.code() == beast::error::timeout) {
      throw CannotRun(address.text() + ": no answer in time. Look at the host's log.");
    }
    if (error.code().category() == boost::asio::error::get_ssl_category()) {
      throw CannotRun(address.text() + ": " + error.code().message() + ". " +
                      next_step_of_tls(error.code().message()));
    }
    throw CannotRun(address.text() + ": " + error.code().message() +
                    ". Is the host running, and is this its admin.listen? (--admin)");
  }
  AdminAnswer answer{.status = response.result_int(),
                     .body = nlohmann::ordered_json::parse(response.body(), nullptr, false)};
  if (response.body().starts_with("TLS is spoken here")) {
    throw CannotRun(address.text() + " speaks TLS: --admin https://" + address.text() + ".");
  }
  if (!answer.body.is_object()) {
    throw CannotRun(address.text() + ": HTTP " + std::to_string(answer.status) +
                    " and no JSON: that is not a broadcast-host's admin.listen. Check --admin.");
  }
  if (answer.status == 401 || answer.status == 403) {
    throw CannotRun(address.text() + ": " + answer.body.value("message", "refused") +
                    ". Give a token with the right scope: --token, or ADMIN_TOKEN.");
  }
  return answer;
}

}  // namespace

AdminAddress admin_address(std::string_view text, std::string token) {
  constexpr std::string_view kHttps = "https://";
  const bool is_tls = text.starts_with(kHttps);
  if (is_tls) text.remove_prefix(kHttps.size());
  if (constexpr std::string_view kHttp = "http://"; text.starts_with(kHttp)) {
    text.remove_prefix(kHttp.size());
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t colon = text.rfind(':');
  if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size()) {
    throw CannotRun(
        "--admin: expected host:port such as 127.0.0.1:5112 or https://localhost:5112, found " +
        std::string(text) + ".");
  }
  return {.host = std::string(text.substr(0, colon)),
          .port = std::string(text.substr(colon + 1)),
          .token = std::move(token),
          .is_tls = is_tls};
}

AdminAnswer get_from_admin(const AdminAddress& address, const std::string& target) {
  return ask(address, http::verb::get, target);
}

AdminAnswer post_to_admin(const AdminAddress& address, const std::string& target) {
  return ask(address, http::verb::post, target);
}

}  // namespace broadcast

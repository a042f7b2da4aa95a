#include "tools/broadcastctl/admin_client.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
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
using boost::asio::ip::tcp;

template <class Future>
void wait_for(boost::asio::io_context& io, Future future) {
  io.restart();
  io.run();
  future.get();
}

http::response<http::string_body> exchange(const AdminAddress& address, http::verb method,
                                           const std::string& target) {
  http::request<http::empty_body> request(method, target, 11);
  request.set(http::field::host, address.text());
  request.set(http::field::connection, "close");
  if (!address.token.empty()) request.set(http::field::authorization, "Bearer " + address.token);
  request.prepare_payload();
  const bool is_ipv6 = address.host.starts_with('[');
  boost::asio::io_context io;
  beast::tcp_stream stream(io);
  stream.expires_after(address.patience);  // only what is asynchronous heeds it
  wait_for(io, stream.async_connect(
                   tcp::resolver(io).resolve(
                       is_ipv6 ? address.host.substr(1, address.host.size() - 2) : address.host,
                       address.port),
                   boost::asio::use_future));
  wait_for(io, http::async_write(stream, request, boost::asio::use_future));
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  wait_for(io, http::async_read(stream, buffer, parser, boost::asio::use_future));
  return parser.release();
}

AdminAnswer ask(const AdminAddress& address, http::verb method, const std::string& target) {
  http::response<http::string_body> response;
  try {
    response = exchange(address, method, target);
  } catch (const boost::system::system_error& error) {
    if (error.code() == beast::error::timeout) {
      throw CannotRun(address.text() + ": no answer in time. Look at the host's log.");
    }
    throw CannotRun(address.text() + ": " + error.code().message() +
                    ". Is the host running, and is this its admin.listen? (--admin)");
  }
  AdminAnswer answer{.status = response.result_int(),
                     .body = nlohmann::ordered_json::parse(response.body(), nullptr, false)};
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
  const std::size_t colon = text.rfind(':');
  if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size()) {
    throw CannotRun("--admin: expected host:port such as 127.0.0.1:5112, found " +
                    std::string(text) + ".");
  }
  return {.host = std::string(text.substr(0, colon)),
          .port = std::string(text.substr(colon + 1)),
          .token = std::move(token)};
}

AdminAnswer get_from_admin(const AdminAddress& address, const std::string& target) {
  return ask(address, http::verb::get, target);
}

AdminAnswer post_to_admin(const AdminAddress& address, const std::string& target) {
  return ask(address, http::verb::post, target);
}

}  // namespace broadcast

#include "host/admin/admin_exchange.hpp"

#include <utility>
#include <variant>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>

#include "host/admin/access.hpp"
#include "host/admin/operate_endpoint.hpp"
#include "host/base/printable.hpp"
#include "host/net/door_log.hpp"
#include "host/wire/http_rules.hpp"
#include "host/wire/upgrade.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kHeaderBytes = 8 * 1024;
/// How long a peer may go on sending after its last answer.
constexpr std::chrono::seconds kFarewell{2};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    "Content-Length: 33\r\n\r\nTLS is spoken here: use https://\n";
constexpr std::size_t kShownBytes = 256;

/// What an answer is counted as, if it is a refusal. 503 is none: it is /readyz's answer, too.
std::optional<Counter> refusal_of(unsigned status) {
  switch (status) {
    case 400:
    case 501:
      return Counter::kAdminBadRequest;
    case 401:
      return Counter::kAdminUnauthorized;
    case 403:
      return Counter::kAdminForbidden;
    case 404:
      return Counter::kAdminNotFound;
    case 405:
      return Counter::kAdminMethod;
    case 413:
    case 431:
      return Counter::kAdminTooLarge;
    case 417:
      return Counter::kAdminExpectation;
    case 422:
      return Counter::kAdminContent;
    case 504:
      return Counter::kAdminTimeout;
    default:
      return std::nullopt;
  }
}

AdminReply reply_of(const FramingFault& fault) {
  return admin_error(fault.status, fault.status == 501 ? "not_implemented" : "bad_request",
                     fault.text);
}

AdminReply busy_reply(std::size_t connections) {
  AdminReply reply = admin_error(503, "busy",
                                 "All " + std::to_string(connections) +
                                     " connections are busy (admin.connections); try again later");
  reply.retry_after = std::chrono::seconds(1);
  return reply;
}

}  // namespace

void AdminShared::note_refusal(Counter reason, const std::function<std::string()>& what) {
  counters.add(reason);
  const auto line =
      log_throttle.line(std::string("admin: refused (") + reason_word(reason) + ")", mono_now());
  if (line) spdlog::warn("{}: {}{}", line->name, printable(what(), kShownBytes), line->more());
}

AdminExchange::AdminExchange(std::shared_ptr<AdminShared> shared, tcp::socket socket, Place place)
    : shared_(std::move(shared)),
      place_(place),
      stream_(std::move(socket), shared_->options.tls),
      timer_(shared_->io) {
  shared_->open.insert(this);
}

void AdminExchange::leave() {
  shared_->open.erase(this);
  is_over_ = true;
}

void AdminExchange::close() {
  leave();
  timer_.cancel();
  stream_.close();
}

// The request.

void AdminExchange::start() {
  if (!stream_.is_tls()) return read();
  stream_.expires_after(shared_->options.idle);
  stream_.async_handshake([self = shared_from_this()](error_code error) {
    if (self->is_over_) return;
    if (error) return self->on_no_tls(error);
    self->read();
  });
}

void AdminExchange::on_no_tls(error_code error) {
  const bool is_tls_fault = error.category() == asio::error::get_ssl_category();
  if (!is_tls_fault) return;  // it is gone, or was quiet for too long
  shared_->note_refusal(Counter::kAdminTls, [&] {
    return peer_of(stream_.socket().native_handle()) + ": no TLS handshake: " + error.message();
  });
  const bool is_http =
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
  if (!is_http) return say_farewell();  // it was told
  stream_.expires_after(kFarewell);
  asio::async_write(stream_.tcp(), asio::buffer(kSpeakTls),
                    [self = shared_from_this()](error_code failed, std::size_t) {
                      if (!failed && !self->is_over_) self->say_farewell();
                    });
}

/// The next request.
void AdminExchange::read() {
  parser_.emplace();
  parser_->header_limit(kHeaderBytes);
  parser_->body_limit(shared_->options.body_bytes);
  is_head_ = false;
  waits_since_ = mono_now();
  stream_.expires_after(shared_->options.idle);
  http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](error_code error, std::size_t) { self->on_head(error); });
}

void AdminExchange::on_head(error_code error) {
  if (is_over_) return;  // though the request came in the same moment
  if (error) return on_bad_request(error);
  const auto& request = parser_->get();
  keep_alive_ = request.keep_alive() && place_ == Place::kAny;
  is_http_1_0_ = request.version() < 11;
  is_head_ = request.method() == http::verb::head;
  if (const auto fault = framing_fault(request)) return last_answer(reply_of(*fault));
  route_ = route_of(request.method(), request.target());
  if (place_ == Place::kProbe && !is_for_everybody()) {
    const AdminReply reply = busy_reply(shared_->options.connections);
    note_refusal(Counter::kAdminFull, reply);
    return last_answer(reply);
  }
  if (const auto refusal = refuse_head()) return refuse(*refusal);
  // A page has no body worth waiting for.
  is_busy_ = request.method() == http::verb::post;
  const bool is_waited_for = !is_http_1_0_ && request.count(http::field::expect) > 0;
  if (!is_waited_for || parser_->is_done()) return read_body();
  asio::async_write(stream_, asio::buffer(kContinue),
                    [self = shared_from_this()](error_code failed, std::size_t) {
                      if (!failed && !self->is_over_) self->read_body();
                    });
}

void AdminExchange::read_body() {
  if (parser_->is_done()) return on_body({});
  stream_.expires_after(shared_->options.idle);
  http::async_read(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](error_code error, std::size_t) { self->on_body(error); });
}

void AdminExchange::on_body(error_code error) {
  if (is_over_) return;
  if (error) return on_bad_request(error);
  answering_ = true;
  // Whoever needs no token could ask again and again, and read no answer.
  is_busy_ = !is_for_everybody();
  handle();
}

void AdminExchange::on_bad_request(error_code error) {
  if (error == http::error::body_limit) {
    shared_->counters.add(Counter::kLimitPublish);
    return last_answer(admin_error(413, "too_large",
                                   "The body may have " +
                                       std::to_string(shared_->options.body_bytes) +
                                       " bytes (limits.publish)"));
  }
  if (error == http::error::header_limit) {
    return last_answer(admin_error(431, "too_large", "The headers are too large"));
  }
  if (error.category() == make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return last_answer(admin_error(400, "bad_request", "Not HTTP: " + error.message()));
  }
  // Otherwise it is gone, or was quiet for too long.
}

/// What can be said before the body is there.
std::optional<AdminReply> AdminExchange::refuse_head() const {
  const auto& request = parser_->get();
  const auto& tokens = shared_->options.tokens;
  const std::string_view authorization = request[http::field::authorization];
  if (has_unknown_expectation(request)) {
    return admin_error(417, "expectation", "Expect may only be 100-continue");
  }
  if (const auto* const refusal = std::get_if<AdminReply>(&route_)) return *refusal;
  if (tokens.empty() && comes_from_a_page()) {
    return admin_error(403, "forbidden",
                       "Requests from web pages, or to a name other than localhost, need a token "
                       "(admin.tokens)");
  }
  if (is_for_everybody()) return std::nullopt;
  if (std::holds_alternative<const Page*>(route_)) return refuse_read(tokens, authorization);
  if (std::holds_alternative<Operate>(route_) || std::holds_alternative<ForgetTopics>(route_)) {
    return refuse_operate(tokens, authorization);
  }
  return shared_->publish.refuse(std::get<PublishOn>(route_).topic, authorization);
}

/// Without tokens the listener trusts this machine, but not every web page open in its browser:
/// neither one that says where it is from, nor one that is asked for under a name of its own.
bool AdminExchange::comes_from_a_page() const {
  const auto& request = parser_->get();
  return request.find(http::field::origin) != request.end() ||
         !names_this_machine(request[http::field::host], shared_->options.listen.address());
}

bool AdminExchange::is_for_everybody() const {
  const auto* const page = std::get_if<const Page*>(&route_);
  return page != nullptr && (*page)->is_open;
}

void AdminExchange::handle() {
  const auto& options = shared_->options;
  auto& request = parser_->get();
  if (const auto* const page = std::get_if<const Page*>(&route_)) {
    return (*page)->reply(shared_->host, request.target(),
                          answer_in_time("A shard has not answered yet", options.answer_within));
  }
  if (const auto* const wanted = std::get_if<Operate>(&route_)) return operate(*wanted);
  if (const auto* const wanted = std::get_if<ForgetTopics>(&route_)) {
    return answer(forget_topics(shared_->host.topics, wanted->topic));
  }
  shared_->publish.handle(
      std::get<PublishOn>(route_).topic, request.body(), request[http::field::authorization],
      answer_in_time("The broadcaster has not answered yet", options.answer_within));
}

void AdminExchange::operate(const Operate& wanted) {
  auto done =
      [answer = answer_in_time("The change is still under way", shared_->options.operate_within)](
          const Operation& operation) { answer(broadcast::reply_of(operation)); };
  if (wanted.broadcaster.empty()) {
    shared_->host.operators.reload(std::move(done));
  } else {
    shared_->host.operators.act(wanted.broadcaster, wanted.action, std::move(done));
  }
}

// The answer.

/// What takes the answer, on [any]; after `within` that is 504 with `reason`.
std::function<void(AdminReply)> AdminExchange::answer_in_time(std::string_view reason,
                                                              std::chrono::nanoseconds within) {
  stream_.expires_never();
  answered_ = false;
  const std::uint64_t turn = ++turn_;
  give_up_after(within, turn, reason);
  return [weak = weak_from_this(), io = &shared_->io, turn](AdminReply reply) {
    asio::post(*io, [weak, turn, reply = std::move(reply)] {
      if (const auto self = weak.lock()) self->answer_turn(turn, reply);
    });
  };
}

void AdminExchange::give_up_after(std::chrono::nanoseconds within, std::uint64_t turn,
                                  std::string_view reason) {
  timer_.expires_after(within);
  timer_.async_wait([self = shared_from_this(), within, turn, reason](error_code error) {
    if (error) return;
    if (was_slept_through(self->timer_.expiry(), mono_now())) {
      return self->give_up_after(within, turn, reason);
    }
    self->answer_turn(turn, admin_error(504, "timeout", reason));
  });
}

void AdminExchange::answer_turn(std::uint64_t turn, const AdminReply& reply) {
  if (turn != turn_ || std::exchange(answered_, true)) return;
  timer_.cancel();
  answer(reply);
}

/// Of a request whose body is not read, so nothing can come behind it.
void AdminExchange::refuse(const AdminReply& reply) {
  if (!parser_->is_done()) keep_alive_ = false;
  answer(reply);
}

void AdminExchange::last_answer(const AdminReply& reply) {
  keep_alive_ = false;
  answer(reply);
}

void AdminExchange::answer(const AdminReply& reply) {
  if (const auto refused = refusal_of(reply.status)) note_refusal(*refused, reply);
  if (reply.is_to_a_guess) return write_later(reply);
  write(reply);
}

/// Meanwhile it is idle, so nobody has to wait for it.
void AdminExchange::write_later(const AdminReply& reply) {
  stream_.expires_never();
  timer_.expires_after(shared_->options.after_a_guess);
  timer_.async_wait([self = shared_from_this(), reply](error_code error) {
    if (!error && !self->is_over_) self->write(reply);
  });
}

void AdminExchange::write(const AdminReply& reply) {
  response_ = {};
  response_.version(11);
  response_.result(reply.status);
  response_.set(http::field::content_type, reply.content_type);
  response_.set(http::field::cache_control, "no-store");
  if (reply.status == 401) response_.set(http::field::www_authenticate, "Bearer");
  if (!reply.allow.empty()) response_.set(http::field::allow, reply.allow);
  if (reply.retry_after) {
    response_.set(http::field::retry_after, std::to_string(reply.retry_after->count()));
  }
  response_.body() = reply.body;
  response_.keep_alive(keep_alive_);
  // Where HTTP/1.1 says nothing, an older client would wait for the end.
  if (keep_alive_ && is_http_1_0_) response_.set(http::field::connection, "keep-alive");
  response_.prepare_payload();
  if (is_head_) response_.body().clear();
  stream_.expires_after(shared_->options.idle);
  http::async_write(stream_, response_, [self = shared_from_this()](error_code error, std::size_t) {
    self->on_written(error);
  });
}

/// The token stays out of the log, as does the query string.
void AdminExchange::note_refusal(Counter reason, const AdminReply& reply) {
  shared_->note_refusal(reason, [&] {
    const std::string peer = peer_of(stream_.socket().native_handle());
    std::string text = peer.empty() ? "gone" : peer;
    const auto& request = parser_->get();
    if (!request.target().empty()) {
      text.append(": ").append(request.method_string());
      text.append(" ").append(path_of(request.target()));
    }
    return text + ": " + std::to_string(reply.status) + " " + reply.body;
  });
}

void AdminExchange::on_written(error_code error) {
  answering_ = is_busy_ = false;
  waits_since_ = mono_now();
  if (error || is_over_) return;
  if (keep_alive_) return read();
  stream_.expires_after(kFarewell);
  stream_.async_end([self = shared_from_this()](error_code) {
    if (!self->is_over_) self->say_farewell();
  });
}

void AdminExchange::say_farewell() {
  error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kFarewell);
  read_out();
}

/// Unread input would turn the close into a reset that overtakes the answer.
void AdminExchange::read_out() {
  stream_.tcp().async_read_some(buffer_.prepare(kHeaderBytes),
                                [self = shared_from_this()](error_code error, std::size_t) {
                                  if (!error) self->read_out();
                                });
}

}  // namespace broadcast

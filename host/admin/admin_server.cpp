#include "host/admin/admin_server.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <unordered_set>
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/spdlog.h>

#include "host/admin/operate_endpoint.hpp"
#include "host/admin/routes.hpp"
#include "host/base/clock.hpp"
#include "host/base/printable.hpp"
#include "host/base/seldom.hpp"
#include "host/net/door_log.hpp"
#include "host/net/http_rules.hpp"
#include "host/net/listener.hpp"
#include "host/net/upgrade.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kHeaderBytes = 8 * 1024;
/// How long a peer may go on sending after its last answer.
constexpr std::chrono::seconds kFarewell{2};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
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

std::string peer_text(tcp::socket& socket) {
  const std::string peer = peer_of(socket.native_handle());
  return peer.empty() ? "gone" : peer;
}

}  // namespace

struct AdminServer::Core {
  Core(asio::io_context& context, HostView view, Options chosen, Counters& own)
      : io(context),
        host(std::move(view)),
        options(std::move(chosen)),
        counters(own),
        publish(host.hub, options.tokens, counters),
        acceptor(context),
        retry(context) {}

  static void accept(const std::shared_ptr<Core>& self);
  void note_no_accept(error_code error);
  static void welcome(const std::shared_ptr<Core>& self, tcp::socket socket);
  /// Ends the connection that has waited longest for its next request. False: none waits.
  [[nodiscard]] bool try_make_room();
  /// Counts it, and tells the log of the first one in a minute; `what` is only called then.
  template <class What>
  void note_refusal(Counter reason, What what) {
    counters.add(reason);
    const auto line =
        seldom.line(std::string("admin: refused (") + reason_word(reason) + ")", mono_now());
    if (line) spdlog::warn("{}: {}{}", line->name, printable(what(), kShownBytes), line->more());
  }

  asio::io_context& io;
  const HostView host;
  Options options;
  Counters& counters;
  PublishEndpoint publish;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::unordered_set<Exchange*> open;
  std::size_t turned_away = 0;  // of them
  Seldom seldom;
};

/// One producer's connection: a request, its answer, and again while it is kept alive.
class AdminServer::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Core> core, tcp::socket socket)
      : core_(std::move(core)), stream_(std::move(socket)), timer_(core_->io) {
    core_->open.insert(this);
  }
  ~Exchange() { leave(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(kHeaderBytes);
    parser_->body_limit(core_->options.body_bytes);
    refusal_.reset();
    is_head_ = false;
    waits_since_ = mono_now();
    stream_.expires_after(core_->options.idle);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_head(error); });
  }

  /// Instead of read().
  void turn_away() {
    is_turned_away_ = true;
    ++core_->turned_away;
    AdminReply reply = admin_error(503, "busy",
                                   "There are as many connections as there may be "
                                   "(admin.connections); try again later");
    reply.retry_after = std::chrono::seconds(1);
    last_answer(reply);
  }

  void close() {
    leave();
    timer_.cancel();
    stream_.close();
  }

  [[nodiscard]] bool is_answering() const { return answering_; }
  /// Nothing is lost if it ends: it has sent no whole request, nor the head of one that may change
  /// something.
  [[nodiscard]] bool is_idle() const { return !is_busy_ && !is_turned_away_; }
  [[nodiscard]] MonoTime waits_since() const { return waits_since_; }

 private:
  void leave() {
    if (core_->open.erase(this) > 0 && is_turned_away_) --core_->turned_away;
    is_over_ = true;
  }

  void on_head(error_code error) {
    if (is_over_) return;  // though the request came in the same moment
    if (error) return on_bad_request(error);
    const auto& request = parser_->get();
    keep_alive_ = request.keep_alive();
    is_http_1_0_ = request.version() < 11;
    is_head_ = request.method() == http::verb::head;
    if (const auto fault = framing_fault(request)) return last_answer(reply_of(*fault));
    route_ = route_of(request.method(), request.target());
    refusal_ = refuse_head();
    // A page is asked for by anybody, and has no body worth waiting for.
    is_busy_ = !refusal_ && request.method() == http::verb::post;
    const bool is_waited_for = !is_http_1_0_ && request.count(http::field::expect) > 0;
    if (!is_waited_for || parser_->is_done()) return read_body();
    // The body is not under way, and may never be: what comes next could be one or a request.
    if (refusal_) return last_answer(*refusal_);
    asio::async_write(stream_, asio::buffer(kContinue),
                      [self = shared_from_this()](error_code failed, std::size_t) {
                        if (!failed && !self->is_over_) self->read_body();
                      });
  }

  /// Of one that is refused as well: the connection goes on behind it.
  void read_body() {
    if (parser_->is_done()) return on_body({});
    stream_.expires_after(core_->options.idle);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_body(error); });
  }

  void on_body(error_code error) {
    if (is_over_) return;
    if (error) return on_bad_request(error);
    answering_ = true;
    if (refusal_) return answer(*refusal_);
    is_busy_ = true;
    handle();
  }

  void on_bad_request(error_code error) {
    if (error == http::error::body_limit) {
      core_->counters.add(Counter::kLimitPublish);
      return last_answer(admin_error(413, "too_large",
                                     "The body may have " +
                                         std::to_string(core_->options.body_bytes) +
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
  [[nodiscard]] std::optional<AdminReply> refuse_head() {
    const auto& request = parser_->get();
    const std::string_view authorization = request[http::field::authorization];
    if (has_unknown_expectation(request)) {
      return admin_error(417, "expectation", "Expect can be 100-continue");
    }
    if (const auto* const refusal = std::get_if<AdminReply>(&route_)) return *refusal;
    if (core_->options.tokens.empty() && comes_from_a_page()) {
      return admin_error(403, "forbidden",
                         "Requests from web pages, and to other names than localhost, need a token "
                         "(admin.tokens)");
    }
    if (const auto* const page = std::get_if<const Page*>(&route_)) {
      if ((*page)->is_open) return std::nullopt;
      return refuse_read(core_->options.tokens, authorization);
    }
    if (std::holds_alternative<Operate>(route_)) {
      return refuse_operate(core_->options.tokens, authorization);
    }
    return core_->publish.refuse(std::get<PublishOn>(route_).topic, authorization);
  }

  void handle() {
    auto& request = parser_->get();
    if (const auto* const page = std::get_if<const Page*>(&route_)) return read_page(**page);
    if (const auto* const wanted = std::get_if<Operate>(&route_)) return operate(*wanted);
    wait_for_verdict(std::get<PublishOn>(route_).topic, std::move(request.body()),
                     request[http::field::authorization]);
  }

  /// Without tokens the listener trusts this machine, but not every web page open in its browser:
  /// neither one that says where it is from, nor one that is asked for under a name of its own.
  [[nodiscard]] bool comes_from_a_page() const {
    const auto& request = parser_->get();
    return request.find(http::field::origin) != request.end() ||
           !names_this_machine(request[http::field::host], core_->options.listen.address());
  }

  void read_page(const Page& page) {
    page.reply(core_->host, parser_->get().target(),
               answer_in_time("A shard has not answered yet"));
  }

  void wait_for_verdict(const std::string& topic, std::string body,
                        std::string_view authorization) {
    core_->publish.handle(topic, std::move(body), authorization,
                          answer_in_time("The broadcaster has not answered yet"));
  }

  void operate(const Operate& wanted) {
    auto done =
        [answer = answer_in_time("The change is still under way", core_->options.operate_within)](
            const Operation& operation) { answer(broadcast::reply_of(operation)); };
    if (wanted.broadcaster.empty()) {
      core_->host.operators.reload(std::move(done));
    } else {
      core_->host.operators.act(wanted.broadcaster, wanted.action, std::move(done));
    }
  }

  std::function<void(AdminReply)> answer_in_time(std::string_view reason) {
    return answer_in_time(reason, core_->options.answer_within);
  }
  /// What takes the answer, on [any]; after `within` that is 504 with `reason`.
  std::function<void(AdminReply)> answer_in_time(std::string_view reason,
                                                 std::chrono::nanoseconds within) {
    stream_.expires_never();
    answered_ = false;
    const std::uint64_t turn = ++turn_;
    give_up_after(within, turn, reason);
    return [weak = weak_from_this(), io = &core_->io, turn](AdminReply reply) {
      asio::post(*io, [weak, turn, reply = std::move(reply)] {
        if (const auto self = weak.lock()) self->answer_turn(turn, reply);
      });
    };
  }

  void give_up_after(std::chrono::nanoseconds within, std::uint64_t turn, std::string_view reason) {
    timer_.expires_after(within);
    timer_.async_wait([self = shared_from_this(), within, turn, reason](error_code error) {
      if (error) return;
      if (was_slept_through(self->timer_.expiry(), mono_now())) {
        return self->give_up_after(within, turn, reason);
      }
      self->answer_turn(turn, admin_error(504, "timeout", reason));
    });
  }

  void answer_turn(std::uint64_t turn, const AdminReply& reply) {
    if (turn != turn_ || std::exchange(answered_, true)) return;
    timer_.cancel();
    answer(reply);
  }

  void last_answer(const AdminReply& reply) {
    keep_alive_ = false;
    answer(reply);
  }

  void answer(const AdminReply& reply) {
    if (const auto refused = refusal_of(reply.status)) note_refusal(*refused, reply);
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
    stream_.expires_after(core_->options.idle);
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_written(error); });
  }

  /// The token stays out of the log, as does the query string.
  void note_refusal(Counter reason, const AdminReply& reply) {
    core_->note_refusal(reason, [&] {
      std::string text = peer_text(stream_.socket());
      const auto& request = parser_->get();
      if (!request.target().empty()) {
        text.append(": ").append(request.method_string());
        text.append(" ").append(path_of(request.target()));
      }
      return text + ": " + std::to_string(reply.status) + " " + reply.body;
    });
  }

  void on_written(error_code error) {
    answering_ = is_busy_ = false;
    waits_since_ = mono_now();
    if (error || is_over_) return;
    if (keep_alive_) return read();
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kFarewell);
    read_out();
  }

  /// Unread input would turn the close into a reset that overtakes the answer.
  void read_out() {
    stream_.async_read_some(buffer_.prepare(kHeaderBytes),
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) self->read_out();
                            });
  }

  const std::shared_ptr<Core> core_;
  beast::tcp_stream stream_;
  asio::steady_timer timer_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  Route route_;
  std::optional<AdminReply> refusal_;  // of the request whose body is being read
  MonoTime waits_since_ = mono_now();
  std::uint64_t turn_ = 0;
  bool answered_ = false;
  bool answering_ = false;
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool is_http_1_0_ = false;
  bool is_busy_ = false;         // with a request that it may make
  bool is_turned_away_ = false;  // beyond the limit
  bool is_over_ = false;         // closed; what is under way ends by itself
};

bool AdminServer::Core::try_make_room() {
  const auto goes_first = [](const Exchange* left, const Exchange* right) {
    return std::pair(!left->is_idle(), left->waits_since()) <
           std::pair(!right->is_idle(), right->waits_since());
  };
  const auto idle = std::ranges::min_element(open, goes_first);
  if (idle == open.end() || !(*idle)->is_idle()) return false;
  (*idle)->close();
  return true;
}

/// The newest is an operator as likely as any other, so who is idle goes first.
void AdminServer::Core::welcome(const std::shared_ptr<Core>& self, tcp::socket socket) {
  const bool is_full = self->open.size() - self->turned_away >= self->options.connections;
  if (is_full) self->counters.add(Counter::kLimitAdminConnections);
  if (!is_full || self->try_make_room()) {
    return std::make_shared<Exchange>(self, std::move(socket))->read();
  }
  self->note_refusal(Counter::kAdminFull, [&] {
    return peer_text(socket) + ": all " + std::to_string(self->options.connections) +
           " connections are busy (admin.connections)";
  });
  if (self->turned_away >= kTurnedAway) return;
  std::make_shared<Exchange>(self, std::move(socket))->turn_away();
}

void AdminServer::Core::note_no_accept(error_code error) {
  const auto line = seldom.line("admin.listen", mono_now());
  if (!line) return;
  spdlog::error("{}: cannot accept: {}. Out of descriptors? Raise the limit (ulimit -n){}",
                line->name, ::strerrordesc_np(error.value()), line->more());
}

void AdminServer::Core::accept(const std::shared_ptr<Core>& self) {
  self->acceptor.async_accept([self](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // out of descriptors, most likely: not again at once, unless there is one now
      const bool is_needed = somebody_waits(self->acceptor);
      if (is_needed) self->note_no_accept(error);
      if (is_needed && self->try_make_room()) return accept(self);
      self->retry.expires_after(std::chrono::seconds(1));
      self->retry.async_wait([self](error_code stopped) {
        if (!stopped) accept(self);
      });
      return;
    }
    welcome(self, std::move(socket));
    accept(self);
  });
}

AdminServer::AdminServer(asio::io_context& io, HostView host, Options options, Counters& counters)
    : core_(std::make_shared<Core>(io, std::move(host), std::move(options), counters)) {
  const tcp::endpoint& listen = core_->options.listen;
  try {
    core_->acceptor.open(listen.protocol());
    core_->acceptor.set_option(tcp::acceptor::reuse_address(true));
    core_->acceptor.bind(listen);
    core_->acceptor.listen();
  } catch (const boost::system::system_error& error) {
    std::ostringstream words;
    words << "admin.listen: " << listen << ": " << error.code().message()
          << ". Is another host running? Stop it, or choose another port.";
    throw std::runtime_error(words.str());
  }
  Core::accept(core_);
}

AdminServer::~AdminServer() { stop(); }

tcp::endpoint AdminServer::endpoint() const { return core_->acceptor.local_endpoint(); }

void AdminServer::set_limits(Options options) {
  core_->options.tokens = std::move(options.tokens);
  core_->options.body_bytes = options.body_bytes;
  core_->options.connections = options.connections;
}

void AdminServer::on_tick(MonoTime now) {
  for (const Seldom::Line& one : core_->seldom.due(now)) {
    spdlog::warn("{}", one.rest());
  }
}

void AdminServer::stop_accepting() {
  error_code ignored;
  core_->acceptor.close(ignored);
  core_->retry.cancel();
}

bool AdminServer::is_answering() const {
  return std::ranges::any_of(core_->open, &Exchange::is_answering);
}

void AdminServer::stop() {
  stop_accepting();
  const std::vector<Exchange*> open(core_->open.begin(), core_->open.end());
  for (Exchange* exchange : open) exchange->close();
}

}  // namespace broadcast

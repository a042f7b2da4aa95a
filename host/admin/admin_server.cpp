#include "host/admin/admin_server.hpp"

#include <algorithm>
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

  asio::io_context& io;
  const HostView host;
  Options options;
  Counters& counters;
  PublishEndpoint publish;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::unordered_set<Exchange*> open;
};

/// One producer's connection: a request, its answer, and again while it is kept alive.
class AdminServer::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Core> core, tcp::socket socket)
      : core_(std::move(core)), stream_(std::move(socket)), timer_(core_->io) {
    core_->open.insert(this);
  }
  ~Exchange() { core_->open.erase(this); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(kHeaderBytes);
    parser_->body_limit(core_->options.body_bytes);
    stream_.expires_after(core_->options.idle);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
  }

  void close() {
    timer_.cancel();
    stream_.close();
  }

  [[nodiscard]] bool is_answering() const { return answering_; }

 private:
  void on_read(error_code error) {
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
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return last_answer(admin_error(400, "bad_request", "Not HTTP: " + error.message()));
    }
    if (error) return;  // gone, or quiet for too long
    answering_ = true;
    keep_alive_ = parser_->get().keep_alive();
    is_head_ = parser_->get().method() == http::verb::head;
    route();
  }

  void route() {
    auto& request = parser_->get();
    const Route route = route_of(request.method(), request.target());
    if (const auto* const refusal = std::get_if<AdminReply>(&route)) return answer(*refusal);
    if (core_->options.tokens.empty() && comes_from_a_page()) {
      return answer(
          admin_error(403, "forbidden",
                      "Requests from web pages, and to other names than localhost, need a token "
                      "(admin.tokens)"));
    }
    if (const auto* const page = std::get_if<const Page*>(&route)) return read_page(**page);
    if (const auto* const wanted = std::get_if<Operate>(&route)) return operate(*wanted);
    wait_for_verdict(std::get<PublishOn>(route).topic, std::move(request.body()),
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
    const auto& request = parser_->get();
    if (!page.is_open) {
      const auto refusal = refuse_read(core_->options.tokens, request[http::field::authorization]);
      if (refusal) return answer(*refusal);
    }
    page.reply(core_->host, request.target(), answer_in_time("A shard has not answered yet"));
  }

  void wait_for_verdict(const std::string& topic, std::string body,
                        std::string_view authorization) {
    core_->publish.handle(topic, std::move(body), authorization,
                          answer_in_time("The broadcaster has not answered yet"));
  }

  void operate(const Operate& wanted) {
    if (const auto refusal =
            refuse_operate(core_->options.tokens, parser_->get()[http::field::authorization])) {
      return answer(*refusal);
    }
    auto done =
        [answer = answer_in_time("The change is still under way", core_->options.operate_within)](
            const Operation& operation) { answer(reply_of(operation)); };
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
    timer_.expires_after(within);
    timer_.async_wait([self = shared_from_this(), turn, reason](error_code error) {
      if (!error) self->answer_turn(turn, admin_error(504, "timeout", reason));
    });
    return [weak = weak_from_this(), io = &core_->io, turn](AdminReply reply) {
      asio::post(*io, [weak, turn, reply = std::move(reply)] {
        if (const auto self = weak.lock()) self->answer_turn(turn, reply);
      });
    };
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
    response_.prepare_payload();
    if (is_head_) response_.body().clear();
    stream_.expires_after(core_->options.idle);
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_written(error); });
  }

  void on_written(error_code error) {
    answering_ = false;
    if (error) return;
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
  std::uint64_t turn_ = 0;
  bool answered_ = false;
  bool answering_ = false;
  bool keep_alive_ = false;
  bool is_head_ = false;
};

void AdminServer::Core::accept(const std::shared_ptr<Core>& self) {
  self->acceptor.async_accept([self](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // out of descriptors, most likely: not again at once
      spdlog::warn(
          "admin.listen: cannot accept: {}. Again in 1 s. Out of descriptors? Raise the limit "
          "(ulimit -n).",
          error.message());
      self->retry.expires_after(std::chrono::seconds(1));
      self->retry.async_wait([self](error_code stopped) {
        if (!stopped) accept(self);
      });
      return;
    }
    if (self->open.size() < self->options.connections) {
      std::make_shared<Exchange>(self, std::move(socket))->read();
    }
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

void AdminServer::set_access(std::vector<AdminToken> tokens, std::size_t body_bytes) {
  core_->options.tokens = std::move(tokens);
  core_->options.body_bytes = body_bytes;
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

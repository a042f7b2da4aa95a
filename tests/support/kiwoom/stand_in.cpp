#include "tests/support/kiwoom/stand_in.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "tests/support/kiwoom/cut_stream.hpp"
#include "tests/support/kiwoom/stand_in_book.hpp"
#include "tests/support/kiwoom/stand_in_market.hpp"
#include "tests/support/kiwoom/stand_in_rest.hpp"
#include "tests/support/kiwoom/stand_in_session.hpp"

namespace broadcast::test {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using TlsStream = asio::ssl::stream<CutStream>;

constexpr std::size_t kWaitingMessages = 20'000;
constexpr milliseconds kTick{10};

}  // namespace

class KiwoomStandIn::Server {
 public:
  explicit Server(const Certificate& certificate)
      : tls_(asio::ssl::context::tls_server),
        acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        rate_timer_(io_),
        ping_timer_(io_) {
    tls_.use_certificate_chain(asio::buffer(certificate.chain));
    tls_.use_private_key(asio::buffer(certificate.key), asio::ssl::context::pem);
    accept();
    tick();
    ping();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Server() {
    io_.stop();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  json control(json command) {
    std::promise<json> answer;
    auto future = answer.get_future();
    asio::post(io_, [&] { run(command, [&](json stats) { answer.set_value(std::move(stats)); }); });
    return future.get();
  }

 private:
  class Peer;
  using Answer = std::function<void(json)>;
  struct Waiter {
    std::string stat;
    std::int64_t at_least;
    Answer answer;
  };

  // Commands.

  void run(const json& command, const Answer& answer);
  template <class F>
  void for_each_session(F&& use);
  [[nodiscard]] json stats() const;
  void answer_waiters();
  void take_over_all_but(const Peer* peer);

  void accept();
  void tick();
  void ping();

  std::set<Peer*> peers_;  // before the context: its end is theirs
  asio::io_context io_{1};
  asio::ssl::context tls_;
  tcp::acceptor acceptor_;
  asio::steady_timer rate_timer_;
  asio::steady_timer ping_timer_;
  StandInBook book_{.on_stat = [this] { answer_waiters(); }};
  StandInRest rest_{book_};
  std::list<Waiter> waiters_;
  std::optional<std::size_t> cut_after_;
  int issuing_ = 0;
  std::uint64_t real_number_ = 0;
  double real_due_ = 0;
  std::int64_t pings_ = 0;
  steady_clock::time_point last_ping_ = steady_clock::now();
  std::thread thread_;
};

/// One connection: requests, one after the other, or a WebSocket session.
class KiwoomStandIn::Server::Peer : public std::enable_shared_from_this<Peer> {
 public:
  Peer(Server& server, tcp::socket socket)
      : server_(server), stream_(CutStream(std::move(socket)), server.tls_), timer_(server.io_) {
    server_.peers_.insert(this);
  }
  ~Peer() { server_.peers_.erase(this); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void start() {
    error_code ignored;
    cut_stream().next_layer().set_option(tcp::no_delay(true), ignored);
    if (server_.cut_after_) {
      cut_stream().cut_after(*std::exchange(server_.cut_after_, std::nullopt));
    }
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = shared_from_this()](error_code error) {
                              if (error) return self->server_.book_.count("handshakes_failed");
                              self->note_name();
                              self->read_request();
                            });
  }

  /// Without a word.
  void drop() {
    error_code ignored;
    cut_stream().next_layer().close(ignored);
  }
  [[nodiscard]] StandInSession& session() { return session_; }
  [[nodiscard]] const StandInSession& session() const { return session_; }

  void send(std::string text, bool is_binary = false) {
    if (waiting_.size() >= kWaitingMessages) return server_.book_.count("messages_dropped");
    waiting_.emplace_back(std::move(text), is_binary);
    if (waiting_.size() == 1) write();
  }
  void send_and_close(std::string text) {
    is_closing_ = true;
    send(std::move(text));
  }

 private:
  [[nodiscard]] CutStream& cut_stream() {
    return socket_ ? socket_->next_layer().next_layer() : stream_.next_layer();
  }
  void note_name() {
    const char* name = SSL_get_servername(stream_.native_handle(), TLSEXT_NAMETYPE_host_name);
    server_.book_.note("name_indicated", name == nullptr ? "" : name);
  }

  void read_request() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error) return;
                       websocket::is_upgrade(self->request_) ? self->upgrade() : self->answer();
                     });
  }

  void answer() {
    const std::string path(request_.target());
    server_.book_.count("requests");
    const bool is_issue = path == "/oauth2/token";
    if (is_issue) server_.book_.note_most("issues_at_once", ++server_.issuing_);
    const json fault = server_.rest_.take_fault(path);
    auto [status, body] = server_.rest_.answer_to(request_);
    response_ = {http::int_to_status(fault.value("status", status)), 11};
    response_.body() = fault.value("body", body.dump());
    response_.body().append(fault.value("pad", std::size_t{0}), ' ');
    response_.keep_alive(!fault.value("close", false));
    response_.prepare_payload();
    timer_.expires_after(milliseconds(fault.value("delay_ms", 0)));
    const bool is_answered = !fault.value("never", false);
    timer_.async_wait([self = shared_from_this(), is_issue, is_answered](error_code) {
      if (is_issue) --self->server_.issuing_;
      is_answered ? self->write_response() : self->wait_for_end();
    });
  }
  void write_response() {
    http::async_write(stream_, response_,
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return;
                        self->response_.keep_alive() ? self->read_request() : self->drop();
                      });
  }
  void wait_for_end() { read_request(); }

  void upgrade() {
    if (request_.target() != "/api/dostk/websocket") return drop();
    socket_.emplace(std::move(stream_));
    socket_->async_accept(request_, [self = shared_from_this()](error_code error) {
      if (error) return;
      self->server_.book_.count("sessions");
      self->read();
    });
  }

  void read() {
    socket_->async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->session_.leave();
      const std::string text = beast::buffers_to_string(self->buffer_.data());
      self->buffer_.consume(self->buffer_.size());
      self->session_.on_text(text);
      self->read();
    });
  }
  void write() {
    socket_->text(!waiting_.front().second);
    socket_->async_write(asio::buffer(waiting_.front().first),
                         [self = shared_from_this()](error_code error, std::size_t) {
                           if (error) return;
                           self->waiting_.pop_front();
                           if (!self->waiting_.empty()) return self->write();
                           if (self->is_closing_) self->drop();
                         });
  }

  Server& server_;
  TlsStream stream_;
  std::optional<websocket::stream<TlsStream>> socket_;
  asio::steady_timer timer_;
  beast::flat_buffer buffer_;
  StandInRest::Request request_;
  http::response<http::string_body> response_;
  std::deque<std::pair<std::string, bool>> waiting_;
  bool is_closing_ = false;
  StandInSession session_{
      server_.book_,
      {.send = [this](std::string text) { send(std::move(text)); },
       .send_and_close = [this](std::string text) { send_and_close(std::move(text)); },
       .is_live = [this](std::string_view token) { return server_.rest_.is_live(token); },
       .take_over_others = [this] { server_.take_over_all_but(this); }}};
};

template <class F>
void KiwoomStandIn::Server::for_each_session(F&& use) {
  for (Peer* peer : std::set(peers_)) {
    if (peer->session().is_logged_in()) use(*peer);
  }
}

/// One session a key.
void KiwoomStandIn::Server::take_over_all_but(const Peer* peer) {
  for_each_session([peer](Peer& other) {
    if (&other != peer) other.session().take_over();
  });
}

void KiwoomStandIn::Server::run(const json& command, const Answer& answer) {
  const std::string what = command.value("do", "");
  if (what == "set") {
    book_.settings.update(command);
  } else if (what == "kill_token") {
    rest_.kill_token();
  } else if (what == "fault") {
    for (const json& fault : command.at("faults")) rest_.add_fault(fault);
  } else if (what == "cut") {
    cut_after_ = command.at("after").get<std::size_t>();
  } else if (what == "send" || what == "send_binary") {
    for_each_session(
        [&](Peer& peer) { peer.send(command.at("text"), /*is_binary=*/what == "send_binary"); });
  } else if (what == "real") {
    const std::string text = json{{"trnm", "REAL"},
                                  {"data", json::array({{{"type", command.at("type")},
                                                         {"item", command.at("item")},
                                                         {"name", "주식체결"},
                                                         {"values", command.at("values")}}})}}
                                 .dump();
    for_each_session([&](Peer& peer) {
      if (peer.session().has_registered(command.at("item"), command.at("type"))) peer.send(text);
    });
  } else if (what == "take_over") {
    for_each_session([](Peer& peer) { peer.session().take_over(); });
  } else if (what == "answer_late") {
    for_each_session([](Peer& peer) { peer.session().answer_late(); });
  } else if (what == "drop") {
    for (Peer* peer : std::set(peers_)) peer->drop();
  } else if (what == "wait") {
    waiters_.push_back({command.at("stat"), command.at("at_least"), answer});
    return answer_waiters();
  } else if (what != "stats") {
    return answer({{"error", "unknown command: " + what}});
  }
  answer(stats());
}

json KiwoomStandIn::Server::stats() const {
  json all = book_.stats;
  all["registered"] = json::object();
  all["open_sessions"] = 0;
  for (const Peer* peer : peers_) {
    if (!peer->session().is_logged_in()) continue;
    all["registered"] = peer->session().registered();
    all["open_sessions"] = all["open_sessions"].get<int>() + 1;
  }
  return all;
}

void KiwoomStandIn::Server::answer_waiters() {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const bool is_so = book_.stats.value(waiter->stat, std::int64_t{0}) >= waiter->at_least;
    if (is_so) waiter->answer(stats());
    waiter = is_so ? waiters_.erase(waiter) : std::next(waiter);
  }
}

void KiwoomStandIn::Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (!error) std::make_shared<Peer>(*this, std::move(socket))->start();
    book_.count("connections");
    accept();
  });
}

void KiwoomStandIn::Server::tick() {
  rate_timer_.expires_after(kTick);
  rate_timer_.async_wait([this](error_code error) {
    if (error) return;
    real_due_ += book_.setting<double>("rate", 0) * kTick.count() / 1000;
    const std::int64_t sent = static_cast<std::int64_t>(real_due_);
    for (; real_due_ >= 1; --real_due_) {
      const std::uint64_t number = real_number_++;
      for_each_session([&](Peer& peer) {
        if (peer.session().items().empty()) return;
        peer.send(trade_of(peer.session().items()[number % peer.session().items().size()], number,
                           book_.now_ns()));
      });
    }
    if (sent > 0) book_.count("real_sent", sent);
    tick();
  });
}

void KiwoomStandIn::Server::ping() {
  const milliseconds period(book_.setting("ping_ms", 10'000));
  const auto now = steady_clock::now();
  if (period.count() > 0 && now - last_ping_ >= period) {
    last_ping_ = now;
    for_each_session([&](Peer& peer) {
      peer.send(json{{"trnm", "PING"}, {"at", std::to_string(++pings_)}}.dump());
    });
  }
  ping_timer_.expires_after(kTick);
  ping_timer_.async_wait([this](error_code error) {
    if (!error) ping();
  });
}

KiwoomStandIn::KiwoomStandIn(const Certificate& certificate)
    : server_(std::make_unique<Server>(certificate)) {}
KiwoomStandIn::~KiwoomStandIn() = default;
std::uint16_t KiwoomStandIn::port() const { return server_->port(); }
json KiwoomStandIn::control(json command) { return server_->control(std::move(command)); }

}  // namespace broadcast::test

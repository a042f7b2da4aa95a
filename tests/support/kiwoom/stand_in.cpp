#include "tests/support/kiwoom/stand_in.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <map>
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
#include "tests/support/kiwoom/stand_in_market.hpp"

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

constexpr std::size_t kGroupItems = 100;
constexpr std::size_t kWaitingMessages = 20'000;
constexpr milliseconds kTick{10};

const json kKilled = {{"return_code", 3},
                      {"return_msg", "인증에 실패했습니다[8005:Token이 유효하지 않습니다]"}};
const json kTooMany = {{"return_code", 5}, {"return_msg", "허용된 요청 개수를 초과하였습니다"}};

std::int64_t clock_ns() {
  return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '|') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

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
  void count(const char* stat, std::int64_t by = 1) { note(stat, stats_.value(stat, 0) + by); }
  void note(const char* stat, json value) {
    stats_[stat] = std::move(value);
    answer_waiters();
  }
  void note_most(const char* stat, std::int64_t value) {
    if (value > stats_.value(stat, 0)) note(stat, value);
  }
  void answer_waiters();

  // Settings.

  template <class T>
  [[nodiscard]] T setting(const char* name, T otherwise) const {
    return settings_.value(name, otherwise);
  }
  [[nodiscard]] std::int64_t now_ns() const {
    const auto set = setting<std::int64_t>("now_ns", 0);
    return set != 0 ? set : clock_ns();
  }

  void accept();
  void tick();
  void ping();

  // REST.

  [[nodiscard]] json take_fault(const std::string& path);
  [[nodiscard]] bool is_too_many();
  [[nodiscard]] std::pair<unsigned, json> answer_to(
      const http::request<http::string_body>& request);
  [[nodiscard]] json issue(const json& request);
  [[nodiscard]] json quotes(const json& request) const;
  [[nodiscard]] bool is_live(std::string_view token) const {
    return !live_token_.empty() && token == live_token_;
  }

  std::set<Peer*> peers_;  // before the context: its end is theirs
  asio::io_context io_{1};
  asio::ssl::context tls_;
  tcp::acceptor acceptor_;
  asio::steady_timer rate_timer_;
  asio::steady_timer ping_timer_;
  json settings_ = json::object();
  json stats_ = json::object();
  std::list<Waiter> waiters_;
  std::deque<json> faults_;
  std::optional<std::size_t> cut_after_;
  std::string live_token_;
  int issued_ = 0;
  int issuing_ = 0;
  std::deque<steady_clock::time_point> arrivals_;
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
                              if (error) return self->server_.count("handshakes_failed");
                              self->note_name();
                              self->read_request();
                            });
  }

  /// Without a word.
  void drop() {
    error_code ignored;
    cut_stream().next_layer().close(ignored);
  }
  [[nodiscard]] bool is_logged_in() const { return is_logged_in_; }
  [[nodiscard]] bool has_registered(const std::string& item, const std::string& type) const {
    return std::ranges::any_of(groups_, [&](const auto& group) {
      const auto found = group.second.find(item);
      return found != group.second.end() && found->second.contains(type);
    });
  }
  [[nodiscard]] json registered() const {
    std::map<std::string, std::set<std::string>> all;
    for (const auto& [group, items] : groups_) {
      for (const auto& [item, types] : items) all[item].insert(types.begin(), types.end());
    }
    return all;
  }
  /// The items in an order of their own, for REAL at a rate.
  [[nodiscard]] const std::vector<std::string>& items() const { return items_; }

  void send(std::string text, bool is_binary = false) {
    if (waiting_.size() >= kWaitingMessages) return server_.count("messages_dropped");
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
    server_.note("name_indicated", name == nullptr ? "" : name);
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
    server_.count("requests");
    const bool is_issue = path == "/oauth2/token";
    if (is_issue) server_.note_most("issues_at_once", ++server_.issuing_);
    const json fault = server_.take_fault(path);
    auto [status, body] = server_.answer_to(request_);
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
      self->server_.count("sessions");
      self->read();
    });
  }

  void read() {
    socket_->async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->leave();
      const std::string text = beast::buffers_to_string(self->buffer_.data());
      self->buffer_.consume(self->buffer_.size());
      self->on_text(text);
      self->read();
    });
  }
  void leave() {
    if (std::exchange(is_logged_in_, false)) server_.count("logouts");
    groups_.clear();
  }

  void on_text(const std::string& text) {
    const json message = json::parse(text, nullptr, false);
    const std::string trnm = message.is_object() ? message.value("trnm", "") : "";
    if (trnm == "PING") {
      server_.stats_["last_pong"] = text;
      return server_.count("pongs");
    }
    if (trnm == "LOGIN") return on_login(message.value("token", ""));
    if (trnm == "REG" || trnm == "REMOVE") return on_registration(trnm, message);
    server_.count("unknown_messages");
  }

  void on_login(const std::string& token) {
    server_.count("login_attempts");
    const std::string how = server_.setting<std::string>("login", "ok");
    if (how == "silent") return;
    json answer = {{"trnm", "LOGIN"}, {"return_code", 0}, {"return_msg", ""}};
    if (how == "refuse" || !server_.is_live(token)) {
      answer.update(kKilled);
      return send_and_close(answer.dump());
    }
    for (Peer* other : server_.peers_) {  // one session a key
      if (other != this && other->is_logged_in_) other->take_over();
    }
    is_logged_in_ = true;
    send(answer.dump());
    server_.count("logins");
  }

  void on_registration(const std::string& trnm, const json& message) {
    if (server_.setting<std::string>("reg", "ok") == "silent") return;
    const std::string error = is_logged_in_ ? change(trnm, message) : "not logged in";
    server_.count(trnm == "REG" ? "regs" : "removes");
    if (!error.empty()) server_.count("registrations_refused");
    items_.clear();
    const json all = registered();
    for (const auto& [item, types] : all.items()) items_.push_back(item);
    server_.note("registered_items", items_.size());
    send(
        json{{"trnm", trnm}, {"return_code", error.empty() ? 0 : 1}, {"return_msg", error}}.dump());
  }

  /// Why not, or empty.
  std::string change(const std::string& trnm, const json& message) {
    const std::string number = message.value("grp_no", "");
    if (number.empty()) return "grp_no is missing";
    auto group = groups_[number];
    if (trnm == "REG" && message.value("refresh", "1") == "0") group.clear();
    for (const json& entry : message.value("data", json::array())) {
      for (const std::string item : entry.value("item", json::array())) {
        const auto refused = server_.setting<json>("reg_refuse", json::array());
        if (trnm == "REG" && std::ranges::find(refused, json(item)) != refused.end()) {
          return "unknown item " + item;
        }
        for (const std::string type : entry.value("type", json::array())) {
          trnm == "REG" ? void(group[item].insert(type)) : void(group[item].erase(type));
        }
        if (group[item].empty()) group.erase(item);
      }
    }
    server_.note_most("largest_group", static_cast<std::int64_t>(group.size()));
    if (group.size() > kGroupItems) return "more than 100 items in a group";
    groups_[number] = std::move(group);
    return "";
  }

  friend class Server;
  void take_over() {
    send_and_close(json{
        {"trnm", "SYSTEM"}, {"code", "R10001"}, {"message", "동일한 App key로 접속이 되었습니다"}}
                       .dump());
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
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
  std::deque<std::pair<std::string, bool>> waiting_;
  bool is_logged_in_ = false;
  bool is_closing_ = false;
  std::map<std::string, std::map<std::string, std::set<std::string>>> groups_;
  std::vector<std::string> items_;
};

template <class F>
void KiwoomStandIn::Server::for_each_session(F&& use) {
  for (Peer* peer : std::set(peers_)) {
    if (peer->is_logged_in()) use(*peer);
  }
}

void KiwoomStandIn::Server::run(const json& command, const Answer& answer) {
  const std::string what = command.value("do", "");
  if (what == "set") {
    settings_.update(command);
  } else if (what == "kill_token") {
    live_token_.clear();
  } else if (what == "fault") {
    for (const json& fault : command.at("faults")) faults_.push_back(fault);
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
      if (peer.has_registered(command.at("item"), command.at("type"))) peer.send(text);
    });
  } else if (what == "take_over") {
    for_each_session([](Peer& peer) { peer.take_over(); });
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
  json all = stats_;
  all["registered"] = json::object();
  all["open_sessions"] = 0;
  for (const Peer* peer : peers_) {
    if (!peer->is_logged_in()) continue;
    all["registered"] = peer->registered();
    all["open_sessions"] = all["open_sessions"].get<int>() + 1;
  }
  return all;
}

void KiwoomStandIn::Server::answer_waiters() {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const bool is_so = stats_.value(waiter->stat, std::int64_t{0}) >= waiter->at_least;
    if (is_so) waiter->answer(stats());
    waiter = is_so ? waiters_.erase(waiter) : std::next(waiter);
  }
}

void KiwoomStandIn::Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (!error) std::make_shared<Peer>(*this, std::move(socket))->start();
    count("connections");
    accept();
  });
}

void KiwoomStandIn::Server::tick() {
  rate_timer_.expires_after(kTick);
  rate_timer_.async_wait([this](error_code error) {
    if (error) return;
    real_due_ += setting<double>("rate", 0) * kTick.count() / 1000;
    const std::int64_t sent = static_cast<std::int64_t>(real_due_);
    for (; real_due_ >= 1; --real_due_) {
      const std::uint64_t number = real_number_++;
      for_each_session([&](Peer& peer) {
        if (peer.items().empty()) return;
        peer.send(trade_of(peer.items()[number % peer.items().size()], number, now_ns()));
      });
    }
    if (sent > 0) count("real_sent", sent);
    tick();
  });
}

void KiwoomStandIn::Server::ping() {
  const milliseconds period(setting("ping_ms", 10'000));
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

bool KiwoomStandIn::Server::is_too_many() {
  const auto now = steady_clock::now();
  arrivals_.push_back(now);
  while (now - arrivals_.front() >= std::chrono::seconds(1)) arrivals_.pop_front();
  note_most("most_in_a_second", static_cast<std::int64_t>(arrivals_.size()));
  const auto limit = setting<std::size_t>("limit", 5);
  return limit > 0 && arrivals_.size() > limit;
}

json KiwoomStandIn::Server::take_fault(const std::string& path) {
  const auto found = std::ranges::find_if(
      faults_, [&](const json& fault) { return fault.value("path", path) == path; });
  if (found == faults_.end()) return json::object();
  json fault = *found;
  faults_.erase(found);
  return fault;
}

std::pair<unsigned, json> KiwoomStandIn::Server::answer_to(
    const http::request<http::string_body>& request) {
  if (is_too_many()) {
    count("too_many");
    const bool by_status = setting<std::string>("limit_style", "429") == "429";
    return {by_status ? 429U : 200U, kTooMany};
  }
  const json body = json::parse(request.body(), nullptr, false);
  if (!body.is_object()) return {200, {{"return_code", 2}, {"return_msg", "not JSON"}}};
  if (request.target() == "/oauth2/token") return {200, issue(body)};
  const std::string bearer(request[http::field::authorization]);
  if (!bearer.starts_with("Bearer ") || !is_live(bearer.substr(7))) {
    count("killed_answers");
    const bool by_status = setting<std::string>("killed_style", "return_code") == "401";
    return {by_status ? 401U : 200U, kKilled};
  }
  if (request.target() != "/api/dostk/stkinfo" || request["api-id"] != "ka10095") {
    return {404, {{"return_code", 1}, {"return_msg", "no such api"}}};
  }
  count("polls");
  return {200, quotes(body)};
}

json KiwoomStandIn::Server::issue(const json& request) {
  const std::string secret = setting<std::string>("secret", "");
  if (request.value("grant_type", "") != "client_credentials" ||
      (!secret.empty() && request.value("secretkey", "") != secret)) {
    return {{"return_code", 3},
            {"return_msg", "인증에 실패했습니다[8001:App Key와 Secret Key 검증에 실패했습니다]"}};
  }
  live_token_ = "token-" + std::to_string(++issued_) + "-of-" + request.value("appkey", "");
  count("issues");
  const std::int64_t end = now_ns() + setting<std::int64_t>("token_life_s", 86'400) * 1'000'000'000;
  return {{"return_code", 0},
          {"return_msg", "정상적으로 처리되었습니다"},
          {"token_type", "Bearer"},
          {"token", live_token_},
          {"expires_dt", korean_time(end)}};
}

json KiwoomStandIn::Server::quotes(const json& request) const {
  const std::vector<std::string> codes = split(request.value("stk_cd", ""));
  if (codes.size() > 100) {
    return {{"return_code", 5}, {"return_msg", "종목코드는 100개까지 가능합니다"}};
  }
  const json unknown = setting<json>("unknown", json::array());
  const json changed = setting<json>("rows", json::object());
  json rows = json::array();
  for (const std::string& code : codes) {
    json row = row_of(code, now_ns());
    if (std::ranges::find(unknown, json(code)) != unknown.end()) row = empty_row();
    if (changed.contains(code)) row.update(changed.at(code));
    rows.push_back(std::move(row));
  }
  return {{"return_code", 0}, {"return_msg", ""}, {"atn_stk_infr", std::move(rows)}};
}

KiwoomStandIn::KiwoomStandIn(const Certificate& certificate)
    : server_(std::make_unique<Server>(certificate)) {}
KiwoomStandIn::~KiwoomStandIn() = default;
std::uint16_t KiwoomStandIn::port() const { return server_->port(); }
json KiwoomStandIn::control(json command) { return server_->control(std::move(command)); }

}  // namespace broadcast::test

#include "plugins/price/kiwoom/kiwoom_socket.hpp"

#include <utility>

#include <boost/beast/core/buffers_to_string.hpp>
#include <nlohmann/json.hpp>

#include "plugins/io/duration_text.hpp"
#include "plugins/price/kiwoom/kiwoom_answer.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using nlohmann::json;
using std::chrono::steady_clock;

}  // namespace

KiwoomSocket::KiwoomSocket(IoThread& io, Options options, Calls calls)
    : io_(io),
      options_(std::move(options)),
      calls_(std::move(calls)),
      answer_timer_(io.context()),
      silence_timer_(io.context()),
      lost_patience_(options_.patience.lost) {}

void KiwoomSocket::start() {
  connect_tls(
      io_, options_.url, options_.patience.connect,
      [self = shared_from_this()](std::unique_ptr<TlsStream> stream, const std::string& error) {
        stream ? self->upgrade(std::move(*stream)) : self->end(End::kBroken, error);
      });
}

void KiwoomSocket::want(const Wanted& wanted) {
  real_.want(wanted);
  registrations_.want(wanted);
  if (is_ready_ && !is_over_) register_next();
}

void KiwoomSocket::upgrade(TlsStream stream) {
  socket_.emplace(std::move(stream));
  beast::get_lowest_layer(*socket_).expires_never();  // the timers here do that
  socket_->read_message_max(kMessageBytes);
  socket_->text(true);
  socket_->control_callback(
      [this](websocket::frame_type, beast::string_view) { last_read_ = steady_clock::now(); });
  expect("the upgrade");
  socket_->async_handshake(
      options_.url.host_header(), options_.url.path, [self = shared_from_this()](error_code error) {
        error ? self->end(End::kBroken, "upgrade: " + error.message()) : self->log_in();
      });
}

void KiwoomSocket::log_in() {
  if (is_over_) return;
  expect("LOGIN");
  last_read_ = steady_clock::now();
  watch_silence(std::chrono::duration_cast<steady_clock::duration>(options_.patience.silence));
  read();
  send(json{{"trnm", "LOGIN"}, {"token", options_.token}}.dump());
}

void KiwoomSocket::read() {
  socket_->async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
    if (self->is_over_) return;
    if (error) return self->end(End::kBroken, error.message());
    self->last_read_ = steady_clock::now();
    const std::string text = beast::buffers_to_string(self->buffer_.data());
    self->buffer_.consume(self->buffer_.size());
    self->on_text(text);
    if (!self->is_over_) self->read();
  });
}

void KiwoomSocket::on_text(const std::string& text) {
  const json message = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const std::string trnm = message.is_object() ? text_in(message, "trnm") : std::string();
  trnm.empty() ? refuse_one() : on_message(trnm, message, text);
}

void KiwoomSocket::on_message(std::string_view trnm, const json& message, const std::string& text) {
  if (trnm == "REAL") return on_real(message);
  if (trnm == "PING") return send(text);  // the very same
  if (trnm == "LOGIN") return on_login(message);
  if (trnm == "REG" || trnm == "REMOVE") return on_registered(trnm, message);
  if (trnm == "SYSTEM") return on_system(message);
  refuse_one();
}

void KiwoomSocket::on_login(const json& message) {
  if (is_ready_) return refuse_one();
  const KiwoomAnswer answer = judge(message, options_.secrets);
  if (answer.verdict != KiwoomAnswer::Verdict::kOk) {
    const bool is_token = answer.verdict == KiwoomAnswer::Verdict::kTokenRefused;
    return end(is_token ? End::kTokenRefused : End::kBroken, "LOGIN refused: " + answer.error);
  }
  note_answer();
  is_ready_ = true;
  calls_.on_ready();
  register_next();
}

void KiwoomSocket::on_registered(std::string_view trnm, const json& message) {
  const bool is_ok = judge(message, options_.secrets).verdict == KiwoomAnswer::Verdict::kOk;
  if (!registrations_.on_answer(trnm, is_ok)) return refuse_one();
  note_answer();
  if (const auto refused = registrations_.take_refused()) calls_.on_item_refused(*refused);
  registrations_.is_waiting() ? await_registered() : register_next();
}

void KiwoomSocket::on_real(const json& message) {
  Quotes quotes;
  Refusals refused;
  real_.apply(message, calls_.wall_ns(), quotes, refused);
  calls_.on_quotes(std::move(quotes), refused);
  if (is_late_) take_as_answer(message);
}

/// What is registered sends, so a REG need not wait for an answer that is late.
void KiwoomSocket::take_as_answer(const json& message) {
  const auto data = message.find("data");
  if (data == message.end() || !data->is_array()) return;
  for (const json& entry : *data) {
    if (!entry.is_object() || !registrations_.on_real(text_in(entry, "item"))) continue;
    note_answer();
    return register_next();
  }
}

void KiwoomSocket::on_system(const json& message) {
  const std::string code = text_in(message, "code");
  if (code != "R10001") return;  // it says what it will, and closes if it must
  end(End::kTakenOver,
      loggable("R10001, another connection with this key took over: " + text_in(message, "message"),
               options_.secrets));
}

void KiwoomSocket::refuse_one() {
  Refusals refused;
  refused.add(Refusal::kMalformed);
  calls_.on_quotes({}, refused);
}

void KiwoomSocket::register_next() {
  std::string text = registrations_.next();
  if (text.empty()) return;
  lost_patience_ = options_.patience.lost;
  send(std::move(text));
  await_registered();
}

/// While anything comes, an answer that does not holds up registrations and nothing else.
void KiwoomSocket::await_registered() {
  on_unanswered(options_.patience.late, [this] { on_late(); });
}

void KiwoomSocket::on_late() {
  is_late_ = true;
  if (!std::exchange(is_late_told_, true)) {
    calls_.on_warning("no answer to REG or REMOVE within " + in_ms(options_.patience.late) +
                      "; new registrations wait for it, and prices go on");
  }
  on_unanswered(lost_patience_ - options_.patience.late, [this] { on_lost(); });
}

void KiwoomSocket::on_lost() {
  calls_.on_warning("no answer to REG or REMOVE within " + in_ms(lost_patience_) +
                    "; it is sent again");
  lost_patience_ *= 2;
  std::string text = registrations_.again();
  note_answer();
  if (text.empty()) return;
  send(std::move(text));
  await_registered();
}

void KiwoomSocket::send(std::string text) {
  if (waiting_.size() >= kWaitingMessages) {
    return end(End::kBroken, "it no longer accepts messages");
  }
  waiting_.push_back(std::move(text));
  if (waiting_.size() == 1) write();
}

void KiwoomSocket::write() {
  socket_->async_write(asio::buffer(waiting_.front()),
                       [self = shared_from_this()](error_code error, std::size_t) {
                         if (self->is_over_) return;
                         if (error) return self->end(End::kBroken, error.message());
                         self->waiting_.pop_front();
                         if (!self->waiting_.empty()) self->write();
                       });
}

void KiwoomSocket::expect(const char* what) {
  on_unanswered(options_.patience.answer, [this, what] {
    end(End::kBroken,
        std::string("no answer to ") + what + " within " + in_ms(options_.patience.answer));
  });
}

/// One thing is waited for at a time: note_answer() cancels it.
void KiwoomSocket::on_unanswered(std::chrono::nanoseconds patience, std::function<void()> run) {
  answer_timer_.expires_after(std::chrono::duration_cast<steady_clock::duration>(patience));
  answer_timer_.async_wait([self = shared_from_this(), run = std::move(run)](error_code error) {
    // It may have been answered between the timer's end and now.
    const bool is_old = steady_clock::now() < self->answer_timer_.expiry();
    if (!error && !is_old && !self->is_over_) run();
  });
}

void KiwoomSocket::note_answer() {
  is_late_ = false;
  answer_timer_.expires_at(steady_clock::time_point::max());
}

void KiwoomSocket::watch_silence(steady_clock::duration left) {
  silence_timer_.expires_after(left);
  silence_timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error || self->is_over_) return;
    const auto quiet = steady_clock::now() - self->last_read_;
    const auto patience = self->options_.patience.silence;
    if (quiet < patience) return self->watch_silence(patience - quiet);
    self->end(End::kBroken, "silent for " + in_seconds(quiet) + ", no PING either");
  });
}

void KiwoomSocket::end(End how, const std::string& why) {
  if (std::exchange(is_over_, true)) return;
  answer_timer_.cancel();
  silence_timer_.cancel();
  if (socket_) beast::get_lowest_layer(*socket_).close();
  calls_.on_end(how, why);
}

}  // namespace broadcast

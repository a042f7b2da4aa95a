#include "plugins/price/kiwoom/kiwoom_ws_source.hpp"

#include <stdexcept>
#include <utility>

#include "plugins/io/duration_text.hpp"

namespace broadcast {

namespace {

using std::chrono::nanoseconds;

TlsUrl ws_url_of(const std::string& url) {
  try {
    return TlsUrl::parse(url, "wss");
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("ws_url: ") + error.what());
  }
}

std::string shown(nanoseconds pause) {
  return pause < std::chrono::seconds(10) ? in_ms(pause) : in_seconds(pause);
}

}  // namespace

KiwoomWsSource::KiwoomWsSource(std::shared_ptr<KiwoomSession> session)
    : session_(std::move(session)), url_(ws_url_of(session_->options().ws_url)) {}

KiwoomWsSource::~KiwoomWsSource() {
  session_->stop();
  if (timer_) session_->calls().cancel(*timer_);
}

void KiwoomWsSource::start(Events events) {
  events_ = std::move(events);
  connect();
}

void KiwoomWsSource::want(const Wanted& wanted) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = wanted;
    if (!socket_ || std::exchange(is_want_posted_, true)) return;
  }
  session_->io().post_io([this, socket = socket_] { pass_on(*socket); });
}

/// [io] What is wanted now: of many changes in a row, the last one.
void KiwoomWsSource::pass_on(KiwoomSocket& socket) {
  Wanted wanted;
  {
    const std::lock_guard lock(mutex_);
    is_want_posted_ = false;
    wanted = wanted_;
  }
  socket.want(wanted);
}

void KiwoomWsSource::connect() {
  session_->with_token([this](const std::string& token, const std::string& error) {
    error.empty() ? open(token) : connect_after(next_pause(), error);
  });
}

void KiwoomWsSource::open(const std::string& token) {
  const KiwoomOptions& options = session_->options();
  socket_ = std::make_shared<KiwoomSocket>(
      session_->io(),
      KiwoomSocket::Options{.url = url_,
                            .patience = {.connect = options.connect_patience,
                                         .answer = options.answer_patience,
                                         .late = options.late_patience,
                                         .lost = options.lost_patience,
                                         .silence = options.silence_patience},
                            .token = token,
                            .secrets = session_->secrets()},
      calls(token));
  session_->io().post_io([this, socket = socket_] {
    pass_on(*socket);
    socket->start();
  });
}

/// What the connection says on the I/O thread, on this one.
KiwoomSocket::Calls KiwoomWsSource::calls(const std::string& token) {
  IoThread& io = session_->io();
  return {.wall_ns = session_->calls().wall_ns,
          .on_ready = [this, &io] { io.post_plugin([this] { on_ready(); }); },
          .on_end =
              [this, &io, token](KiwoomSocket::End how, const std::string& why) {
                io.post_plugin([this, how, why, token] { on_end(how, why, token); });
              },
          .on_quotes = [this](Quotes quotes,
                              const Refusals& refused) { put(std::move(quotes), refused); },
          .on_item_refused =
              [this, is_told = false](const std::string& item) mutable {
                if (std::exchange(is_told, true)) return;
                session_->calls().log(LogLevel::kWarn,
                                      "source kiwoom_ws: the server does not register " + item +
                                          "; it and others that are refused later are left out "
                                          "until somebody asks for them again");
              },
          .on_warning =
              [this](const std::string& text) {
                session_->calls().log(LogLevel::kWarn, "source kiwoom_ws: " + text);
              }};
}

void KiwoomWsSource::on_ready() {
  session_->note_token_taken(KiwoomSession::TokenUse::kLogin);
  ready_ns_ = session_->calls().mono_ns();
  events_.on_link("");
}

void KiwoomWsSource::on_end(KiwoomSocket::End how, const std::string& why,
                            const std::string& token) {
  socket_.reset();
  const bool was_stable = ready_ns_ && session_->calls().mono_ns() - *ready_ns_ >= kStable.count();
  ready_ns_.reset();
  if (was_stable) {
    backoff_.reset();
    session_->note_token_taken(KiwoomSession::TokenUse::kLogin);
  }
  if (how == KiwoomSocket::End::kTokenRefused &&
      session_->replace_token(KiwoomSession::TokenUse::kLogin, token)) {
    return connect();
  }
  connect_after(how == KiwoomSocket::End::kTakenOver ? kTakenOverPause : next_pause(), why);
}

void KiwoomWsSource::connect_after(nanoseconds pause, const std::string& why) {
  timer_ = session_->calls().after(pause, [this] {
    timer_.reset();
    connect();
  });
  events_.on_link(why + "; trying again in " + shown(pause));
}

nanoseconds KiwoomWsSource::next_pause() {
  std::uniform_real_distribution<double> chance(0, 1);
  return jittered(backoff_.next(), chance(random_));
}

/// [io]
void KiwoomWsSource::put(Quotes quotes, const Refusals& refused) {
  {
    const std::lock_guard lock(mutex_);
    for (TickerQuote& quote : quotes.tickers) {
      std::string ticker = quote.ticker;
      arrived_.tickers.insert_or_assign(std::move(ticker), std::move(quote));
    }
    for (const IndexUpdate& update : quotes.indices) {
      arrived_.indices.insert_or_assign(update.index.key, update);
    }
    arrived_.refused.add(refused);
    const bool has_news = !quotes.tickers.empty() || !quotes.indices.empty() || refused.total() > 0;
    if (!has_news || std::exchange(arrived_.is_posted, true)) return;
  }
  session_->io().post_plugin([this] { deliver(); });
}

void KiwoomWsSource::deliver() {
  Arrived arrived;
  {
    const std::lock_guard lock(mutex_);
    std::swap(arrived, arrived_);
  }
  Quotes quotes;
  for (auto& [ticker, quote] : arrived.tickers) quotes.tickers.push_back(std::move(quote));
  for (auto& [key, update] : arrived.indices) quotes.indices.push_back(update);
  arrived.refused.tell(events_.on_refused);
  if (!quotes.tickers.empty() || !quotes.indices.empty()) events_.on_quotes(quotes);
}

}  // namespace broadcast

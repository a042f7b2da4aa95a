#include "plugins/price/kiwoom/kiwoom_io.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include <boost/asio/post.hpp>
#include <openssl/ssl.h>

namespace broadcast {

namespace {

namespace asio = boost::asio;

/// Until a full inbox is tried again.
constexpr std::chrono::milliseconds kFullInbox{10};

asio::ssl::context client_context(const std::string& ca) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(asio::ssl::verify_peer);
  boost::system::error_code error;
  if (ca.empty()) {
    tls.set_default_verify_paths(error);
  } else {
    tls.load_verify_file(ca, error);
  }
  if (error) {
    throw std::invalid_argument("ca: no certificates can be read from \"" + ca + "\" (" +
                                error.message() + "); expected a PEM file");
  }
  return tls;
}

}  // namespace

KiwoomIo::KiwoomIo(const std::string& ca, Post post)
    : post_(std::move(post)),
      tls_(client_context(ca)),
      work_(asio::make_work_guard(context_)),
      retry_(context_),
      thread_([this] { work(); }) {}

void KiwoomIo::stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(waiting_->mutex);
  waiting_->is_over = true;
}

void KiwoomIo::work() {
  while (true) {
    try {
      context_.run();
      return;
    } catch (const std::exception&) {
      // Out of memory in a handler: its connection hangs until its time is over.
    }
  }
}

void KiwoomIo::post_io(std::function<void()> run) { asio::post(context_, std::move(run)); }

void KiwoomIo::post_plugin(std::function<void()> run) {
  {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->runs.push_back(std::move(run));
    if (std::exchange(waiting_->is_posted, true)) return;
  }
  hand_over();
}

/// Refused: the inbox is full, or the broadcaster is over; then the thread ends soon.
void KiwoomIo::hand_over() {
  if (post_([waiting = waiting_] { run_waiting(*waiting); })) return;
  retry_.expires_after(kFullInbox);
  retry_.async_wait([this](boost::system::error_code error) {
    if (!error) hand_over();
  });
}

void KiwoomIo::run_waiting(Waiting& waiting) {
  std::vector<std::function<void()>> ready;
  {
    const std::lock_guard lock(waiting.mutex);
    if (waiting.is_over) return;
    ready.swap(waiting.runs);
    waiting.is_posted = false;
  }
  for (const auto& run : ready) run();
}

}  // namespace broadcast

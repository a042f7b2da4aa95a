#include "plugins/io/io_thread.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

#include <boost/asio/post.hpp>
#include <openssl/ssl.h>

namespace broadcast {

namespace {

namespace asio = boost::asio;

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

IoThread::IoThread(const std::string& ca, Handover::Post post)
    : handover_(std::move(post)),
      tls_(client_context(ca)),
      work_(asio::make_work_guard(context_)),
      retry_(context_),
      thread_([this] { work(); }) {}

void IoThread::stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  handover_.stop();
}

void IoThread::work() {
  while (true) {
    try {
      context_.run();
      return;
    } catch (const std::exception&) {
      // Out of memory in a handler: its connection hangs until its time is over.
    }
  }
}

void IoThread::post_io(std::function<void()> run) { asio::post(context_, std::move(run)); }

void IoThread::post_plugin(std::function<void()> run) {
  if (!handover_.put(std::move(run))) post_later();
}

/// If the inbox is refusing because the broadcaster is over, this thread is about to end, too.
void IoThread::post_later() {
  retry_.expires_after(Handover::kFullInbox);
  retry_.async_wait([this](boost::system::error_code error) {
    if (!error && !handover_.try_post()) post_later();
  });
}

}  // namespace broadcast

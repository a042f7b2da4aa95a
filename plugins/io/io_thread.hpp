#pragma once
// A thread for a server that is spoken to over TLS: sockets, handshakes and parsing live there, so
// that none of it holds up the broadcaster, which is told through a Handover. Owned by what speaks
// to that server, on the broadcaster's thread.

#include <functional>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "plugins/io/handover.hpp"

namespace broadcast {

class IoThread {
 public:
  /// [plugin] Starts the thread. `ca`: a PEM file of the authorities that are trusted; empty: those
  /// of this machine. Throws std::invalid_argument where it cannot be read.
  IoThread(const std::string& ca, Handover::Post post);
  ~IoThread() { stop(); }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// [plugin] Ends and joins the thread, whatever it waits for. Nothing is handed over afterwards.
  void stop();
  /// [any] Runs it on the I/O thread.
  void post_io(std::function<void()> run);
  /// [io] Runs it on the broadcaster's thread, in order.
  void post_plugin(std::function<void()> run);

  // [io] For what runs there.
  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  [[nodiscard]] boost::asio::ssl::context& tls() { return tls_; }

 private:
  void work();
  void post_later();

  Handover handover_;
  boost::asio::io_context context_{1};
  boost::asio::ssl::context tls_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer retry_;
  std::thread thread_;
};

}  // namespace broadcast

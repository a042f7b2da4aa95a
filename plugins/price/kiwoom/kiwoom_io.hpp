#pragma once
// The one I/O thread of a Kiwoom session: sockets, TLS and parsing live there, and what it has for
// the broadcaster is handed over by one post at a time, so that no stream of messages can fill the
// host's inbox. Owned by the session.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace broadcast {

class KiwoomIo {
 public:
  /// As SourceCalls::post.
  using Post = std::function<bool(std::function<void()>)>;

  /// `ca`: a PEM file of the authorities that are trusted; empty: those of this machine. Throws
  /// std::invalid_argument where it cannot be read.
  KiwoomIo(const std::string& ca, Post post);
  ~KiwoomIo() { stop(); }
  KiwoomIo(const KiwoomIo&) = delete;
  KiwoomIo& operator=(const KiwoomIo&) = delete;

  /// [plugin] Ends and joins the thread, whatever it waits for. Nothing is handed over afterwards.
  void stop();
  /// [any] Runs it on the I/O thread.
  void post_io(std::function<void()> run);
  /// [io] Runs it on the broadcaster's thread, in order.
  void post_plugin(std::function<void()> run);

  // [io] For who works there.
  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  [[nodiscard]] boost::asio::ssl::context& tls() { return tls_; }

 private:
  /// Outlives this in what was posted and not run yet.
  struct Waiting {
    std::mutex mutex;  // over the next ones
    std::vector<std::function<void()>> runs;
    bool is_posted = false;
    bool is_over = false;
  };
  void work();
  void hand_over();
  static void run_waiting(Waiting& waiting);

  const Post post_;
  boost::asio::io_context context_{1};
  boost::asio::ssl::context tls_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer retry_;

  const std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
  std::thread thread_;
};

}  // namespace broadcast

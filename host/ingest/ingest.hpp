#pragma once
// What producers send through Redis: a thread with an io_context of its own, and on it the
// subscription, the stream and the cache, as far as they are configured. Owned by app/server;
// outlives the broadcasters, whose verdicts it takes. [main] unless a line says otherwise.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/sequencer.hpp"
#include "host/hub/status_board.hpp"
#include "host/ingest/redis_cache.hpp"
#include "host/ingest/redis_stream.hpp"
#include "host/ingest/redis_subscriber.hpp"
#include "host/ingest/redis_url.hpp"
#include "host/seams/cache_control.hpp"

namespace broadcast {

class Ingest {
 public:
  struct Options {
    RedisUrl url;          ///< of the channels and the stream
    std::string channels;  ///< as of RedisSubscriber; empty: none
    std::string ca;        ///< file with the certificates to trust; empty: the system's
    std::size_t payload_bytes = 256 * 1024;
    std::optional<RedisStream::Options> stream;
    std::optional<RedisUrl> cache;  ///< where broadcasters may drop keys; none: nowhere
  };

  /// Throws std::runtime_error: "redis.ca: /x.pem: ...". References outlive it.
  Ingest(Options options, ProducerGate& gate, Sequencer& sequencer, StatusBoard& statuses,
         Counters& counters);
  /// Stops, if that was not done.
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  void start();
  /// Nothing is read any more.
  void stop_reading();
  /// Ends all of it; what broadcasters have asked the cache for has until `until`. May be called
  /// again.
  void stop(MonoTime until);

  /// Null: not wanted.
  [[nodiscard]] CacheControl* cache() { return cache_.get(); }
  /// [any] Which connections there are, and whether each is ready.
  [[nodiscard]] std::vector<std::pair<std::string, bool>> connections() const;

 private:
  void arm_tick();
  void end();

  // Constant after construction.
  const Options options_;
  StatusBoard& statuses_;
  boost::asio::io_context io_{1};
  // It runs until end(), also when nothing is left to read.
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
  boost::asio::ssl::context cache_tls_{boost::asio::ssl::context::tls_client};
  // [ingest]
  boost::asio::steady_timer tick_;
  std::unique_ptr<RedisSubscriber> subscriber_;
  std::unique_ptr<RedisStream> stream_;
  std::unique_ptr<RedisCache> cache_;
  // [main]
  std::thread thread_;
};

}  // namespace broadcast

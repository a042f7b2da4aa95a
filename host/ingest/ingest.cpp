#include "host/ingest/ingest.hpp"

#include <algorithm>
#include <chrono>
#include <future>

#include <boost/asio/post.hpp>
#include <pthread.h>

namespace broadcast {

namespace {

constexpr std::chrono::seconds kTick{1};
constexpr std::string_view kNotYet = "not connected to Redis yet";

/// One payload of the largest size always fits, whatever stands around it.
RespBounds::Limits limits_for(std::size_t payload_bytes) {
  RespBounds::Limits limits{.bulk_bytes = payload_bytes};
  limits.reply_bytes = std::max(limits.reply_bytes, payload_bytes + 1024 * 1024);
  return limits;
}

}  // namespace

Ingest::Ingest(Options options, ProducerGate& gate, Sequencer& sequencer, StatusBoard& statuses,
               Counters& counters)
    : options_(std::move(options)), statuses_(statuses), tick_(io_) {
  prepare_tls(tls_, options_.url, "url", options_.ca);
  if (options_.cache) prepare_tls(cache_tls_, *options_.cache, "cache", options_.ca);
  const auto parts = [&](const char* name, const RedisUrl& url, boost::asio::ssl::context& tls) {
    return RedisConnection::Parts{.io = io_,
                                  .url = url,
                                  .tls = tls,
                                  .counters = counters,
                                  .limits = limits_for(options_.payload_bytes),
                                  .name = name};
  };
  if (!options_.channels.empty()) {
    subscriber_ = std::make_unique<RedisSubscriber>(
        parts("subscriber", options_.url, tls_),
        RedisSubscriber::Options{.channels = options_.channels,
                                 .payload_bytes = options_.payload_bytes},
        gate, statuses);
  }
  if (options_.stream) {
    stream_ = std::make_unique<RedisStream>(parts("stream", options_.url, tls_), *options_.stream,
                                            gate, sequencer, statuses);
  }
  if (options_.cache)
    cache_ = std::make_unique<RedisCache>(parts("cache", *options_.cache, cache_tls_));
}

Ingest::~Ingest() { stop(mono_now()); }

void Ingest::start() {
  // There from the start, so that clients can subscribe to it.
  if (subscriber_) statuses_.report(RedisSubscriber::kStatusName, BroadcasterState::kDown, kNotYet);
  if (stream_) statuses_.report(RedisStream::kStatusName, BroadcasterState::kDown, kNotYet);
  boost::asio::post(io_, [this] {
    if (subscriber_) subscriber_->start();
    if (stream_) stream_->start();
    if (cache_) cache_->start();
    arm_tick();
  });
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "ingest");
    io_.run();
  });
}

void Ingest::stop_reading() {
  if (!thread_.joinable()) return;
  std::promise<void> is_done;
  const std::future<void> done = is_done.get_future();
  boost::asio::post(io_, [this, is_done = std::move(is_done)]() mutable {
    tick_.cancel();
    if (subscriber_) subscriber_->stop();
    if (stream_) stream_->stop();
    is_done.set_value();
  });
  done.wait();
}

void Ingest::stop(MonoTime until) {
  if (!thread_.joinable()) return;
  stop_reading();
  boost::asio::post(io_, [this, until] {
    if (!cache_) return end();
    tick_.expires_at(until);
    tick_.async_wait([this](boost::system::error_code error) {
      if (!error) end();
    });
    cache_->when_idle([this] { end(); });
  });
  thread_.join();
}

void Ingest::end() {
  if (cache_) cache_->stop();
  io_.stop();
}

std::vector<std::pair<std::string, bool>> Ingest::connections() const {
  std::vector<std::pair<std::string, bool>> all;
  if (subscriber_) all.emplace_back("subscriber", subscriber_->connection().is_ready());
  if (stream_) all.emplace_back("stream", stream_->connection().is_ready());
  if (cache_) all.emplace_back("cache", cache_->connection().is_ready());
  return all;
}

void Ingest::arm_tick() {
  const MonoTime now = mono_now();
  if (subscriber_) subscriber_->on_tick(now);
  if (stream_) stream_->on_tick(now);
  tick_.expires_after(kTick);
  tick_.async_wait([this](boost::system::error_code error) {
    if (!error) arm_tick();
  });
}

}  // namespace broadcast

#include "tools/broadcastctl/redis_talk.hpp"

#include <utility>

#include "host/base/clock.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

namespace {

constexpr std::chrono::seconds kPatience{10};

}  // namespace

RedisTalk::RedisTalk(const Config& config)
    : url_(parse_redis_url(config.redis.url)),
      connection_({.io = io_,
                   .url = url_,
                   .tls = tls_,
                   .counters = counters_,
                   .limits = {.bulk_bytes = config.limits.publish_bytes},
                   .name = "ctl"},
                  *this) {
  prepare_tls(tls_, url_, "url", config.redis.ca);
  connection_.start();
  run_until([this] { return is_ready_; });
}

void RedisTalk::ask(std::initializer_list<std::string_view> words, const Reader& reader) {
  reader_ = &reader;
  connection_.send(words);
  run_until([this] { return reader_ == nullptr; });
  if (error_.empty()) return;
  throw CannotRun(url_.shown() + " refuses " + std::string(*words.begin()) + ": " +
                  std::exchange(error_, {}));
}

void RedisTalk::on_reply(const redisReply& reply) {
  const Reader* const reader = std::exchange(reader_, nullptr);
  if (is_error(reply)) {
    error_ = error_text(reply);
  } else if (reader != nullptr) {
    (*reader)(reply);
  }
}

void RedisTalk::run_until(const std::function<bool()>& is_so) {
  const MonoTime until = mono_now() + kPatience;
  while (!is_so()) {
    const std::string& down = connection_.down_words();
    if (!down.empty()) throw CannotRun(url_.shown() + ": " + down + ". Check redis.url.");
    if (mono_now() >= until) throw CannotRun(url_.shown() + ": Redis does not answer.");
    io_.run_one_for(until - mono_now());
  }
}

}  // namespace broadcast

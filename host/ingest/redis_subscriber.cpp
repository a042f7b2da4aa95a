#include "host/ingest/redis_subscriber.hpp"

#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kShownName = 128;
constexpr std::size_t kShownWhy = 256;

Counter counter_of(Refusal refusal) {
  static constexpr std::array<Counter, kRefusals> kCounters = {
      Counter::kRedisTooLarge, Counter::kRedisNotJson, Counter::kRedisNeither,
      Counter::kRedisNoOwner,  Counter::kRedisRefused, Counter::kRedisUnavailable};
  return kCounters[static_cast<std::size_t>(refusal)];
}

}  // namespace

RedisSubscriber::RedisSubscriber(const RedisConnection::Parts& parts, Options options,
                                 ProducerGate& gate, StatusBoard& statuses)
    : io_(parts.io),
      counters_(parts.counters),
      options_(std::move(options)),
      prefix_bytes_(options_.channels.size() - 1),
      gate_(gate),
      statuses_(statuses),
      connection_(parts, *this),
      verdicts_(std::make_shared<Verdicts>(Verdicts{this})) {}

void RedisSubscriber::start() { connection_.start(); }

void RedisSubscriber::stop() {
  verdicts_->subscriber = nullptr;
  connection_.stop();
}

void RedisSubscriber::on_ready() { connection_.send({"PSUBSCRIBE", options_.channels}); }

void RedisSubscriber::on_reply(const redisReply& reply) {
  if (is_error(reply)) return connection_.drop("refuses PSUBSCRIBE: " + error_text(reply));
  const auto list = list_of(reply);
  if (list.empty()) return;
  const auto kind = text_of(*list[0]);
  if (kind == "psubscribe") {
    is_subscribed_ = true;
    spdlog::info("redis: subscribed to {}", options_.channels);
    return;
  }
  if (kind != "pmessage" || list.size() != 4) return;
  const auto channel = text_of(*list[2]);
  if (!channel || channel->size() <= prefix_bytes_) {
    gate_.count_refused();
    return refuse(options_.channels, Refusal::kNoOwner, "no topic", mono_now());
  }
  on_message(*channel, text_of(*list[3]), mono_now());
}

void RedisSubscriber::on_message(std::string_view channel, std::optional<std::string_view> payload,
                                 MonoTime now) {
  counters_.add(Counter::kRedisMessages);
  const auto turned_away = gate_.try_post(
      {.source = "redis", .takes = {.most_bytes = options_.payload_bytes}},
      channel.substr(prefix_bytes_), payload,
      [&io = io_, verdicts = verdicts_, channel = std::string(channel)](const Verdict& verdict) {
        if (verdict.outcome == Verdict::Outcome::kAccepted) return;
        const Refusal refusal = verdict.outcome == Verdict::Outcome::kRefused
                                    ? Refusal::kRefused
                                    : Refusal::kUnavailable;
        boost::asio::post(io, [verdicts, channel, refusal, why = verdict.text] {
          if (verdicts->subscriber == nullptr) return;
          verdicts->subscriber->refuse(channel, refusal, why, mono_now());
        });
      });
  if (turned_away) refuse(channel, turned_away->refusal, words_of(*turned_away), now);
}

void RedisSubscriber::refuse(std::string_view channel, Refusal refusal, std::string_view why,
                             MonoTime now) {
  counters_.add(counter_of(refusal));
  ++refused_[static_cast<std::size_t>(refusal)];
  const auto line = log_throttle_.line(channel, now);
  if (!line) return;
  spdlog::warn("redis: a message on {} is dropped ({}): {}{}", printable(line->name, kShownName),
               to_string(refusal), printable(why, kShownWhy), line->more());
}

void RedisSubscriber::on_tick(MonoTime now) {
  if (!is_subscribed_) {
    const std::string& why = connection_.down_words();
    if (!why.empty()) statuses_.report(kStatusName, BroadcasterState::kDown, why);
    return;
  }
  if (now - shown_ < LogThrottle::kEvery && shown_ != MonoTime()) return;
  std::string detail;
  for (std::size_t i = 0; i < kRefusals; ++i) {
    if (refused_[i] == 0) continue;
    detail += detail.empty() ? "messages dropped lately: " : ", ";
    detail += std::string(to_string(static_cast<Refusal>(i))) + " " + std::to_string(refused_[i]);
  }
  shown_ = detail.empty() ? MonoTime() : now;
  refused_ = {};
  statuses_.report(kStatusName,
                   detail.empty() ? BroadcasterState::kOk : BroadcasterState::kDegraded, detail);
}

}  // namespace broadcast

#include "host/net/shard_group.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "host/base/guarded.hpp"
#include "host/base/utf8.hpp"
#include "host/hub/close_reason.hpp"
#include "host/wire/upgrade.hpp"

namespace broadcast {

ShardGroup::ShardGroup(TopicHub& hub, NetOptions options, Shard::ClientFactory factory)
    : options_(std::move(options)),
      factory_(std::move(factory)),
      admission_(options_.limits, options_.connections_by_descriptors),
      memory_(options_.shards, options_.memory_bytes) {
  prepare_upgrades();
  for (auto& flusher : make_flushers(options_.flush, options_.shards)) {
    shards_.push_back(std::make_unique<Shard>(hub, options_.limits, options_.drain, options_.rules,
                                              admission_, memory_, doors_, factory_,
                                              std::move(flusher)));
  }
}

ShardGroup::~ShardGroup() = default;

void ShardGroup::start() {
  sockets_ = std::make_unique<ListenSockets>(options_.listen, options_.shards);
  const std::size_t listeners = options_.listen.listeners(options_.shards);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->start(sockets_->take(i), listeners);
  }
}

void ShardGroup::set_limits(const NetOptions& options) {
  admission_.set_limits(options.limits, options.connections_by_descriptors);
  memory_.set_limit(options.memory_bytes);
  for (const auto& shard : shards_)
    shard->post_limits(options.limits, options.drain, options.rules);
}

void ShardGroup::post(const std::function<void(Shard&)>& use) {
  for (const auto& shard : shards_) {
    shard->post([use, &shard = *shard] { use(shard); });
  }
}

void ShardGroup::stop_accepting() {
  if (sockets_) sockets_->stop();
  for (const auto& shard : shards_) shard->post_stop_accepting();
}

void ShardGroup::stop(std::chrono::nanoseconds drain) {
  const MonoTime deadline = mono_now() + drain;
  for (const auto& shard : shards_) shard->post_shut_down(deadline);
  for (const auto& shard : shards_) shard->join();
}

std::size_t ShardGroup::client_count() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) count += shard->connection_count();
  return count;
}

bool ShardGroup::try_send_all(std::string_view json) {
  if (json.size() > kMaxSendAllBytes || !is_utf8(json)) return false;
  const MessagePtr message = Message::text_of(json);
  const std::size_t bytes = message->frame().size();
  std::size_t reserved = 0;
  while (reserved < shards_.size() && shards_[reserved]->inbox().try_reserve(bytes)) ++reserved;
  if (reserved < shards_.size()) {
    while (reserved-- > 0) shards_[reserved]->inbox().cancel(bytes);
    return false;
  }
  for (const auto& shard : shards_) {
    if (shard->inbox().push_reserved(message) == Inbox::Push::kWake) shard->inbox().wake();
  }
  return true;
}

bool ShardGroup::try_close_idle(std::chrono::nanoseconds idle, std::uint16_t close_code,
                                std::string_view reason) {
  if (!is_sendable_close_code(close_code) || reason.size() > kMaxCloseTextBytes ||
      !is_utf8(reason)) {
    return false;
  }
  return std::ranges::count_if(shards_, [&](const auto& shard) {
           return !shard->try_close_idle(idle, close_code, std::string(reason));
         }) == 0;
}

void ShardGroup::set_heartbeat(const void* setter, Heartbeat heartbeat) {
  heartbeats_.with_lock([&](Heartbeats& all) {
    const auto found = std::ranges::find(all, setter, &Heartbeats::value_type::first);
    if (found != all.end()) {
      found->second = heartbeat;
    } else {
      all.emplace_back(setter, heartbeat);
    }
  });
  post_heartbeat();
}

void ShardGroup::end_heartbeat(const void* setter) {
  const std::size_t ended = heartbeats_.with_lock([&](Heartbeats& all) {
    return std::erase_if(all, [&](const auto& one) { return one.first == setter; });
  });
  if (ended > 0) post_heartbeat();
}

/// Each shard asks when it comes to it, so that of two changes the last one stays.
void ShardGroup::post_heartbeat() {
  post([this](Shard& shard) {
    shard.set_heartbeat(heartbeats_.with_lock([](const Heartbeats& all) {
      return all.empty() ? std::nullopt : std::optional(all.back().second);
    }));
  });
}

void ShardGroup::ask_slowest(std::size_t most, std::function<void(std::vector<ClientView>)> done) {
  struct Found {
    std::vector<ClientView> views;
    std::size_t missing;
  };
  const auto found = std::make_shared<Guarded<Found>>(Found{{}, shards_.size()});
  for (const auto& shard : shards_) {
    shard->post_ask_slowest(most, [found, most, done](std::vector<ClientView> views) {
      const bool is_last = found->with_lock([&](Found& so_far) {
        std::ranges::move(views, std::back_inserter(so_far.views));
        return --so_far.missing == 0;
      });
      if (!is_last) return;
      auto all = found->with_lock([](Found& so_far) { return std::move(so_far.views); });
      std::ranges::sort(all, std::greater(), &ClientView::pending_bytes);
      all.resize(std::min(most, all.size()));
      done(std::move(all));
    });
  }
}

std::size_t ShardGroup::pending_bytes() const {
  std::size_t bytes = 0;
  for (const auto& shard : shards_) bytes += shard->pending_bytes();
  return bytes;
}

MonoTime ShardGroup::ticked_at() const {
  MonoTime earliest = MonoTime::max();
  for (const auto& shard : shards_) earliest = std::min(earliest, shard->ticked_at());
  return earliest;
}

std::uint64_t ShardGroup::total(Counter counter) const {
  std::uint64_t total = 0;
  for (const auto& shard : shards_) total += std::as_const(*shard).counters().get(counter);
  return total;
}

}  // namespace broadcast

#pragma once
// The one table of everything the host counts: every close, drop and refusal has a row here.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace broadcast {

enum class Counter : std::size_t {
  kConnectionsAccepted,
  kHandshakesRefused,
  kPagesServed,
  kMessagesReceived,
  kMessagesPublished,
  kPublishBusy,
  kPublishInvalid,
  kPublishDenied,
  kDeliveries,
  kConflated,
  kInboxConflated,
  kErrorReplies,
  kClosedNormal,
  kClosedAbnormal,
  kClosedShutdown,
  kClosedProtocolError,
  kClosedNotUtf8,
  kClosedTooLarge,
  kClosedInternal,
  kClosedHeartbeat,
  kClosedSlow,
  kClosedFlood,
  kPluginExceptions,
  kPluginErrors,
  kPluginRestarts,
  kPluginReplacements,
  kOperations,
  kOperationsRefused,
  kProducerAccepted,
  kProducerRefused,
  kProducerUnavailable,
  kStoreCommits,
  kStoreCommitted,
  kStoreFailed,
  kStoreLost,
  kStoreFull,
  kStoreUnavailable,
  kRedisMessages,
  kRedisTooLarge,
  kRedisNotJson,
  kRedisNeither,
  kRedisNoOwner,
  kRedisRefused,
  kRedisUnavailable,
  kRedisReconnects,
  kStreamHandled,
  kStreamRefused,
  kStreamRetried,
  kStreamGaps,
  kStreamMissing,
  kCacheDrops,
  kCacheKeys,
  kCacheErrors,
  // One for each key of `limits` in the YAML: how often somebody met it.
  kLimitMessage,
  kLimitOutbox,
  kLimitPublish,
  kLimitWriteStall,
  kLimitHandshake,
  kLimitTopics,
  kLimitTopicsPerConnection,
  kLimitTopicsPerRequest,
  kLimitTopicName,
  kLimitCommands,
  kLimitConnections,
  kLimitConnectionsPerAddress,
  kLimitAccepts,
  kLimitHandshakes,
  kCount
};

/// [any] One writer's share of the table. Each shard has its own, so that counting a delivery never
/// shares a cache line with another thread; readers add the tables up.
class alignas(64) Counters {
 public:
  using Values = std::array<std::uint64_t, static_cast<std::size_t>(Counter::kCount)>;

  void add(Counter counter, std::uint64_t by = 1) {
    values_[static_cast<std::size_t>(counter)].fetch_add(by, std::memory_order_relaxed);
  }
  /// Where one thread writes to the whole table: without a locked instruction.
  void add_alone(Counter counter, std::uint64_t by = 1) {
    auto& value = values_[static_cast<std::size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get(Counter counter) const {
    return values_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  [[nodiscard]] Values values() const {
    Values values{};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = get(static_cast<Counter>(i));
    return values;
  }

 private:
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Counter::kCount)> values_{};
};

}  // namespace broadcast

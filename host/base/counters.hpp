#pragma once
// The one table of everything the host counts: every close, drop and refusal has a row here.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace broadcast {

enum class Counter : std::size_t {
  kConnectionsAccepted,
  kHandshakeOrigin,
  kHandshakeFull,
  kHandshakeFullAddress,
  kHandshakeDescriptors,
  kHandshakeShutdown,
  kHandshakePath,
  kHandshakeMethod,
  kHandshakeNoUpgrade,
  kHandshakeBadRequest,
  kHandshakeExpectation,
  kHandshakeTooLarge,
  kHandshakeNotHttp,
  kHandshakeTls,
  kHandshakeTimeout,
  kHandshakeGone,
  kPagesServed,
  kMessagesReceived,
  kControlFrames,
  kMessagesPublished,
  kPublishBusy,
  kPublishInvalid,
  kPublishDenied,
  kPublishFull,
  kStateRefused,
  kDeliveries,
  kConflated,
  kInboxConflated,
  kErrorReplies,
  kSinceAhead,
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
  kClosedMemory,
  kPluginExceptions,
  kPluginErrors,
  kPluginRestarts,
  kPluginReplacements,
  kOperations,
  kOperationsRefused,
  kAdminFull,
  kAdminBadRequest,
  kAdminUnauthorized,
  kAdminForbidden,
  kAdminNotFound,
  kAdminMethod,
  kAdminTooLarge,
  kAdminExpectation,
  kAdminContent,
  kAdminTimeout,
  kProducerAccepted,
  kProducerRefused,
  kProducerUnavailable,
  kStoreCommits,
  kStoreCommitted,
  kStoreFailed,
  kStoreLost,
  kStoreFull,
  kStoreUnavailable,
  kStoreRewrites,
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
  kStreamParked,
  kStreamParkedDropped,
  kStreamRefusedDropped,
  kStreamGaps,
  kStreamMissing,
  kStreamUnread,
  kCacheDrops,
  kCacheKeys,
  kCacheErrors,
  // One for each key of `limits` in the YAML, and admin.connections: how often somebody met it.
  kLimitMessage,
  kLimitOutbox,
  kLimitPublish,
  kLimitWriteStall,
  kLimitHandshake,
  kLimitTopics,
  kLimitTopicsPerBroadcaster,
  kLimitTopicsPerConnection,
  kLimitTopicsPerAddress,
  kLimitWorkPerAddress,
  kLimitTopicsPerRequest,
  kLimitTopicName,
  kLimitCommands,
  kLimitControlFrames,
  kLimitConnections,
  kLimitConnectionsPerAddress,
  kLimitAccepts,
  kLimitHandshakes,
  kLimitDescriptorsReserve,
  kLimitMemory,
  kLimitAdminConnections,
  kCount
};

/// Why a handshake or a request to the admin listener was refused, or a connection closed, in a
/// word: the label in /metrics and the one in the log. Of other counters "".
[[nodiscard]] constexpr const char* reason_word(Counter counter) {
  switch (counter) {
    case Counter::kHandshakeOrigin:
      return "origin";
    case Counter::kHandshakeFull:
    case Counter::kAdminFull:
      return "full";
    case Counter::kHandshakeFullAddress:
      return "full_address";
    case Counter::kHandshakeDescriptors:
      return "descriptors";
    case Counter::kHandshakePath:
      return "path";
    case Counter::kHandshakeMethod:
    case Counter::kAdminMethod:
      return "method";
    case Counter::kHandshakeNoUpgrade:
      return "no_upgrade";
    case Counter::kHandshakeBadRequest:
    case Counter::kAdminBadRequest:
      return "bad_request";
    case Counter::kHandshakeExpectation:
    case Counter::kAdminExpectation:
      return "expectation";
    case Counter::kHandshakeTooLarge:
    case Counter::kAdminTooLarge:
    case Counter::kClosedTooLarge:
      return "too_large";
    case Counter::kHandshakeNotHttp:
      return "not_http";
    case Counter::kHandshakeTls:
      return "tls";
    case Counter::kHandshakeTimeout:
    case Counter::kAdminTimeout:
      return "timeout";
    case Counter::kHandshakeGone:
      return "gone";
    case Counter::kAdminUnauthorized:
      return "unauthorized";
    case Counter::kAdminForbidden:
      return "forbidden";
    case Counter::kAdminNotFound:
      return "not_found";
    case Counter::kAdminContent:
      return "content";
    case Counter::kClosedNormal:
      return "normal";
    case Counter::kClosedAbnormal:
      return "abnormal";
    case Counter::kHandshakeShutdown:
    case Counter::kClosedShutdown:
      return "shutdown";
    case Counter::kClosedProtocolError:
      return "protocol_error";
    case Counter::kClosedNotUtf8:
      return "not_utf8";
    case Counter::kClosedInternal:
      return "internal";
    case Counter::kClosedHeartbeat:
      return "heartbeat";
    case Counter::kClosedSlow:
      return "slow";
    case Counter::kClosedFlood:
      return "flood";
    case Counter::kClosedMemory:
      return "memory";
    default:
      return "";
  }
}

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

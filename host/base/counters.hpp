#pragma once
// The one table of everything the host counts: every close, drop and refusal has a row here. The
// row is all there is to say about a counter; /metrics and the log read it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "host/base/limits.hpp"

namespace broadcast {

/// A metric as Prometheus knows it. It shows one counter, or several that a label tells apart.
struct CounterMetric {
  const char* name;  ///< null: only broadcasters have it
  const char* help;
  const char* label = nullptr;             ///< null: it is one counter
  const char* broadcaster_name = nullptr;  ///< of each broadcaster's own counts; null: there are
                                           ///< none
  const char* broadcaster_help = nullptr;
};

inline constexpr CounterMetric kPublishedMetric{
    "broadcast_messages_published_total",
    "Messages published, each counted once regardless of its number of subscribers.", nullptr,
    "broadcast_broadcaster_published_total", "Messages that this broadcaster published."};
inline constexpr CounterMetric kPublishRefusedMetric{
    "broadcast_publish_refused_total",
    "Messages from broadcasters that the host refused to publish, by reason.", "reason",
    "broadcast_broadcaster_publish_refused_total",
    "Messages from this broadcaster that the host refused to publish, by reason."};
inline constexpr CounterMetric kConflatedMetric{
    "broadcast_conflated_total",
    "Messages on latest topics that a newer message replaced before they were sent, by queue.",
    "queue"};
inline constexpr CounterMetric kHandshakesRefusedMetric{
    "broadcast_handshakes_refused_total",
    "Connections that did not become WebSocket connections, by reason.", "reason"};
inline constexpr CounterMetric kConnectionsClosedMetric{
    "broadcast_connections_closed_total", "WebSocket connections that ended, by reason.", "reason"};
inline constexpr CounterMetric kAdminRefusedMetric{
    "broadcast_admin_refused_total", "Requests that the admin listener refused, by reason.",
    "reason"};
inline constexpr CounterMetric kProducerMessagesMetric{
    "broadcast_producer_messages_total",
    "Messages from producers, by verdict, including those that the host itself refused.", "verdict",
    "broadcast_broadcaster_producer_messages_total",
    "Messages from producers that reached this broadcaster, by its verdict."};
inline constexpr CounterMetric kStoreRefusedMetric{
    "broadcast_store_refused_total",
    "Writes that the store refused because too many were waiting for a commit (full) or the state "
    "file could not be written (unavailable).",
    "reason"};
inline constexpr CounterMetric kRedisRefusedMetric{
    "broadcast_redis_refused_total", "Messages from Redis Pub/Sub that nobody took, by reason.",
    "reason"};
inline constexpr CounterMetric kStreamEntriesMetric{
    "broadcast_stream_entries_total",
    "Entries of the Redis stream, by result; retried counts attempts.", "result"};
inline constexpr CounterMetric kStreamDroppedMetric{
    "broadcast_stream_dropped_entries_total",
    "Parked or refused stream entries that were dropped because there was no room for more.",
    "stream"};
inline constexpr CounterMetric kLimitReachedMetric{
    "broadcast_limit_reached_total",
    "Times a limit was reached, by its key under limits; admin.connections has its full name.",
    "limit"};

/// A metric that only broadcasters have.
[[nodiscard]] constexpr CounterMetric of_broadcaster(const char* name, const char* help) {
  return {nullptr, nullptr, nullptr, name, help};
}

// The rows, in the order in which /metrics shows them: the enumerator, then its metric and the
// value of the metric's label, or name and help of a metric of its own. Those of limits are in
// base/limits.hpp.
#define BROADCAST_COUNTERS(ROW, LIMIT)                                                             \
  ROW(kConnectionsAccepted, "broadcast_connections_accepted_total",                                \
      "Clients that completed the WebSocket handshake.")                                           \
  ROW(kPagesServed, "broadcast_pages_served_total", "Requests answered with the demo page.")       \
  ROW(kMessagesReceived, "broadcast_messages_received_total", "Messages received from clients.")   \
  ROW(kControlFrames, "broadcast_control_frames_total",                                            \
      "Pings, pongs and empty fragments received from clients.")                                   \
  ROW(kErrorReplies, "broadcast_error_replies_total", "Error replies sent to clients.")            \
  ROW(kSinceAhead, "broadcast_since_ahead_total",                                                  \
      "Subscriptions whose since was above the topic's own number, as happens after an old state " \
      "file was restored.")                                                                        \
  ROW(kMessagesPublished, kPublishedMetric)                                                        \
  ROW(kPublishBusy, kPublishRefusedMetric, "busy")                                                 \
  ROW(kPublishInvalid, kPublishRefusedMetric, "invalid")                                           \
  ROW(kPublishDenied, kPublishRefusedMetric, "denied")                                             \
  ROW(kPublishFull, kPublishRefusedMetric, "topics")                                               \
  ROW(kStateRefused, of_broadcaster("broadcast_broadcaster_state_refused_total",                   \
                                    "States (bc.state/1) that this broadcaster set and the host "  \
                                    "did not keep because they were too large."))                  \
  ROW(kDeliveries, "broadcast_deliveries_total",                                                   \
      "Messages queued for subscribers, each counted once for every subscriber.")                  \
  ROW(kConflated, kConflatedMetric, "outbox")                                                      \
  ROW(kInboxConflated, kConflatedMetric, "inbox")                                                  \
  ROW(kHandshakeOrigin, kHandshakesRefusedMetric, "origin")                                        \
  ROW(kHandshakeFull, kHandshakesRefusedMetric, "full")                                            \
  ROW(kHandshakeFullAddress, kHandshakesRefusedMetric, "full_address")                             \
  ROW(kHandshakeDescriptors, kHandshakesRefusedMetric, "descriptors")                              \
  ROW(kHandshakeShutdown, kHandshakesRefusedMetric, "shutdown")                                    \
  ROW(kHandshakePath, kHandshakesRefusedMetric, "path")                                            \
  ROW(kHandshakeMethod, kHandshakesRefusedMetric, "method")                                        \
  ROW(kHandshakeNoUpgrade, kHandshakesRefusedMetric, "no_upgrade")                                 \
  ROW(kHandshakeBadRequest, kHandshakesRefusedMetric, "bad_request")                               \
  ROW(kHandshakeExpectation, kHandshakesRefusedMetric, "expectation")                              \
  ROW(kHandshakeTooLarge, kHandshakesRefusedMetric, "too_large")                                   \
  ROW(kHandshakeNotHttp, kHandshakesRefusedMetric, "not_http")                                     \
  ROW(kHandshakeTls, kHandshakesRefusedMetric, "tls")                                              \
  ROW(kHandshakeProxy, kHandshakesRefusedMetric, "proxy")                                          \
  ROW(kHandshakeTimeout, kHandshakesRefusedMetric, "timeout")                                      \
  ROW(kHandshakeGone, kHandshakesRefusedMetric, "gone")                                            \
  ROW(kClosedNormal, kConnectionsClosedMetric, "normal")                                           \
  ROW(kClosedAbnormal, kConnectionsClosedMetric, "abnormal")                                       \
  ROW(kClosedShutdown, kConnectionsClosedMetric, "shutdown")                                       \
  ROW(kClosedProtocolError, kConnectionsClosedMetric, "protocol_error")                            \
  ROW(kClosedNotUtf8, kConnectionsClosedMetric, "not_utf8")                                        \
  ROW(kClosedTooLarge, kConnectionsClosedMetric, "too_large")                                      \
  ROW(kClosedInternal, kConnectionsClosedMetric, "internal")                                       \
  ROW(kClosedHeartbeat, kConnectionsClosedMetric, "heartbeat")                                     \
  ROW(kClosedSlow, kConnectionsClosedMetric, "slow")                                               \
  ROW(kClosedFlood, kConnectionsClosedMetric, "flood")                                             \
  ROW(kClosedMemory, kConnectionsClosedMetric, "memory")                                           \
  ROW(kAdminFull, kAdminRefusedMetric, "full")                                                     \
  ROW(kAdminBadRequest, kAdminRefusedMetric, "bad_request")                                        \
  ROW(kAdminTls, kAdminRefusedMetric, "tls")                                                       \
  ROW(kAdminUnauthorized, kAdminRefusedMetric, "unauthorized")                                     \
  ROW(kAdminForbidden, kAdminRefusedMetric, "forbidden")                                           \
  ROW(kAdminNotFound, kAdminRefusedMetric, "not_found")                                            \
  ROW(kAdminMethod, kAdminRefusedMetric, "method")                                                 \
  ROW(kAdminTooLarge, kAdminRefusedMetric, "too_large")                                            \
  ROW(kAdminExpectation, kAdminRefusedMetric, "expectation")                                       \
  ROW(kAdminContent, kAdminRefusedMetric, "content")                                               \
  ROW(kAdminTimeout, kAdminRefusedMetric, "timeout")                                               \
  ROW(kProducerAccepted, kProducerMessagesMetric, "accepted")                                      \
  ROW(kProducerRefused, kProducerMessagesMetric, "refused")                                        \
  ROW(kProducerUnavailable, kProducerMessagesMetric, "unavailable")                                \
  ROW(kPluginExceptions, of_broadcaster("broadcast_broadcaster_exceptions_total",                  \
                                        "Exceptions that escaped from this broadcaster's code."))  \
  ROW(kPluginErrors, of_broadcaster("broadcast_broadcaster_errors_total",                          \
                                    "Events that this broadcaster answered with an error."))       \
  ROW(kPluginRestarts, of_broadcaster("broadcast_broadcaster_restarts_total",                      \
                                      "Times this broadcaster was restarted after a failure."))    \
  ROW(kPluginReplacements,                                                                         \
      of_broadcaster(                                                                              \
          "broadcast_broadcaster_replacements_total",                                              \
          "Times a new generation of this broadcaster took over at an operator's request."))       \
  ROW(kOperations, "broadcast_operations_total",                                                   \
      "Reloads and changes to broadcasters that operators requested.")                             \
  ROW(kOperationsRefused, "broadcast_operations_refused_total",                                    \
      "Reloads and changes to broadcasters that were refused, wholly or in part.")                 \
  ROW(kStoreCommits, "broadcast_store_commits_total", "Commits to the state file.")                \
  ROW(kStoreCommitted, "broadcast_store_messages_total",                                           \
      "Messages committed to the state file; those on latest topics are not counted.")             \
  ROW(kStoreFailed, "broadcast_store_failures_total",                                              \
      "Commits that failed, and failed attempts to resume after one.")                             \
  ROW(kStoreLost, "broadcast_store_lost_total",                                                    \
      "Messages lost with a failed commit; they were not published, and their producers were "     \
      "told.")                                                                                     \
  ROW(kStoreFull, kStoreRefusedMetric, "full")                                                     \
  ROW(kStoreUnavailable, kStoreRefusedMetric, "unavailable")                                       \
  ROW(kStoreRewrites, "broadcast_store_rewrites_total",                                            \
      "Times the state file could no longer be trusted and was rewritten from memory.")            \
  ROW(kRedisMessages, "broadcast_redis_messages_total", "Messages received from Redis Pub/Sub.")   \
  ROW(kRedisTooLarge, kRedisRefusedMetric, "too_large")                                            \
  ROW(kRedisNotJson, kRedisRefusedMetric, "not_json")                                              \
  ROW(kRedisNeither, kRedisRefusedMetric, "neither_object_nor_list")                               \
  ROW(kRedisNoOwner, kRedisRefusedMetric, "no_owner")                                              \
  ROW(kRedisRefused, kRedisRefusedMetric, "refused")                                               \
  ROW(kRedisUnavailable, kRedisRefusedMetric, "unavailable")                                       \
  ROW(kRedisReconnects, "broadcast_redis_reconnects_total",                                        \
      "Times a connection to Redis was lost or could not be made, and was tried again.")           \
  ROW(kStreamHandled, kStreamEntriesMetric, "handled")                                             \
  ROW(kStreamRefused, kStreamEntriesMetric, "refused")                                             \
  ROW(kStreamRetried, kStreamEntriesMetric, "retried")                                             \
  ROW(kStreamParked, kStreamEntriesMetric, "parked")                                               \
  ROW(kStreamParkedDropped, kStreamDroppedMetric, "parked")                                        \
  ROW(kStreamRefusedDropped, kStreamDroppedMetric, "refused")                                      \
  ROW(kStreamGaps, "broadcast_stream_gaps_total",                                                  \
      "Times entries of the Redis stream were gone before they could be read.")                    \
  ROW(kStreamMissing, "broadcast_stream_missing_entries_total",                                    \
      "Entries of the Redis stream that were gone before they could be read; there may have been " \
      "more.")                                                                                     \
  ROW(kStreamUnread, "broadcast_stream_unread_entries_total",                                      \
      "Entries of a Redis stream that ended before the position already handled; they were not "   \
      "read and may be new.")                                                                      \
  ROW(kCacheDrops, "broadcast_cache_drops_total", "Patterns whose keys were dropped from Redis.")  \
  ROW(kCacheKeys, "broadcast_cache_dropped_keys_total", "Keys dropped from Redis.")                \
  ROW(kCacheErrors, "broadcast_cache_errors_total",                                                \
      "Patterns whose keys were not all dropped because Redis refused or too many patterns were "  \
      "waiting.")                                                                                  \
  BROADCAST_LIMITS(LIMIT)                                                                          \
  ROW(kLimitAdminConnections, kLimitReachedMetric, "admin.connections")

enum class Counter : std::size_t {
#define BROADCAST_ENUMERATOR(counter, ...) counter,
#define BROADCAST_LIMIT_ENUMERATOR(type, member, value, counter, key) counter,
  BROADCAST_COUNTERS(BROADCAST_ENUMERATOR, BROADCAST_LIMIT_ENUMERATOR)
#undef BROADCAST_LIMIT_ENUMERATOR
#undef BROADCAST_ENUMERATOR
      kCount
};

struct CounterRow {
  Counter counter;
  CounterMetric metric;
  const char* word;  ///< the value of the metric's label; "" without one
};
[[nodiscard]] constexpr CounterRow counter_row(Counter counter, const CounterMetric& metric,
                                               const char* word = "") {
  return {counter, metric, word};
}
[[nodiscard]] constexpr CounterRow counter_row(Counter counter, const char* name,
                                               const char* help) {
  return {counter, {name, help}, ""};
}

/// By counter.
inline constexpr CounterRow kCounterRows[] = {
#define BROADCAST_ROW(counter, ...) counter_row(Counter::counter, __VA_ARGS__),
#define BROADCAST_LIMIT_ROW(type, member, value, counter, key) \
  counter_row(Counter::counter, kLimitReachedMetric, key),
    BROADCAST_COUNTERS(BROADCAST_ROW, BROADCAST_LIMIT_ROW)
#undef BROADCAST_LIMIT_ROW
#undef BROADCAST_ROW
};
#undef BROADCAST_COUNTERS

/// Why a handshake or a request to the admin listener was refused, or a connection closed, in a
/// word: the label in /metrics and the word in the log.
[[nodiscard]] constexpr const char* reason_word(Counter counter) {
  return kCounterRows[static_cast<std::size_t>(counter)].word;
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

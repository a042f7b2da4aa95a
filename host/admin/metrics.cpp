#include "host/admin/metrics.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "host/admin/process_stats.hpp"

namespace broadcast {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Families = std::vector<MetricFamily>;
using Labels = std::vector<ClientMetric::Label>;

/// One counter as a member of a family; those of one family stand together.
struct CounterRow {
  Counter counter;
  const char* family;
  const char* help;
  const char* label = nullptr;
  const char* value = nullptr;
};

constexpr const char* kClosed = "broadcast_connections_closed_total";
constexpr const char* kClosedHelp = "Connections that ended, by reason.";
constexpr const char* kHandshakes = "broadcast_handshakes_refused_total";
constexpr const char* kHandshakesHelp = "Connections that did not become a WebSocket, by reason.";
constexpr const char* kAdmin = "broadcast_admin_refused_total";
constexpr const char* kAdminHelp = "Requests that the admin listener refused, by reason.";
constexpr const char* kConflated = "broadcast_conflated_total";
constexpr const char* kConflatedHelp =
    "Messages of latest topics that a newer one replaced while they waited.";
constexpr const char* kRefused = "broadcast_publish_refused_total";
constexpr const char* kRefusedHelp = "What broadcasters published and the host refused, by reason.";
constexpr const char* kProducer = "broadcast_producer_messages_total";
constexpr const char* kProducerHelp =
    "Messages of producers, by verdict; the host refuses as well.";
constexpr const char* kStoreRefused = "broadcast_store_refused_total";
constexpr const char* kStoreRefusedHelp =
    "What the store did not take: too much waits for a commit, or it cannot be written.";
constexpr const char* kRedisRefused = "broadcast_redis_refused_total";
constexpr const char* kRedisRefusedHelp =
    "Messages of Redis Pub/Sub that went to nobody, by reason.";
constexpr const char* kStream = "broadcast_stream_entries_total";
constexpr const char* kStreamHelp =
    "Entries of the Redis stream, by what became of them; retried counts tries.";
constexpr const char* kStreamDropped = "broadcast_stream_dropped_entries_total";
constexpr const char* kStreamDroppedHelp =
    "Entries that were parked or refused and are gone, because there was no room for more.";
constexpr const char* kLimit = "broadcast_limit_reached_total";
constexpr const char* kLimitHelp =
    "How often somebody met a limit, by its key under limits; admin.connections has its full name.";

constexpr CounterRow closed(Counter counter) {
  return {counter, kClosed, kClosedHelp, "reason", reason_word(counter)};
}
constexpr CounterRow handshake(Counter counter) {
  return {counter, kHandshakes, kHandshakesHelp, "reason", reason_word(counter)};
}
constexpr CounterRow admin(Counter counter) {
  return {counter, kAdmin, kAdminHelp, "reason", reason_word(counter)};
}

constexpr CounterRow kRows[] = {
    {Counter::kConnectionsAccepted, "broadcast_connections_accepted_total",
     "Clients that finished their handshake."},
    {Counter::kPagesServed, "broadcast_pages_served_total", "Answers with the demo page."},
    {Counter::kMessagesReceived, "broadcast_messages_received_total", "Messages from clients."},
    {Counter::kControlFrames, "broadcast_control_frames_total",
     "Pings, pongs and empty fragments from clients."},
    {Counter::kErrorReplies, "broadcast_error_replies_total", "Errors that clients were told."},
    {Counter::kSinceAhead, "broadcast_since_ahead_total",
     "Subscribes whose since is above the topic's own number: the state may be an old one."},
    {Counter::kMessagesPublished, "broadcast_messages_published_total",
     "Messages published, each counted once however many subscribers it has."},
    {Counter::kPublishBusy, kRefused, kRefusedHelp, "reason", "busy"},
    {Counter::kPublishInvalid, kRefused, kRefusedHelp, "reason", "invalid"},
    {Counter::kPublishDenied, kRefused, kRefusedHelp, "reason", "denied"},
    {Counter::kPublishFull, kRefused, kRefusedHelp, "reason", "topics"},
    {Counter::kDeliveries, "broadcast_deliveries_total",
     "Messages queued for a subscriber, each counted once for every subscriber."},
    {Counter::kConflated, kConflated, kConflatedHelp, "queue", "outbox"},
    {Counter::kInboxConflated, kConflated, kConflatedHelp, "queue", "inbox"},
    handshake(Counter::kHandshakeOrigin),
    handshake(Counter::kHandshakeFull),
    handshake(Counter::kHandshakeFullAddress),
    handshake(Counter::kHandshakeDescriptors),
    handshake(Counter::kHandshakeShutdown),
    handshake(Counter::kHandshakePath),
    handshake(Counter::kHandshakeMethod),
    handshake(Counter::kHandshakeNoUpgrade),
    handshake(Counter::kHandshakeBadRequest),
    handshake(Counter::kHandshakeExpectation),
    handshake(Counter::kHandshakeTooLarge),
    handshake(Counter::kHandshakeNotHttp),
    handshake(Counter::kHandshakeTls),
    handshake(Counter::kHandshakeTimeout),
    handshake(Counter::kHandshakeGone),
    closed(Counter::kClosedNormal),
    closed(Counter::kClosedAbnormal),
    closed(Counter::kClosedShutdown),
    closed(Counter::kClosedProtocolError),
    closed(Counter::kClosedNotUtf8),
    closed(Counter::kClosedTooLarge),
    closed(Counter::kClosedInternal),
    closed(Counter::kClosedHeartbeat),
    closed(Counter::kClosedSlow),
    closed(Counter::kClosedFlood),
    closed(Counter::kClosedMemory),
    admin(Counter::kAdminFull),
    admin(Counter::kAdminBadRequest),
    admin(Counter::kAdminUnauthorized),
    admin(Counter::kAdminForbidden),
    admin(Counter::kAdminNotFound),
    admin(Counter::kAdminMethod),
    admin(Counter::kAdminTooLarge),
    admin(Counter::kAdminExpectation),
    admin(Counter::kAdminContent),
    admin(Counter::kAdminTimeout),
    {Counter::kProducerAccepted, kProducer, kProducerHelp, "verdict", "accepted"},
    {Counter::kProducerRefused, kProducer, kProducerHelp, "verdict", "refused"},
    {Counter::kProducerUnavailable, kProducer, kProducerHelp, "verdict", "unavailable"},
    {Counter::kOperations, "broadcast_operations_total",
     "Reloads and changes of a broadcaster that operators asked for."},
    {Counter::kOperationsRefused, "broadcast_operations_refused_total",
     "Those of them that were refused, wholly or in part."},
    {Counter::kStoreCommits, "broadcast_store_commits_total", "Commits of the state file."},
    {Counter::kStoreCommitted, "broadcast_store_messages_total",
     "Messages of all topics that were committed."},
    {Counter::kStoreFailed, "broadcast_store_failures_total",
     "Commits that failed, and tries to go on after one."},
    {Counter::kStoreLost, "broadcast_store_lost_total",
     "Messages that went with a commit that failed: not published, and their producers were told."},
    {Counter::kStoreFull, kStoreRefused, kStoreRefusedHelp, "reason", "full"},
    {Counter::kStoreUnavailable, kStoreRefused, kStoreRefusedHelp, "reason", "unavailable"},
    {Counter::kStoreRewrites, "broadcast_store_rewrites_total",
     "How often the state file could not be trusted any more and was written anew from memory."},
    {Counter::kRedisMessages, "broadcast_redis_messages_total", "Messages of Redis Pub/Sub."},
    {Counter::kRedisTooLarge, kRedisRefused, kRedisRefusedHelp, "reason", "too_large"},
    {Counter::kRedisNotJson, kRedisRefused, kRedisRefusedHelp, "reason", "not_json"},
    {Counter::kRedisNeither, kRedisRefused, kRedisRefusedHelp, "reason", "neither_object_nor_list"},
    {Counter::kRedisNoOwner, kRedisRefused, kRedisRefusedHelp, "reason", "no_owner"},
    {Counter::kRedisRefused, kRedisRefused, kRedisRefusedHelp, "reason", "refused"},
    {Counter::kRedisUnavailable, kRedisRefused, kRedisRefusedHelp, "reason", "unavailable"},
    {Counter::kRedisReconnects, "broadcast_redis_reconnects_total",
     "How often a connection to Redis was lost or could not be made, and was tried again."},
    {Counter::kStreamHandled, kStream, kStreamHelp, "result", "handled"},
    {Counter::kStreamRefused, kStream, kStreamHelp, "result", "refused"},
    {Counter::kStreamRetried, kStream, kStreamHelp, "result", "retried"},
    {Counter::kStreamParked, kStream, kStreamHelp, "result", "parked"},
    {Counter::kStreamParkedDropped, kStreamDropped, kStreamDroppedHelp, "stream", "parked"},
    {Counter::kStreamRefusedDropped, kStreamDropped, kStreamDroppedHelp, "stream", "refused"},
    {Counter::kStreamGaps, "broadcast_stream_gaps_total",
     "How often something of the Redis stream was gone before it was read."},
    {Counter::kStreamMissing, "broadcast_stream_missing_entries_total",
     "Entries of the Redis stream that were gone before they were read, at least."},
    {Counter::kStreamUnread, "broadcast_stream_unread_entries_total",
     "Entries that a Redis stream held which ended before what was handled: they may be new."},
    {Counter::kCacheDrops, "broadcast_cache_drops_total",
     "Patterns whose keys were dropped from Redis."},
    {Counter::kCacheKeys, "broadcast_cache_dropped_keys_total", "Keys dropped from Redis."},
    {Counter::kCacheErrors, "broadcast_cache_errors_total",
     "Patterns whose keys were not dropped, or not all: Redis refused, or too many waited."},
    {Counter::kLimitMessage, kLimit, kLimitHelp, "limit", "message"},
    {Counter::kLimitOutbox, kLimit, kLimitHelp, "limit", "outbox"},
    {Counter::kLimitPublish, kLimit, kLimitHelp, "limit", "publish"},
    {Counter::kLimitWriteStall, kLimit, kLimitHelp, "limit", "write_stall"},
    {Counter::kLimitHandshake, kLimit, kLimitHelp, "limit", "handshake"},
    {Counter::kLimitTopics, kLimit, kLimitHelp, "limit", "topics"},
    {Counter::kLimitTopicsPerBroadcaster, kLimit, kLimitHelp, "limit", "topics_per_broadcaster"},
    {Counter::kLimitTopicsPerConnection, kLimit, kLimitHelp, "limit", "topics_per_connection"},
    {Counter::kLimitTopicsPerAddress, kLimit, kLimitHelp, "limit", "topics_per_address"},
    {Counter::kLimitWorkPerAddress, kLimit, kLimitHelp, "limit", "work_per_address"},
    {Counter::kLimitTopicsPerRequest, kLimit, kLimitHelp, "limit", "topics_per_request"},
    {Counter::kLimitTopicName, kLimit, kLimitHelp, "limit", "topic_name"},
    {Counter::kLimitCommands, kLimit, kLimitHelp, "limit", "commands_per_second"},
    {Counter::kLimitControlFrames, kLimit, kLimitHelp, "limit", "control_frames_per_second"},
    {Counter::kLimitConnections, kLimit, kLimitHelp, "limit", "connections"},
    {Counter::kLimitConnectionsPerAddress, kLimit, kLimitHelp, "limit", "connections_per_address"},
    {Counter::kLimitAccepts, kLimit, kLimitHelp, "limit", "accepts_per_second"},
    {Counter::kLimitHandshakes, kLimit, kLimitHelp, "limit", "handshakes"},
    {Counter::kLimitDescriptorsReserve, kLimit, kLimitHelp, "limit", "descriptors_reserve"},
    {Counter::kLimitMemory, kLimit, kLimitHelp, "limit", "memory"},
    {Counter::kLimitAdminConnections, kLimit, kLimitHelp, "limit", "admin.connections"},
};

constexpr const char* kOwnProducer = "broadcast_broadcaster_producer_messages_total";
constexpr const char* kOwnProducerHelp =
    "Messages of producers that reached this broadcaster, by its verdict.";
constexpr const char* kOwnRefused = "broadcast_broadcaster_publish_refused_total";
constexpr const char* kOwnRefusedHelp =
    "What this broadcaster published and the host refused, by reason.";

/// Of each broadcaster's own table.
constexpr CounterRow kBroadcasterRows[] = {
    {Counter::kMessagesPublished, "broadcast_broadcaster_published_total",
     "Messages that this broadcaster published."},
    {Counter::kPublishBusy, kOwnRefused, kOwnRefusedHelp, "reason", "busy"},
    {Counter::kPublishInvalid, kOwnRefused, kOwnRefusedHelp, "reason", "invalid"},
    {Counter::kPublishDenied, kOwnRefused, kOwnRefusedHelp, "reason", "denied"},
    {Counter::kPublishFull, kOwnRefused, kOwnRefusedHelp, "reason", "topics"},
    {Counter::kStateRefused, "broadcast_broadcaster_state_refused_total",
     "States (bc.state/1) that this broadcaster set and that are too large to be kept."},
    {Counter::kProducerAccepted, kOwnProducer, kOwnProducerHelp, "verdict", "accepted"},
    {Counter::kProducerRefused, kOwnProducer, kOwnProducerHelp, "verdict", "refused"},
    {Counter::kProducerUnavailable, kOwnProducer, kOwnProducerHelp, "verdict", "unavailable"},
    {Counter::kPluginExceptions, "broadcast_broadcaster_exceptions_total",
     "Exceptions that left this broadcaster's code."},
    {Counter::kPluginErrors, "broadcast_broadcaster_errors_total",
     "Events that this broadcaster answered with an error."},
    {Counter::kPluginRestarts, "broadcast_broadcaster_restarts_total",
     "How often this broadcaster was started again after a failure."},
    {Counter::kPluginReplacements, "broadcast_broadcaster_replacements_total",
     "How often another generation of this broadcaster took over, at an operator's request."},
};

constexpr BroadcasterState kStates[] = {BroadcasterState::kOk, BroadcasterState::kDegraded,
                                        BroadcasterState::kStale, BroadcasterState::kDown,
                                        BroadcasterState::kDisabled};

MetricFamily& family(Families& all, const std::string& name, const std::string& help,
                     MetricType type) {
  const auto known = std::ranges::find(all, name, &MetricFamily::name);
  if (known != all.end()) return *known;
  return all.emplace_back(MetricFamily{.name = name, .help = help, .type = type, .metric = {}});
}

void add(Families& all, MetricType type, const std::string& name, const std::string& help,
         double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = metric.gauge.value = value;  // the family's type says which is read
  family(all, name, help, type).metric.push_back(std::move(metric));
}

void add_row(Families& all, const CounterRow& row, std::uint64_t value, Labels labels = {}) {
  if (row.label != nullptr) labels.push_back({row.label, row.value});
  add(all, MetricType::Counter, row.family, row.help, static_cast<double>(value),
      std::move(labels));
}

void add_host(Families& all, const HostView& host) {
  const auto gauge = [&](const char* name, const char* help, std::size_t value) {
    add(all, MetricType::Gauge, name, help, static_cast<double>(value));
  };
  add(all, MetricType::Gauge, "broadcast_build_info", "1, with the version of the host.", 1,
      {{"version", host.version}});
  std::size_t subscriptions = 0;
  std::size_t tickers = 0;
  const std::vector<TopicTable::View> topics = host.topics.list();
  for (const TopicTable::View& topic : topics) {
    subscriptions += topic.subscribers;
    if (topic.subscribers > 0 && topic.name.starts_with("price:")) ++tickers;
  }
  gauge("broadcast_shards", "Threads that serve clients.", host.shards);
  gauge("broadcast_connections", "Clients that are connected.", host.clients.client_count());
  gauge("broadcast_pending_bytes", "Frames that wait for clients.", host.census.pending_bytes());
  gauge("broadcast_client_memory_bytes", "Memory that clients make the host hold (limits.memory).",
        host.census.held_bytes());
  gauge("broadcast_client_memory_limit_bytes", "How much that may be (limits.memory).",
        host.census.memory_limit());
  gauge("broadcast_topics", "Topics that there are.", topics.size());
  gauge("broadcast_subscriptions", "Subscriptions of all clients.", subscriptions);
  gauge("broadcast_active_tickers", "Tickers that somebody is subscribed to.", tickers);
  for (const auto& [name, is_ready] : host.redis ? host.redis() : RedisConnections()) {
    add(all, MetricType::Gauge, "broadcast_redis_connected",
        "1 while this connection to Redis is ready.", is_ready ? 1 : 0, {{"connection", name}});
  }
  for (const CounterRow& row : kRows) add_row(all, row, host.count(row.counter));
}

/// prometheus-cpp writes help as it is, and one backslash would make the whole answer unreadable.
std::string help_of(const MetricView& metric) {
  if (metric.help.empty()) return metric.name;
  std::string help;
  for (const char c : metric.help) help += c == '\\' ? "\\\\" : std::string(1, c);
  return help;
}

/// The broadcaster goes into the name where an earlier one means another kind by it.
void add_plugin_metric(Families& all, const std::string& broadcaster, const MetricView& metric) {
  static constexpr MetricType kTypes[] = {MetricType::Counter, MetricType::Gauge,
                                          MetricType::Histogram};
  const MetricType type = kTypes[static_cast<std::size_t>(metric.kind)];
  const std::string own = metric.name + (metric.kind == MetricKind::kCounter ? "_total" : "");
  std::string name = "broadcast_plugin_" + own;
  const auto known = std::ranges::find(all, name, &MetricFamily::name);
  if (known != all.end() && known->type != type) {
    name = "broadcast_plugin_" + broadcaster + "_" + own;
  }
  ClientMetric one;
  one.label = {{"broadcaster", broadcaster}};
  one.counter.value = one.gauge.value = one.histogram.sample_sum = metric.value;
  for (std::size_t i = 0; i < metric.buckets.size(); ++i) {
    one.histogram.sample_count += metric.buckets[i];
    one.histogram.bucket.push_back(
        {one.histogram.sample_count,
         i < kMetricBuckets.size() ? kMetricBuckets[i] : std::numeric_limits<double>::infinity()});
  }
  family(all, name, help_of(metric), type).metric.push_back(std::move(one));
}

void add_broadcasters(Families& all, const HostView& host) {
  for (const StatusBoard::View& status : host.statuses.list()) {
    for (const BroadcasterState state : kStates) {
      add(all, MetricType::Gauge, "broadcast_broadcaster_state",
          "1 for the state that the broadcaster is in, 0 for the others.",
          status.state == state ? 1 : 0,
          {{"broadcaster", status.broadcaster}, {"state", std::string(to_string(state))}});
    }
  }
  for (const BroadcasterView& one : host.broadcasters.broadcasters()) {
    const Labels labels = {{"broadcaster", one.name}};
    add(all, MetricType::Gauge, "broadcast_broadcaster_running",
        "1 while the broadcaster's START has returned and it has not failed or stopped.",
        one.running ? 1 : 0, labels);
    if (one.library.empty()) continue;  // switched off, or refused
    add(all, MetricType::Gauge, "broadcast_broadcaster_uptime_seconds",
        "How long the broadcaster has been running.",
        std::chrono::duration<double>(one.uptime).count(), labels);
    add(all, MetricType::Gauge, "broadcast_broadcaster_generation",
        "How many lives the broadcaster has had, this one included.",
        static_cast<double>(one.generation), labels);
    for (const CounterRow& row : kBroadcasterRows) {
      add_row(all, row, one.counts[static_cast<std::size_t>(row.counter)], labels);
    }
    for (const MetricView& metric : one.metrics) add_plugin_metric(all, one.name, metric);
  }
}

void add_process(Families& all) {
  const ProcessStats stats = process_stats();
  add(all, MetricType::Counter, "process_cpu_seconds_total", "CPU time of user and system.",
      stats.cpu_seconds);
  const auto gauge = [&](const char* name, const char* help, double value) {
    add(all, MetricType::Gauge, name, help, value);
  };
  gauge("process_start_time_seconds", "When the process started, in seconds since 1970 UTC.",
        stats.start_time);
  gauge("process_resident_memory_bytes", "Memory that is resident.",
        static_cast<double>(stats.resident_bytes));
  gauge("process_virtual_memory_bytes", "Address space in use.",
        static_cast<double>(stats.virtual_bytes));
  gauge("process_open_fds", "Descriptors that are open.",
        static_cast<double>(stats.open_descriptors));
  gauge("process_max_fds", "Descriptors that may be open.",
        static_cast<double>(stats.max_descriptors));
}

}  // namespace

AdminReply metrics_reply(const HostView& host) {
  Families all;
  add_host(all, host);
  add_broadcasters(all, host);
  add_process(all);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return {.status = 200,
          .body = std::move(out).str(),
          .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

}  // namespace broadcast

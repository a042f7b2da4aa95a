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

/// `name`: of the row's metric, the host's or a broadcaster's; null: it has none.
void add_count(Families& all, const CounterRow& row, const char* name, const char* help,
               std::uint64_t value, Labels labels = {}) {
  if (name == nullptr) return;
  if (row.metric.label != nullptr) labels.push_back({row.metric.label, row.word});
  add(all, MetricType::Counter, name, help, static_cast<double>(value), std::move(labels));
}

void add_host(Families& all, const HostView& host) {
  const auto gauge = [&](const char* name, const char* help, std::size_t value) {
    add(all, MetricType::Gauge, name, help, static_cast<double>(value));
  };
  add(all, MetricType::Gauge, "broadcast_build_info",
      "Always 1; the label is the version of the host.", 1, {{"version", host.version}});
  std::size_t subscriptions = 0;
  std::size_t tickers = 0;
  const std::vector<TopicTable::View> topics = host.topics.list();
  for (const TopicTable::View& topic : topics) {
    subscriptions += topic.subscribers;
    if (topic.subscribers > 0 && topic.name.starts_with("price:")) ++tickers;
  }
  gauge("broadcast_shards", "Threads that serve clients.", host.shards);
  gauge("broadcast_connections", "Clients connected now.", host.clients.client_count());
  gauge("broadcast_pending_bytes", "Bytes of frames waiting to be sent to clients.",
        host.census.pending_bytes());
  gauge("broadcast_client_memory_bytes", "Memory that the host holds for clients, in bytes.",
        host.census.held_bytes());
  gauge("broadcast_client_memory_limit_bytes",
        "The most memory that the host may hold for clients, in bytes (limits.memory).",
        host.census.memory_limit());
  gauge("broadcast_topics", "Topics that exist now.", topics.size());
  gauge("broadcast_subscriptions", "Subscriptions of all clients.", subscriptions);
  gauge("broadcast_active_tickers", "Tickers with at least one subscriber.", tickers);
  for (const auto& [name, is_ready] : host.redis ? host.redis() : RedisConnections()) {
    add(all, MetricType::Gauge, "broadcast_redis_connected",
        "1 while this connection to Redis is ready, otherwise 0.", is_ready ? 1 : 0,
        {{"connection", name}});
  }
  for (const CounterRow& row : kCounterRows) {
    add_count(all, row, row.metric.name, row.metric.help, host.count(row.counter));
  }
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
          "1 for the current state of the broadcaster, 0 for the others.",
          status.state == state ? 1 : 0,
          {{"broadcaster", status.broadcaster}, {"state", std::string(to_string(state))}});
    }
  }
  for (const BroadcasterView& one : host.broadcasters.broadcasters()) {
    const Labels labels = {{"broadcaster", one.name}};
    add(all, MetricType::Gauge, "broadcast_broadcaster_running",
        "1 while the broadcaster runs: START has returned, and it has neither failed nor stopped.",
        one.running ? 1 : 0, labels);
    if (one.library.empty()) continue;  // switched off, or refused
    add(all, MetricType::Gauge, "broadcast_broadcaster_uptime_seconds",
        "How long the broadcaster has been running, in seconds.",
        std::chrono::duration<double>(one.uptime).count(), labels);
    add(all, MetricType::Gauge, "broadcast_broadcaster_generation",
        "How many lives the broadcaster has had, including this one.",
        static_cast<double>(one.generation), labels);
    for (const CounterRow& row : kCounterRows) {
      add_count(all, row, row.metric.broadcaster_name, row.metric.broadcaster_help,
                one.counts[static_cast<std::size_t>(row.counter)], labels);
    }
    for (const MetricView& metric : one.metrics) add_plugin_metric(all, one.name, metric);
  }
}

void add_process(Families& all) {
  const ProcessStats stats = process_stats();
  add(all, MetricType::Counter, "process_cpu_seconds_total",
      "User and system CPU time, in seconds.", stats.cpu_seconds);
  const auto gauge = [&](const char* name, const char* help, double value) {
    add(all, MetricType::Gauge, name, help, value);
  };
  gauge("process_start_time_seconds", "When the process started, in seconds since 1970-01-01 UTC.",
        stats.start_time);
  gauge("process_resident_memory_bytes", "Resident memory, in bytes.",
        static_cast<double>(stats.resident_bytes));
  gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.",
        static_cast<double>(stats.virtual_bytes));
  gauge("process_open_fds", "Open file descriptors.", static_cast<double>(stats.open_descriptors));
  gauge("process_max_fds", "The most file descriptors that may be open.",
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

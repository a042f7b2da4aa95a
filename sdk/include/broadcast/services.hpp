#pragma once
// What a Broadcaster hands out and is handed: results, levels, messages of producers, and two
// services of the host as small values that may be copied freely. A value of a service is valid
// until the destructor of its Broadcaster returns. Needs nothing but the standard library.

#include <chrono>
#include <cstdint>
#include <string_view>

#include <broadcast/abi.hpp>

namespace broadcast {

/// What became of a message that was published.
enum class PublishResult {
  kOk,       ///< the host has it
  kBusy,     ///< not taken: an `all` topic's readers or the disk are behind, or there are as many
             ///< topics as there may be. Slow down or merge; do not spin
  kRevoked,  ///< not taken: this generation is being replaced, has failed or is over. Do nothing:
             ///< if its successor fails to start, it publishes again; else on_stop() follows
};

/// How urgent a line of the log is. Which ones are written is the operator's choice.
enum class LogLevel : std::int32_t {
  kTrace = BC_LOG_TRACE,
  kDebug = BC_LOG_DEBUG,
  kInfo = BC_LOG_INFO,
  kWarn = BC_LOG_WARN,
  kError = BC_LOG_ERROR
};

/// How a broadcaster is, as clients and operators see it.
enum class Health : std::int32_t {
  kOk = BC_STATUS_OK,              ///< what it is while it reports nothing
  kDegraded = BC_STATUS_DEGRADED,  ///< it serves, but not as it should; the host stays ready
  kStale = BC_STATUS_STALE,        ///< what clients see is out of date; the host is not ready
  kDown = BC_STATUS_DOWN,          ///< it does not serve; the host is not ready
};

/// What a producer sent for a topic that the manifest owns. The host owns the texts; they are valid
/// until on_message() returns.
struct Message {
  std::string_view topic;
  std::string_view source;   ///< "http", "redis" (Pub/Sub) or "stream" (a Redis stream)
  std::string_view payload;  ///< JSON text
};

/// All clients of the host, whatever they subscribe to (abi/clients.h). Empty where the host does
/// not offer it or YAML does not grant `permissions: [clients]`: then there are no clients, and
/// nothing is done. All functions are [any].
class Clients {
 public:
  /// By Broadcaster::clients(). `table` may be null: empty.
  Clients(const bc_host* host, const bc_ext_clients* table) : host_(host), table_(table) {}

  /// Is it not empty?
  [[nodiscard]] explicit operator bool() const { return table_ != nullptr; }
  /// Connections that are open now; a snapshot.
  [[nodiscard]] std::int64_t count() const { return table_ != nullptr ? table_->count(host_) : 0; }
  /// Sends `json`, any JSON of at most 64 KiB without top-level `topic` and `seq`, to every client.
  /// It belongs to no topic and has no number. False: nobody gets it, because this is empty, the
  /// host is full or has refused it (its log says why), or this generation has no say now.
  [[nodiscard]] bool try_send_all(std::string_view json) const {
    return table_ != nullptr && table_->send_all(host_, borrow(json)) == BC_OK;
  }
  /// Asks the host to close, some time later, every connection that has sent nothing for `idle`,
  /// not even a pong. `code` is 1000, 1001, 1008, 1011 or 3000 to 4999; clients read `reason`, at
  /// most 123 bytes of UTF-8. False: not asked, because this is empty, an argument is not such a
  /// one, the request before is still waiting, or this generation has no say now.
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds idle, std::uint16_t code,
                                    std::string_view reason) const {
    return table_ != nullptr &&
           table_->close_idle(host_, idle.count(), code, borrow(reason)) == BC_OK;
  }

 private:
  const bc_host* host_;
  const bc_ext_clients* table_;
};

enum class MetricKind : std::int32_t {
  kCounter = BC_COUNTER,      ///< only goes up
  kGauge = BC_GAUGE,          ///< is what it was set to last
  kHistogram = BC_HISTOGRAM,  ///< counts what was observed by size; buckets suit seconds
};

/// A number for the operator, made by Broadcaster::define_metric() (abi/metrics.h). Empty where the
/// host does not offer metrics or has refused the definition: then nothing is recorded. All
/// functions are [any].
class Metric {
 public:
  /// Empty.
  Metric() = default;
  /// By Broadcaster::define_metric().
  Metric(const bc_host* host, const bc_ext_metrics* table, std::uint32_t id)
      : host_(host), table_(table), id_(id) {}

  /// Is it not empty?
  [[nodiscard]] explicit operator bool() const { return table_ != nullptr; }
  /// Adds `value` to a counter, sets a gauge to it, or lets a histogram observe it. Ignored: NaN,
  /// an infinite value, and a negative one for a counter.
  void record(double value) const {
    if (table_ != nullptr) table_->record(host_, id_, value);
  }

 private:
  const bc_host* host_ = nullptr;
  const bc_ext_metrics* table_ = nullptr;
  std::uint32_t id_ = 0;
};

}  // namespace broadcast

#pragma once
// What operators see of the broadcasters. Implemented by host/loader; handed to host/admin by
// host/app. Interfaces and plain data only; [main].

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "host/base/counters.hpp"

namespace broadcast {

enum class MetricKind : std::uint8_t { kCounter, kGauge, kHistogram };

/// Upper bounds of a histogram's buckets, in the unit of what is observed; one more is without
/// bound. From tenths of a millisecond to a minute, if that is seconds.
inline constexpr std::array<double, 12> kMetricBuckets = {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05,
                                                          0.1,    0.5,    1,     5,     10,   60};

/// A number that a broadcaster keeps of itself (bc.metrics/1).
struct MetricView {
  std::string name;  ///< a counter's without _total
  std::string help;
  MetricKind kind = MetricKind::kGauge;
  double value = 0;  ///< of a histogram: the sum of what was observed
  std::array<std::uint64_t, kMetricBuckets.size() + 1> buckets{};  ///< each by itself
};

struct BroadcasterView {
  /// A generation that is over and does not go.
  struct Quarantined {
    std::uint64_t generation = 0;
    std::string version;
    std::string since;
    std::string why;
  };

  std::string name;
  bool enabled = true;
  std::string refusal;  ///< why the host did not take it in; empty: it did, or it is switched off

  // What its library says of itself; empty unless it was taken in.
  std::string library;  ///< path
  std::string version;
  std::string abi;  ///< "1.0"
  std::vector<std::string> topics;

  bool running = false;          ///< its START has returned, and it has not failed or stopped since
  std::uint64_t generation = 0;  ///< lives so far
  std::chrono::nanoseconds uptime{};  ///< while running
  std::string last_error;             ///< empty: none yet
  std::string last_error_at;
  std::vector<Quarantined> quarantined;
  Counters::Values counts{};
  std::vector<MetricView> metrics;
};

class BroadcasterControl {
 public:
  virtual ~BroadcasterControl() = default;

  /// All that the YAML names, by name.
  [[nodiscard]] virtual std::vector<BroadcasterView> broadcasters() const = 0;
};

}  // namespace broadcast

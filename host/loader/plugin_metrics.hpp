#pragma once
// The numbers that one broadcaster keeps of itself (bc.metrics/1). They go on when it is restarted
// or replaced and defines them again; what none of its generations defines any more is shown until
// its place is wanted. All [any].

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <broadcast/abi.h>
#include <broadcast/host_rules.hpp>

#include "host/base/guarded.hpp"
#include "host/seams/broadcaster_control.hpp"

namespace broadcast {

class PluginMetrics {
 public:
  static constexpr std::size_t kMost = kMaxDefinedMetrics;  ///< of one generation

  /// Which id stands for which: each generation's own. Touched under the lock of these metrics
  /// only.
  using Ids = std::unordered_map<std::uint32_t, std::size_t>;

  /// BC_E_INVALID: a kind that there is not, a name that is not a-z, 0-9 and _ or longer than 64
  /// bytes, or ends in _total, _bucket, _count or _sum without being a counter's; an id given
  /// twice, or a name that a generation defines as another kind. BC_E_BUSY: the generation has
  /// kMost. A counter is the same one with and without _total.
  [[nodiscard]] bc_status define(Ids& ids, std::uint32_t id, std::int32_t kind,
                                 std::string_view name, std::string_view help);
  /// The generation with these ids is gone.
  void release(const Ids& ids);
  /// Without effect: an id that was not defined, NaN and infinity, a counter that would go down.
  void record(const Ids& ids, std::uint32_t id, double value);

  [[nodiscard]] std::vector<MetricView> view() const;

 private:
  struct Metric {
    MetricView view;
    std::size_t uses = 0;        ///< ids of generations that are there
    std::uint64_t released = 0;  ///< when the last of them went: a count of releases
  };
  using Metrics = std::vector<Metric>;

  static bool has_room_for(const Ids& ids, std::size_t at);
  static std::size_t place_in(Metrics& metrics);

  Guarded<Metrics> metrics_;
  std::uint64_t releases_ = 0;  // under the lock of metrics_
};

}  // namespace broadcast

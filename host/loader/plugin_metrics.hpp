#pragma once
// The numbers that one broadcaster keeps of itself (bc.metrics/1). They go on when it is restarted
// or replaced and defines them again. All [any].

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <broadcast/abi.h>

#include "host/base/guarded.hpp"
#include "host/hub/broadcaster_control.hpp"

namespace broadcast {

class PluginMetrics {
 public:
  static constexpr std::size_t kMost = 64;

  /// Which id stands for which: each generation's own. Touched under the lock of these metrics
  /// only.
  using Ids = std::unordered_map<std::uint32_t, std::size_t>;

  /// BC_E_INVALID: a kind that there is not, a name that is not a-z, 0-9 and _ or longer than 64
  /// bytes, or ends in _total, _bucket, _count or _sum without being a counter's; an id given
  /// twice, or a name that is defined as another kind. BC_E_BUSY: kMost are there. A counter is the
  /// same one with and without _total.
  [[nodiscard]] bc_status define(Ids& ids, std::uint32_t id, std::int32_t kind,
                                 std::string_view name, std::string_view help);
  /// Without effect: an id that was not defined, NaN and infinity, a counter that would go down.
  void record(const Ids& ids, std::uint32_t id, double value);

  [[nodiscard]] std::vector<MetricView> view() const;

 private:
  Guarded<std::vector<MetricView>> metrics_;
};

}  // namespace broadcast

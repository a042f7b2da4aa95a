#include "host/loader/plugin_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <broadcast/host_rules.hpp>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kTotal = "_total";

std::optional<MetricKind> kind_of(std::int32_t kind) {
  switch (kind) {
    case BC_COUNTER:
      return MetricKind::kCounter;
    case BC_GAUGE:
      return MetricKind::kGauge;
    case BC_HISTOGRAM:
      return MetricKind::kHistogram;
    default:
      return std::nullopt;
  }
}

}  // namespace

bc_status PluginMetrics::define(Ids& ids, std::uint32_t id, std::int32_t kind,
                                std::string_view name, std::string_view help) {
  const auto known_kind = kind_of(kind);
  if (!known_kind || !is_metric_name(name)) return BC_E_INVALID;
  if (known_kind == MetricKind::kCounter) {
    if (name.ends_with(kTotal)) name.remove_suffix(kTotal.size());  // "ticks_total" is "ticks"
  } else if (ends_as_a_sample(name)) {
    return BC_E_INVALID;
  }
  return metrics_.with_lock([&](Metrics& metrics) -> bc_status {
    if (ids.contains(id)) return BC_E_INVALID;
    const auto same = std::ranges::find_if(
        metrics, [&](const Metric& metric) { return metric.view.name == name; });
    auto at = static_cast<std::size_t>(std::distance(metrics.begin(), same));
    const bool is_known = same != metrics.end();
    const bool is_defined = is_known && same->uses > 0;
    if (is_defined && same->view.kind != *known_kind) return BC_E_INVALID;
    if (!has_room_for(ids, at)) return BC_E_BUSY;
    if (!is_known) at = place_in(metrics);
    if (!is_known || metrics[at].view.kind != *known_kind) {
      metrics[at].view = {.name = std::string(name), .help = printable(help), .kind = *known_kind};
    }
    ++metrics[at].uses;
    ids.emplace(id, at);
    return BC_OK;
  });
}

/// Another id for what it has is always taken.
bool PluginMetrics::has_room_for(const Ids& ids, std::size_t at) {
  std::set<std::size_t> places;
  for (const auto& [id, place] : ids) places.insert(place);
  return places.contains(at) || places.size() < kMost;
}

/// Where there are many that no generation defines any more, the one left longest ago makes room.
std::size_t PluginMetrics::place_in(Metrics& metrics) {
  if (metrics.size() >= 2 * kMost) {
    const auto oldest = std::ranges::min_element(metrics, {}, [](const Metric& metric) {
      return std::pair(metric.uses > 0, metric.released);
    });
    if (oldest->uses == 0) return static_cast<std::size_t>(std::distance(metrics.begin(), oldest));
  }
  metrics.emplace_back();
  return metrics.size() - 1;
}

void PluginMetrics::release(const Ids& ids) {
  metrics_.with_lock([&](Metrics& metrics) {
    ++releases_;
    for (const auto& [id, at] : ids) {
      --metrics[at].uses;
      metrics[at].released = releases_;
    }
  });
}

void PluginMetrics::record(const Ids& ids, std::uint32_t id, double value) {
  if (!std::isfinite(value)) return;
  metrics_.with_lock([&](Metrics& metrics) {
    const auto found = ids.find(id);
    if (found == ids.end()) return;
    MetricView& metric = metrics[found->second].view;
    switch (metric.kind) {
      case MetricKind::kCounter:
        if (value > 0) metric.value += value;
        return;
      case MetricKind::kGauge:
        metric.value = value;
        return;
      case MetricKind::kHistogram:
        metric.value += value;
        const auto bucket = std::ranges::lower_bound(kMetricBuckets, value);
        ++metric.buckets[static_cast<std::size_t>(bucket - kMetricBuckets.begin())];
        return;
    }
  });
}

std::vector<MetricView> PluginMetrics::view() const {
  std::vector<MetricView> views;
  metrics_.with_lock([&](const Metrics& metrics) {
    views.reserve(metrics.size());
    for (const Metric& metric : metrics) views.push_back(metric.view);
  });
  return views;
}

}  // namespace broadcast

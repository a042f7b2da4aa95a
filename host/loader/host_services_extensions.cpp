// HostServices: the extensions (bc.x/1). One is added by its functions, their table, and a row.

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <spdlog/spdlog.h>

#include <broadcast/host_rules.hpp>

#include "host/base/printable.hpp"
#include "host/base/utf8.hpp"
#include "host/hub/close_reason.hpp"
#include "host/hub/json_text.hpp"
#include "host/loader/abi_text.hpp"
#include "host/loader/extensions.hpp"
#include "host/loader/host_services.hpp"

namespace broadcast {

/// What plugins call: for each extension, functions that find the services by their table.
struct HostServices::Tables {
  static constexpr bc_ext_demand kDemand = {
      .subscribers = [](const bc_host* host, bc_str topic) -> std::int64_t {
        std::int64_t count = 0;
        fenced([&]() -> bc_status { return count = of(host).subscribers(topic), BC_OK; });
        return count;
      }};
  static constexpr bc_ext_status kStatus = {
      .report = [](const bc_host* host, std::int32_t state, bc_str detail) {
        return fenced([&] { return of(host).report(state, detail); });
      }};
  static constexpr bc_ext_metrics kMetrics = {
      .define =
          [](const bc_host* host, std::uint32_t metric, std::int32_t kind, bc_str name,
             bc_str help) {
            return fenced([&] { return of(host).define_metric(metric, kind, name, help); });
          },
      .record =
          [](const bc_host* host, std::uint32_t metric, double value) {
            fenced([&]() -> bc_status { return of(host).record_metric(metric, value), BC_OK; });
          }};
  static constexpr bc_ext_clients kClients = {
      .count = [](const bc_host* host) { return of(host).count_clients(); },
      .send_all = [](const bc_host* host,
                     bc_str json) { return fenced([&] { return of(host).send_all(json); }); },
      .close_idle =
          [](const bc_host* host, std::int64_t idle_ns, std::uint16_t code, bc_str reason) {
            return fenced([&] { return of(host).close_idle(idle_ns, code, reason); });
          }};
  static constexpr bc_ext_heartbeat kHeartbeat = {
      .keep = [](const bc_host* host, std::int64_t interval_ns, std::int64_t timeout_ns) {
        return fenced([&] { return of(host).keep_heartbeat(interval_ns, timeout_ns); });
      }};
  static constexpr bc_ext_cache kCache = {.drop = [](const bc_host* host, bc_str pattern) {
    return fenced([&] { return of(host).drop_cache(pattern); });
  }};
  static constexpr bc_ext_state kState = {
      .set = [](const bc_host* host,
                bc_str state) { return fenced([&] { return of(host).set_state(state); }); },
      .get = [](const bc_host* host, char* to, std::size_t capacity) -> std::int64_t {
        return fenced([&] { return of(host).get_state(to, capacity); });
      }};
};

struct HostServices::Extension {
  std::string_view id;
  std::string_view permission;  // that YAML must grant; empty: none
  const void* table;
  bool (*is_backed)(const Parts&);  // what it takes is there in this host
};

std::span<const HostServices::Extension> HostServices::extensions() {
  static constexpr auto kAlways = [](const Parts&) { return true; };
  static constexpr auto kHasClients = [](const Parts& parts) { return parts.clients != nullptr; };
  static constexpr auto kHasCache = [](const Parts& parts) { return parts.cache != nullptr; };
  static constexpr auto kHasStates = [](const Parts& parts) { return parts.states != nullptr; };
  static constexpr std::array kRows = {
      Extension{BC_EXT_DEMAND, "", &Tables::kDemand, kAlways},
      Extension{BC_EXT_STATUS, "", &Tables::kStatus, kAlways},
      Extension{BC_EXT_METRICS, "", &Tables::kMetrics, kAlways},
      Extension{BC_EXT_CLIENTS, "clients", &Tables::kClients, kHasClients},
      Extension{BC_EXT_HEARTBEAT, "clients", &Tables::kHeartbeat, kHasClients},
      Extension{BC_EXT_CACHE, "cache", &Tables::kCache, kHasCache},
      Extension{BC_EXT_STATE, "", &Tables::kState, kHasStates},
  };
  return kRows;
}

const HostServices::Extension* HostServices::find_extension(std::string_view id) {
  const auto rows = extensions();
  const auto found = std::ranges::find(rows, id, &Extension::id);
  return found == rows.end() ? nullptr : &*found;
}

const void* HostServices::extension(std::string_view id) const {
  const Extension* const row = find_extension(id);
  const bool is_there = row != nullptr && may(row->permission) && row->is_backed(parts_);
  return is_there ? row->table : nullptr;
}

bool HostServices::may(std::string_view permission) const {
  return permission.empty() ||
         std::ranges::find(parts_.permissions, permission) != parts_.permissions.end();
}

std::vector<std::string> offered_services() {
  std::vector<std::string> ids;
  for (const auto& row : HostServices::extensions()) ids.emplace_back(row.id);
  return ids;
}

std::string_view permission_for(std::string_view service) {
  const auto* const row = HostServices::find_extension(service);
  return row == nullptr ? "" : row->permission;
}

std::int64_t HostServices::subscribers(bc_str topic) const {
  if (is_revoked() || topic.len > kMaxTopicBytes) return 0;
  return parts_.hub.audience().subscribers(text_of(topic));
}

void HostServices::record_metric(std::uint32_t id, double value) {
  if (!is_revoked()) parts_.metrics.record(metric_ids_, id, value);
}

std::int64_t HostServices::count_clients() const {
  return is_revoked() ? 0 : static_cast<std::int64_t>(parts_.clients->client_count());
}

bc_status HostServices::define_metric(std::uint32_t id, std::int32_t kind, bc_str name,
                                      bc_str help) {
  if (!owner_.is_current()) return BC_E_WRONG_THREAD;
  if (is_started_ || !is_usable(name) || !is_usable(help)) return BC_E_INVALID;
  return parts_.metrics.define(metric_ids_, id, kind, text_of(name), text_of(help));
}

bc_status HostServices::report(std::int32_t state, bc_str detail) {
  static constexpr std::array<BroadcasterState, 4> kStates = {
      BroadcasterState::kOk, BroadcasterState::kDegraded, BroadcasterState::kStale,
      BroadcasterState::kDown};
  const auto at = static_cast<std::size_t>(state);
  if (state < 0 || at >= kStates.size() || !is_usable(detail)) return BC_E_INVALID;
  // Under the lock, so that no report overtakes another, or revoke().
  return reports_.with_lock([&](Reports& reports) -> bc_status {
    if (is_silenced()) return BC_E_REVOKED;
    Report report{.state = kStates[at], .detail = printable(text_of(detail))};
    if (reports.are_shown) {
      parts_.hub.statuses().report(parts_.name, report.state, report.detail);
    } else {
      reports.held = std::move(report);
    }
    return BC_OK;
  });
}

bc_status HostServices::send_all(bc_str json) {
  if (is_silenced()) return BC_E_REVOKED;
  if (!is_usable(json)) return BC_E_INVALID;
  if (json.len > kMaxSendAllBytes) {
    say_refused("send_all", "it is larger than 64 KiB", std::nullopt);
    return BC_E_INVALID;
  }
  if (const auto fault = checker_.fault_of_text(text_of(json))) {
    say_refused("send_all", words_of(*fault), text_of(json));
    return BC_E_INVALID;
  }
  return parts_.clients->try_send_all(text_of(json)) ? BC_OK : BC_E_BUSY;
}

bc_status HostServices::close_idle(std::int64_t idle_ns, std::uint16_t code, bc_str reason) {
  if (is_silenced()) return BC_E_REVOKED;
  const bool is_reason =
      is_usable(reason) && reason.len <= kMaxCloseTextBytes && is_utf8(text_of(reason));
  if (idle_ns < 0 || !is_sendable_close_code(code) || !is_reason) return BC_E_INVALID;
  return parts_.clients->try_close_idle(std::chrono::nanoseconds(idle_ns), code, text_of(reason))
             ? BC_OK
             : BC_E_BUSY;
}

bc_status HostServices::keep_heartbeat(std::int64_t interval_ns, std::int64_t timeout_ns) {
  if (is_silenced()) return BC_E_REVOKED;
  const Heartbeat heartbeat{.interval = std::chrono::nanoseconds(interval_ns),
                            .timeout = std::chrono::nanoseconds(timeout_ns)};
  // Before START, the generation that it is to replace has the word.
  if (phase_.load() == Phase::kNotStarted || !is_heartbeat(heartbeat.interval, heartbeat.timeout)) {
    return BC_E_INVALID;
  }
  parts_.clients->set_heartbeat(this, heartbeat);
  return BC_OK;
}

bc_status HostServices::drop_cache(bc_str pattern) {
  if (is_silenced()) return BC_E_REVOKED;
  if (!is_usable(pattern) || !is_cache_pattern(text_of(pattern))) return BC_E_INVALID;
  return parts_.cache->try_drop(text_of(pattern)) ? BC_OK : BC_E_BUSY;
}

bc_status HostServices::set_state(bc_str state) {
  if (!is_usable(state)) return BC_E_INVALID;
  if (state.len > BC_STATE_BYTES) {
    parts_.counters.add(Counter::kStateRefused);
    if (const auto line = refusal_line()) {
      spdlog::warn(
          "{}: a state of {} bytes is refused: at most {} are kept; its previous state stays{}",
          parts_.name, state.len, BC_STATE_BYTES, line->more());
    }
    return BC_E_INVALID;
  }
  PluginState kept;
  if (state.len > 0) kept = std::make_shared<const std::string>(text_of(state));
  // Under the lock, so that none comes after suspend() or revoke(): then the next generation reads.
  return reports_.with_lock([&](Reports& reports) -> bc_status {
    if (is_silenced()) return BC_E_REVOKED;
    if (phase_.load() == Phase::kNotStarted) return BC_E_INVALID;
    if (reports.are_shown) {
      parts_.states->set(parts_.name, std::move(kept));
    } else {
      reports.held_state = std::move(kept);
    }
    return BC_OK;
  });
}

std::int64_t HostServices::get_state(char* to, std::size_t capacity) const {
  if (is_silenced()) return BC_E_REVOKED;
  if (phase_.load() == Phase::kNotStarted || (to == nullptr && capacity > 0)) return BC_E_INVALID;
  const PluginState kept = reports_.with_lock([&](const Reports& reports) {
    return reports.held_state ? *reports.held_state : parts_.states->get(parts_.name);
  });
  if (kept == nullptr) return 0;
  if (kept->size() <= capacity) kept->copy(to, capacity);
  return static_cast<std::int64_t>(kept->size());
}

}  // namespace broadcast

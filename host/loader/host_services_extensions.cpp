// HostServices: the extensions, as tables of functions.

#include <algorithm>

#include "host/loader/abi_text.hpp"
#include "host/loader/host_services.hpp"
#include "host/loader/manifest.hpp"

namespace broadcast {

std::vector<std::string> offered_services() {
  return {BC_EXT_DEMAND,    BC_EXT_STATUS, BC_EXT_METRICS, BC_EXT_CLIENTS,
          BC_EXT_HEARTBEAT, BC_EXT_CACHE,  BC_EXT_STATE};
}

bool HostServices::may(std::string_view permission) const {
  return permission.empty() ||
         std::ranges::find(parts_.permissions, permission) != parts_.permissions.end();
}

const void* HostServices::extension(std::string_view id) const {
  static constexpr bc_ext_demand kDemand = {
      .subscribers = [](const bc_host* host, bc_str topic) -> std::int64_t {
        std::int64_t count = 0;
        fenced([&]() -> bc_status {
          if (!of(host).is_revoked() && topic.len <= kMaxTopicBytes) {
            count = of(host).parts_.hub.subscribers(text_of(topic));
          }
          return BC_OK;
        });
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
            fenced([&]() -> bc_status {
              if (!of(host).is_revoked())
                of(host).parts_.metrics.record(of(host).metric_ids_, metric, value);
              return BC_OK;
            });
          }};
  static constexpr bc_ext_clients kClients = {
      .count = [](const bc_host* host) -> std::int64_t {
        const HostServices& services = of(host);
        if (services.is_revoked()) return 0;
        return static_cast<std::int64_t>(services.parts_.clients->client_count());
      },
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
  if (!may(permission_for(id))) return nullptr;
  if (id == BC_EXT_DEMAND) return &kDemand;
  if (id == BC_EXT_STATUS) return &kStatus;
  if (id == BC_EXT_METRICS) return &kMetrics;
  if (id == BC_EXT_CLIENTS && parts_.clients != nullptr) return &kClients;
  if (id == BC_EXT_HEARTBEAT && parts_.clients != nullptr) return &kHeartbeat;
  if (id == BC_EXT_CACHE && parts_.cache != nullptr) return &kCache;
  if (id == BC_EXT_STATE && parts_.states != nullptr) return &kState;
  return nullptr;
}

}  // namespace broadcast

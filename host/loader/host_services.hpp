#pragma once
// The host as one generation of a broadcaster sees it: the bc_host table and the extensions it may
// use. Made on the plugin's thread and outliving the instance. Members marked [any] may be called
// from any thread; the rest is the plugin's thread, which they check. The table answers a plugin
// that calls from the wrong one BC_E_WRONG_THREAD.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <broadcast/abi.h>

#include "host/base/guarded.hpp"
#include "host/base/log_throttle.hpp"
#include "host/base/owner_thread.hpp"
#include "host/hub/json_checker.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/loader/extensions.hpp"
#include "host/loader/message_turn.hpp"
#include "host/loader/plugin_inbox.hpp"
#include "host/loader/plugin_metrics.hpp"
#include "host/loader/plugin_states.hpp"
#include "host/loader/timer_table.hpp"
#include "host/seams/cache_control.hpp"
#include "host/seams/client_control.hpp"

namespace broadcast {

class HostServices {
 public:
  /// All of it outlives the services.
  struct Parts {
    const std::string& name;  ///< the broadcaster's
    const std::string& host_version;
    const std::vector<std::string>& permissions;
    TopicHub& hub;
    const TopicOwner& owner;
    ClientControl* clients;  ///< null where nobody listens: then bc.clients/1 is not there,
                             ///< nor bc.heartbeat/1
    CacheControl* cache;     ///< null without Redis: bc.cache/1 is not there then
    PluginStates* states;    ///< null: bc.state/1 is not there
    PluginInbox& inbox;
    Counters& counters;  ///< the broadcaster's own
    PluginMetrics& metrics;
  };

  explicit HostServices(const Parts& parts);
  ~HostServices();
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  [[nodiscard]] const bc_host* table() const { return &table_; }

  /// publish() is allowed from now on: START is about to be delivered. Unless it was suspended or
  /// revoked already, because the host gave it up before it came to that.
  void open();
  /// START has returned: metrics cannot be defined any more, and what was reported and set until
  /// now counts: before, the generation before this one may still go on. False: nothing was
  /// reported.
  bool started();
  /// [any] publish(), status, clients and state answer REVOKED from now on, until resume(). What
  /// another of the plugin's threads has begun to publish is out when this returns.
  void suspend();
  /// [any] The successor did not start: all is as before, unless it was revoked meanwhile.
  void resume();
  /// [any] As suspend(), for good, and without waiting.
  void revoke();

  [[nodiscard]] TimerTable& timers() {
    owner_.check();
    return timers_;
  }
  /// What fail() said since the last call.
  [[nodiscard]] std::string take_fail_text();
  /// [any] The turn of the message that is being handled; MessageTurn says which thread may do
  /// what.
  [[nodiscard]] MessageTurn& turn() { return turn_; }

 private:
  static constexpr std::size_t kMaxTopicBytes = 255;  ///< no limits.topic_name is more
  enum class Phase : std::uint8_t { kNotStarted, kOpen, kSuspended, kRevoked };

  static HostServices& of(const bc_host* host) { return *static_cast<HostServices*>(host->impl); }
  [[nodiscard]] bool is_revoked() const { return phase_.load() == Phase::kRevoked; }
  /// It has no say in what others see: revoked, or suspended.
  [[nodiscard]] bool is_silenced() const { return phase_.load() >= Phase::kSuspended; }
  [[nodiscard]] bool may(std::string_view permission) const;
  /// Nothing of ours is thrown through a plugin's frames.
  template <class F>
  static auto fenced(F&& call) noexcept -> decltype(call()) {
    try {
      return std::forward<F>(call)();
    } catch (...) {
      return BC_E_NOMEM;
    }
  }

  friend std::vector<std::string> offered_services();
  friend std::string_view permission_for(std::string_view service);
  struct Tables;     // what plugins call, for each extension
  struct Extension;  // a row for each
  [[nodiscard]] static std::span<const Extension> extensions();
  [[nodiscard]] static const Extension* find_extension(std::string_view id);
  [[nodiscard]] const void* extension(std::string_view id) const;

  void log(std::int32_t level, bc_str text) const;
  void fail(bc_str why);
  [[nodiscard]] bc_status publish(const bc_publish* caller);
  [[nodiscard]] bc_status publish_in_phase(const bc_publish& message, MessageTurn* turn);
  [[nodiscard]] bc_status counted(PublishStatus status) const;
  /// No text: it is not to be read.
  void say_refused(const std::string& call, std::string_view problem,
                   std::optional<std::string_view> text);
  [[nodiscard]] bc_status arm(std::uint64_t id, std::int64_t delay_ns, std::int64_t period_ns);

  // Of the extensions.
  [[nodiscard]] std::int64_t subscribers(bc_str topic) const;
  [[nodiscard]] bc_status define_metric(std::uint32_t id, std::int32_t kind, bc_str name,
                                        bc_str help);
  void record_metric(std::uint32_t id, double value);
  [[nodiscard]] bc_status report(std::int32_t state, bc_str detail);
  [[nodiscard]] std::int64_t count_clients() const;
  [[nodiscard]] bc_status send_all(bc_str json);
  [[nodiscard]] bc_status drop_cache(bc_str pattern);
  [[nodiscard]] bc_status keep_heartbeat(std::int64_t interval_ns, std::int64_t timeout_ns);
  [[nodiscard]] bc_status close_idle(std::int64_t idle_ns, std::uint16_t code, bc_str reason);
  [[nodiscard]] bc_status set_state(bc_str state);
  [[nodiscard]] std::int64_t get_state(char* to, std::size_t capacity) const;
  [[nodiscard]] std::optional<LogThrottle::Line> refusal_line();

  // Constant after construction.
  const Parts parts_;
  const OwnerThread owner_;
  bc_host table_;
  // Shared.
  std::atomic<Phase> phase_{Phase::kNotStarted};
  std::atomic<int> publishing_{0};  // threads of the plugin's own, right now
  struct Report {
    BroadcasterState state = BroadcasterState::kOk;
    std::string detail;
  };
  struct Reports {
    bool are_shown = false;
    std::optional<Report> held;
    std::optional<PluginState> held_state;
  };
  Guarded<Reports> reports_;
  PluginMetrics::Ids metric_ids_;
  JsonChecker checker_;  // of what goes to every client
  Guarded<LogThrottle> refusals_;
  MessageTurn turn_;
  // The plugin's thread only.
  TimerTable timers_;
  std::string fail_text_;
  bool is_started_ = false;
};

}  // namespace broadcast

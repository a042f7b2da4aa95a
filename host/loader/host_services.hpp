#pragma once
// The host as one generation of a broadcaster sees it: the bc_host table and the extensions it may
// use. Made on the plugin's thread and outliving the instance. Members marked [any] may be called
// from any thread that the plugin owns; the rest is the plugin's thread, which the table checks.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <broadcast/abi.h>

#include "host/base/guarded.hpp"
#include "host/base/seldom.hpp"
#include "host/hub/cache_control.hpp"
#include "host/hub/client_control.hpp"
#include "host/hub/json_checker.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/loader/plugin_inbox.hpp"
#include "host/loader/plugin_metrics.hpp"
#include "host/loader/plugin_states.hpp"
#include "host/loader/timer_table.hpp"

namespace broadcast {

/// Extension ids that this host offers, some of them with a permission only.
[[nodiscard]] std::vector<std::string> offered_services();

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

  [[nodiscard]] TimerTable& timers() { return timers_; }
  /// What fail() said since the last call.
  [[nodiscard]] std::string take_fail_text() { return std::exchange(fail_text_, {}); }
  /// What the plugin's thread publishes from now on belongs to `message`; what was published when
  /// it came before is answered BC_OK and left out.
  void begin_message(const ProducerMessage& message);
  /// Adds it to `verdict`, which becomes kUnavailable where publishing was answered REVOKED; what
  /// was published waits for these commits, 0 for none.
  [[nodiscard]] std::vector<std::uint64_t> end_message(Verdict& verdict);

 private:
  static constexpr std::size_t kMaxTopicBytes = 255;  ///< no limits.topic_name is more
  enum class Phase : std::uint8_t { kNotStarted, kOpen, kSuspended, kRevoked };

  static HostServices& of(const bc_host* host) { return *static_cast<HostServices*>(host->impl); }
  [[nodiscard]] bool is_plugin_thread() const { return std::this_thread::get_id() == thread_; }
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

  [[nodiscard]] const void* extension(std::string_view id) const;
  void log(std::int32_t level, bc_str text) const;
  void fail(bc_str why);
  [[nodiscard]] bc_status publish(const bc_publish* caller);
  [[nodiscard]] bc_status publish_in_phase(const bc_publish& message, bool is_handling);
  [[nodiscard]] bc_status counted(PublishStatus status) const;
  /// No text: it is not to be read.
  void say_refused(const std::string& call, std::string_view problem,
                   std::optional<std::string_view> text);
  [[nodiscard]] bc_status arm(std::uint64_t id, std::int64_t delay_ns, std::int64_t period_ns);
  [[nodiscard]] bc_status define_metric(std::uint32_t id, std::int32_t kind, bc_str name,
                                        bc_str help);
  [[nodiscard]] bc_status report(std::int32_t state, bc_str detail);
  [[nodiscard]] bc_status send_all(bc_str json);
  [[nodiscard]] bc_status drop_cache(bc_str pattern);
  [[nodiscard]] bc_status keep_heartbeat(std::int64_t interval_ns, std::int64_t timeout_ns);
  [[nodiscard]] bc_status close_idle(std::int64_t idle_ns, std::uint16_t code, bc_str reason);
  [[nodiscard]] bc_status set_state(bc_str state);
  [[nodiscard]] std::int64_t get_state(char* to, std::size_t capacity) const;
  [[nodiscard]] std::optional<Seldom::Line> refusal_line();

  // Constant after construction.
  const Parts parts_;
  const std::thread::id thread_;
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
  Guarded<Seldom> refusals_;
  // The plugin's thread only.
  TimerTable timers_;
  std::string fail_text_;
  bool is_started_ = false;
  bool is_handling_ = false;
  bool was_revoked_ = false;  // while handling the message
  StreamPosition position_;
  std::size_t left_out_ = 0;  // of the message's earlier publications
  std::size_t to_leave_out_ = 0;
  std::vector<std::uint64_t> commits_;  // of what it has published now
  Published last_;
};

}  // namespace broadcast

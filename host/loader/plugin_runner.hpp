#pragma once
// Runs one broadcaster: a generation at a time on a thread of its own [plugin], the next one after
// a back-off when it failed. Owns its topics in the hub and answers for them whether the plugin
// lives or not. Shared with its threads, so that a callback that never returns keeps what it uses
// alive (quarantine).
//
// A supervisor thread starts the plugin's thread, joins it, sees the library unmapped and waits out
// the back-off: nothing else, because a library with thread_local objects can only be unloaded
// after their thread.
//
// A callback that never returns, STOP and destroy of a failed instance included, holds up that
// supervisor and nobody else: the other broadcasters have their own, messages are answered
// kUnavailable, and at shutdown the host waits until its deadline and leaves the runner behind.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/wake.hpp"
#include "host/hub/broadcaster_control.hpp"
#include "host/hub/cache_control.hpp"
#include "host/hub/client_control.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/loader/backoff.hpp"
#include "host/loader/generation.hpp"
#include "host/loader/plugin_inbox.hpp"
#include "host/loader/plugin_library.hpp"
#include "host/loader/plugin_metrics.hpp"

namespace broadcast {

class PluginRunner final : public TopicOwner, public std::enable_shared_from_this<PluginRunner> {
 public:
  struct Options {
    std::string name;           ///< the broadcaster's in YAML
    std::string config = "{}";  ///< JSON, checked against the schema, defaults filled in
    std::vector<std::string> permissions;
    std::string host_version;
    CopyPlace copies;
    Backoff::Times restart;
    PluginInbox::Bounds inbox;
  };
  /// Outlive the runner; if it is stuck when the process ends, the process leaves without
  /// destroying them.
  struct Surroundings {
    TopicHub& hub;
    ClientControl* clients = nullptr;
    CacheControl* cache = nullptr;
  };

  [[nodiscard]] static std::shared_ptr<PluginRunner> make(std::shared_ptr<const PluginFile> file,
                                                          Options options,
                                                          const Surroundings& surroundings);
  /// REQUIRES: never started, stopped, or stuck.
  ~PluginRunner() override;
  PluginRunner(const PluginRunner&) = delete;
  PluginRunner& operator=(const PluginRunner&) = delete;

  /// [main] Once. Returns at once; how it went is on status:{name}.
  void start();
  /// [main] Asks it to stop by `deadline`; messages are answered kUnavailable from now on.
  void request_stop(MonoTime deadline);
  /// [main] True once its threads have ended; false at `until`: a callback is stuck.
  /// REQUIRES: request_stop() was called, or start() never was.
  [[nodiscard]] bool wait_stopped(MonoTime until);
  /// [main] Both.
  [[nodiscard]] bool stop_within(std::chrono::nanoseconds duration);

  /// [main] Waits until its first START has returned, or it failed before, or `until`. Why it has
  /// not started; empty: it has. REQUIRES: start() was called.
  [[nodiscard]] std::string wait_first_start(MonoTime until);

  /// [any] Generations whose library stayed mapped after they ended. While there is one, its
  /// threads may still call the host: the process leaves without destroying what they use.
  [[nodiscard]] std::size_t libraries_left() const { return libraries_left_.load(); }
  [[nodiscard]] const PluginFile& file() const { return *file_; }
  /// [any] What this broadcaster published, and what went wrong.
  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// [any] How it is.
  [[nodiscard]] BroadcasterView view() const;

  [[nodiscard]] std::string_view owner_name() const override { return options_.name; }
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override;
  void post_demand(std::string_view topic, std::int64_t subscribers) override;

 private:
  PluginRunner(std::shared_ptr<const PluginFile> file, Options options,
               const Surroundings& surroundings);
  void supervise();
  void run_generation();
  void on_started(bool has_reported);
  void on_failure(const Generation::Failure& failure);
  void report_down(std::string_view detail);
  void tell_first_start(std::string refusal);
  void give_up();
  void wait_for_retry();

  // Constant after construction.
  const std::shared_ptr<const PluginFile> file_;
  const Options options_;
  const Surroundings surroundings_;
  // Shared.
  PluginInbox inbox_;
  Counters counters_;
  PluginMetrics metrics_;
  struct Life {
    std::uint64_t generation = 0;
    std::optional<MonoTime> started;  // nothing: not running
    std::string last_error;
    std::string last_error_at;
  };
  Guarded<Life> life_;
  std::atomic<std::size_t> libraries_left_{0};
  std::atomic<bool> has_ended_{true};
  // Nothing until it is known, "" if it went well.
  Guarded<std::optional<std::string>> first_start_;
  Wake news_;  // of the two above, for [main]
  // [main]
  std::thread supervisor_;
  // The plugin's thread, and the supervisor while there is none.
  Backoff backoff_;
  std::optional<MonoTime> retry_at_;  // nothing: never again
  std::string failure_shown_;         // the status of this generation; empty while it is well
  std::string failure_logged_;        // the last one; empty once a start went well
  std::vector<std::unique_ptr<Generation>> left_behind_;  // whose libraries are still mapped
};

}  // namespace broadcast

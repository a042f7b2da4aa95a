#pragma once
// Runs one broadcaster: one life of it (a generation, for operators), the next one after a back-off
// when it failed, or beside it when it is replaced. Owns its topics in the hub and answers for them
// whether the plugin lives or not. Shared with its threads, so that a callback that never returns
// keeps what it uses alive (quarantine).
//
// A supervisor thread makes the lives, tells them what to do and takes them down, and waits out the
// back-off: only it changes which one is active. What it is asked to change it does one after the
// other.
//
// A callback that never returns holds up a replacement for `Times::pause` and nobody else: the
// other broadcasters have their own supervisors, and at shutdown the host waits until its deadline
// and leaves the runner behind.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <broadcast/backoff.hpp>

#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/owner_thread.hpp"
#include "host/base/wake.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/loader/life.hpp"
#include "host/loader/plugin_inbox.hpp"
#include "host/loader/plugin_library.hpp"
#include "host/loader/plugin_metrics.hpp"
#include "host/loader/plugin_states.hpp"
#include "host/seams/broadcaster_control.hpp"
#include "host/seams/cache_control.hpp"
#include "host/seams/client_control.hpp"

namespace broadcast {

class PluginRunner final : public TopicOwner, public std::enable_shared_from_this<PluginRunner> {
 public:
  /// What a life may take when another replaces it.
  struct Times {
    std::chrono::nanoseconds prepare = std::chrono::seconds(30);  ///< dlopen, create, CONFIG
    std::chrono::nanoseconds pause = std::chrono::seconds(5);     ///< to come back from a callback
    std::chrono::nanoseconds start = std::chrono::seconds(10);
    std::chrono::nanoseconds stop = std::chrono::seconds(5);  ///< STOP, destroy, unload
  };
  struct Options {
    std::string name;           ///< the broadcaster's in YAML
    std::string config = "{}";  ///< of the first life, as PluginSpec has them
    std::vector<std::string> permissions;
    std::string host_version;
    CopyPlace copies;
    Backoff::Times restart;
    PluginInbox::Bounds inbox;
    Times times;
  };
  /// Outlive the runner; if it is stuck when the process ends, the process leaves without
  /// destroying them.
  struct Surroundings {
    TopicHub& hub;
    ClientControl* clients = nullptr;
    CacheControl* cache = nullptr;
    PluginStates* states = nullptr;
    TrialProgram trial = {};        ///< tries what is to be loaded
    CrashMarker* marker = nullptr;  ///< null: nobody remembers what it ended in
    /// [any] What of it runs next, as Life::Parts have it.
    std::function<void(std::string_view)> before = nullptr;
  };

  /// What came of a change.
  struct Changed {
    std::string refusal;               ///< empty: none
    std::chrono::nanoseconds pause{};  ///< how long the topics had no publisher
  };

  /// Without a file it is switched off until post_change().
  [[nodiscard]] static std::shared_ptr<PluginRunner> make(std::shared_ptr<const PluginFile> file,
                                                          Options options,
                                                          const Surroundings& surroundings);
  /// REQUIRES: never started, stopped, or stuck.
  ~PluginRunner() override;
  PluginRunner(const PluginRunner&) = delete;
  PluginRunner& operator=(const PluginRunner&) = delete;

  /// [main] before start(). Takes the topics of its file; the refusal, if they cannot be had.
  [[nodiscard]] std::optional<std::string> try_claim();
  /// [main] Once. Returns at once; how it went is on status:{name}. REQUIRES: try_claim() went
  /// well, or it has no file.
  void start();
  enum class Rehearsal : std::uint8_t { kCreated, kConfigured };
  /// [main] Instead of start(): loads it, creates an instance, configures it or not, and destroys
  /// it, however long that takes. Why that fails, or empty. REQUIRES: it has a file.
  [[nodiscard]] std::string rehearse(Rehearsal rehearsal);
  /// [main] Another library, config or permissions from now on: beside the life that runs, if
  /// neither is `exclusive`; nothing: switched off. `done` is called once, on any thread, when the
  /// old life is gone; with a refusal, what was before goes on.
  void post_change(std::optional<PluginSpec> spec, std::function<void(Changed)> done);
  /// [main] Asks it to stop by `deadline`; messages are answered kUnavailable from now on.
  void request_stop(MonoTime deadline);
  /// [main] True once its threads have ended; false at `until`: a callback is stuck.
  /// REQUIRES: request_stop() was called, or start() never was.
  [[nodiscard]] bool wait_stopped(MonoTime until);
  /// [main] Both.
  [[nodiscard]] bool stop_within(std::chrono::nanoseconds duration);
  /// [main] Waits until the first START has returned: empty if it went well, else why not; says so
  /// too if nothing is known at `until`.
  [[nodiscard]] std::string wait_first_start(MonoTime until);

  /// Libraries that are still mapped, or whose callback has not returned.
  [[nodiscard]] std::size_t libraries_left() const { return libraries_left_.load(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// Of the life that is meant to run; null: switched off.
  [[nodiscard]] std::shared_ptr<const PluginFile> file() const;
  [[nodiscard]] BroadcasterView view() const;

  [[nodiscard]] std::string_view owner_name() const override { return options_.name; }
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override;
  void post_demand(std::string_view topic, std::int64_t subscribers) override;

 private:
  friend class Replacement;  // the steps of a change, on the supervisor's thread
  using State = Life::State;
  /// Each may hold threads, timers and memory that nobody can take back.
  static constexpr std::size_t kMaxLibrariesLeft = 8;
  struct Change {
    std::optional<PluginSpec> spec;
    std::function<void(Changed)> done;
  };

  PluginRunner(std::shared_ptr<const PluginFile> file, Options options,
               const Surroundings& surroundings);
  [[nodiscard]] std::optional<std::string> try_claim(const PluginFile& file);
  void offer_to(const std::shared_ptr<PluginInbox>& inbox);
  void serve_by(const std::shared_ptr<PluginInbox>& inbox);
  [[nodiscard]] bool take_over(const std::shared_ptr<PluginInbox>& inbox);
  [[nodiscard]] bool try_withdraw(const std::shared_ptr<PluginInbox>& inbox);
  // The supervisor's.
  void supervise();
  [[nodiscard]] std::unique_ptr<Life> new_life(PluginSpec spec, Life::Start start);
  Life& adopt(std::unique_ptr<Life> life);
  Life& make_active();
  void on_active_started();
  void on_active_failed();
  void on_active_ended();
  [[nodiscard]] bool tend_active();
  [[nodiscard]] bool try_restart();
  void give_up(const std::string& words, const std::string& detail);
  void report_down(std::string_view detail);
  void tell_first_start(std::string refusal);
  void stop_active();
  [[nodiscard]] MonoTime stop_deadline() const;
  [[nodiscard]] bool wait_until(MonoTime until, const std::function<bool()>& is_done);

  [[nodiscard]] std::optional<Change> take_change();
  [[nodiscard]] Changed apply_change(std::optional<PluginSpec> spec);
  void switch_off();
  [[nodiscard]] std::string await_start(const Life& life);
  void await_trial(const Life& life);
  void await_trial_beside(const Life& life);
  [[nodiscard]] bool is_active_running() const;
  [[nodiscard]] std::string why_not_started(const Life& life, std::string late) const;
  void retire(std::unique_ptr<Life> life);
  void leave_alone(std::unique_ptr<Life> life);
  void keep(std::unique_ptr<Life> life);
  void reap();
  [[nodiscard]] bool is_somebody_stuck() const;
  void list_quarantine();

  // Constant after construction.
  const Options options_;
  const Surroundings surroundings_;
  // Shared.
  struct Serving {
    std::shared_ptr<PluginInbox> inbox;      // of the life that serves; never null
    std::shared_ptr<PluginInbox> successor;  // of the one that may take over
  };
  Guarded<Serving> serving_;
  Counters counters_;
  PluginMetrics metrics_;
  // What operators see of it.
  struct Shown {
    std::shared_ptr<const PluginFile> file;  // null: switched off
    std::uint64_t generation = 0;
    std::optional<MonoTime> started;  // nothing: not running
    std::string last_error;
    std::string last_error_at;
    std::vector<BroadcasterView::Quarantined> quarantined;
  };
  Guarded<Shown> shown_;
  std::atomic<std::size_t> libraries_left_{0};
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> has_ended_{true};
  Guarded<std::deque<Change>> changes_;
  Guarded<MonoTime> stop_deadline_;
  // Nothing until it is known, "" if it went well.
  Guarded<std::optional<std::string>> first_start_;
  Wake progress_;  // of lives and changes, for the supervisor
  Wake news_;      // of has_ended_ and first_start_, for [main]
  // [main]
  OwnerThread main_;
  std::thread supervisor_;
  // The supervisor's; [main] before start().
  std::optional<PluginSpec> spec_;  // what is meant to run; nothing: switched off
  std::unique_ptr<Life> active_;
  bool has_started_ = false;  // active_ has, and what follows from it was done
  bool has_failed_ = false;   // the same
  std::uint64_t last_number_ = 0;
  Backoff backoff_;
  std::optional<MonoTime> retry_at_;  // while nothing is active; nothing: never again
  std::string failure_shown_;         // the status of this life; empty while it is well
  std::string failure_logged_;        // the last one; empty once a start went well
  struct Left {
    std::unique_ptr<Life> life;
    bool stays_mapped = false;  // its library, for good: nothing of it runs any more
    std::string since;
  };
  std::vector<Left> quarantine_;
};

}  // namespace broadcast

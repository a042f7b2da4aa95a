#pragma once
// One life of a broadcaster, which operators know as a generation: its library is loaded, an
// instance created, configured, started and served, until it is stopped or fails; then it is
// stopped, destroyed and unloaded. PluginRunner's supervisor makes lives, tells them what to do and
// takes them down; make_life() decides where they run. While one replaces another, two of them
// stand beside each other: the newer one waits before its START until the older one is paused and
// suspended.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/crash_marker.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/loader/plugin_inbox.hpp"
#include "host/loader/plugin_library.hpp"
#include "host/loader/plugin_metrics.hpp"
#include "host/loader/plugin_states.hpp"
#include "host/loader/trial.hpp"
#include "host/seams/cache_control.hpp"
#include "host/seams/client_control.hpp"

namespace broadcast {

/// What a life is made of: the library and what YAML says about it.
struct PluginSpec {
  std::shared_ptr<const PluginFile> file;
  std::string config = "{}";  ///< JSON, checked against the schema, defaults filled in
  std::vector<std::string> permissions;
};

class Life {
 public:
  /// Why it ended before it was told to.
  struct Failure {
    std::string words;               ///< for verdicts: "is restarting after an exception"
    std::string detail;              ///< for log and status: "exception in TIMER: no such table"
    std::chrono::nanoseconds ran{};  ///< since START returned; zero if it did not
  };
  /// Only forward, but for kPaused, which goes back to kRunning.
  enum class State : std::uint8_t {
    kTrying,     ///< in a process of its own
    kPreparing,  ///< dlopen, create, CONFIG
    kPrepared,   ///< waits for proceed()
    kStarting,
    kRunning,
    kPaused,  ///< between two callbacks, until resume()
    kFailed,  ///< failure() says why; STOP and destroy are on their way
    kEnded    ///< the last: nothing of the plugin runs any more, and its library is unloaded
  };
  enum class Start : std::uint8_t {
    kAtOnce,       ///< nobody serves meanwhile
    kWhenTold,     ///< beside one that serves, and so loaded in the background
    kNever,        ///< waits as that one does, but nobody serves meanwhile
    kUnconfigured  ///< the same, and it does not get its CONFIG
  };
  /// References and pointers outlive the life, which is kept as long as its library is mapped.
  struct Parts {
    const std::string& name;  ///< the broadcaster's
    const std::string& host_version;
    const CopyPlace& copies;
    const TrialProgram& trial;
    TopicHub& hub;
    const TopicOwner& owner;
    ClientControl* clients;
    CacheControl* cache;
    PluginStates* states;
    Counters& counters;
    PluginMetrics& metrics;
    CrashMarker* marker;                 ///< null: what runs is told by the last words alone
    std::shared_ptr<PluginInbox> inbox;  ///< its own, open
    /// [plugin] START returned BC_OK: may it serve? It ends if not.
    std::function<bool()> on_started;
    /// [any] What of the plugin runs next: "load", "create", "CONFIG". Null: nobody wants to know.
    std::function<void(std::string_view)> before;
    std::function<void()> on_news;  ///< [any] state() is another
  };

  /// REQUIRES: join_and_unload() was called, or launch() never was.
  virtual ~Life() = default;
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // The supervisor: from launch() on, the thread that called that.

  /// It begins; if that fails it is kEnded, with a failure. REQUIRES: it was not launched yet.
  virtual void launch() = 0;
  /// START may come. REQUIRES: Start::kWhenTold.
  virtual void proceed() = 0;
  /// Asks for kPaused, which comes once no callback runs.
  virtual void pause() = 0;
  /// What it publishes is answered REVOKED, until resume(). What another of its threads has begun
  /// to publish is out when this returns. REQUIRES: it was kPrepared.
  virtual void suspend() = 0;
  /// Takes pause() and suspend() back. REQUIRES: it was kPrepared.
  virtual void resume() = 0;
  /// It is to end: STOP by `deadline`. Returns at once; kEnded comes when it does. Stopping its
  /// inbox is the same, from any thread.
  virtual void request_stop(MonoTime deadline) = 0;
  /// A callback of it does not return: what it publishes is answered REVOKED from now on, and the
  /// message under way kUnavailable in its place.
  virtual void quarantine() = 0;
  /// True if nothing of the library is mapped any more; else the life is to be kept for good.
  /// REQUIRES: kEnded.
  [[nodiscard]] virtual bool join_and_unload() = 0;

  // [any]

  [[nodiscard]] virtual State state() const = 0;
  /// Its START has returned BC_OK and it serves, whatever came after it.
  [[nodiscard]] virtual bool has_started() const = 0;
  [[nodiscard]] virtual std::optional<Failure> failure() const = 0;
  [[nodiscard]] bool has_ended() const { return state() == State::kEnded; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] const PluginSpec& spec() const { return spec_; }
  [[nodiscard]] const std::shared_ptr<PluginInbox>& inbox() const { return inbox_; }

 protected:
  Life(std::uint64_t number, PluginSpec spec, std::shared_ptr<PluginInbox> inbox)
      : number_(number), spec_(std::move(spec)), inbox_(std::move(inbox)) {}

 private:
  const std::uint64_t number_;
  const PluginSpec spec_;
  const std::shared_ptr<PluginInbox> inbox_;
};

/// The broadcaster's life number `number`. The only place that decides where a life runs.
[[nodiscard]] std::unique_ptr<Life> make_life(std::uint64_t number, PluginSpec spec,
                                              Life::Start start, Life::Parts parts);

}  // namespace broadcast

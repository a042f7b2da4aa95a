#pragma once
// One life of a broadcaster, on a thread of its own: the library is loaded by another one, then
// create, CONFIG, START, timers and what its inbox holds, until it is stopped or fails; then STOP
// and destroy. Once that thread has ended, its keeper's unloads the library. Two of them stand
// beside each other while one replaces the other: the newer waits before its START until the older
// is paused and revoked. Made, told and buried by PluginRunner's supervisor.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "host/base/crash_marker.hpp"
#include "host/base/guarded.hpp"
#include "host/loader/host_services.hpp"
#include "host/loader/plugin_library.hpp"
#include "host/loader/trial.hpp"

namespace broadcast {

/// What a generation is made of: the library and what YAML says about it.
struct PluginSpec {
  std::shared_ptr<const PluginFile> file;
  std::string config = "{}";  ///< JSON, checked against the schema, defaults filled in
  std::vector<std::string> permissions;
};

class Generation {
 public:
  /// Why it ended before it was told to.
  struct Failure {
    std::string words;   ///< for verdicts, after the name: "is restarting after an exception"
    std::string detail;  ///< for log and status: "exception in TIMER: no such table"
    std::chrono::nanoseconds ran{};  ///< since START returned; zero if it did not
  };
  enum class State : std::uint8_t {
    kTrying,     ///< in a process of its own
    kPreparing,  ///< dlopen, create, CONFIG
    kPrepared,   ///< waits for proceed()
    kStarting,
    kRunning,
    kPaused,  ///< between two callbacks, until resume()
    kFailed,  ///< failure() says why; STOP and destroy are on their way
    kEnded    ///< the last: the plugin's thread has ended, and its library is unloaded
  };
  /// kWhenTold: beside one that serves, and so loaded in the background. kNever: waits as that one
  /// does, but nobody serves meanwhile; kUnconfigured: nor does it get its CONFIG.
  enum class Start : std::uint8_t { kAtOnce, kWhenTold, kNever, kUnconfigured };
  /// References and pointers outlive the generation, which is kept as long as its library is
  /// mapped.
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
    /// What of the plugin runs next: "load", "create", "CONFIG". Null: nobody wants to know.
    std::function<void(std::string_view)> before;
    std::function<void()> on_news;  ///< [plugin] state() is another
  };

  Generation(std::uint64_t number, PluginSpec spec, Start start, Parts parts)
      : number_(number),
        spec_(std::move(spec)),
        start_(start),
        parts_(std::move(parts)),
        place_(parts_.marker, parts_.name, number_, build_of(*spec_.file, spec_.config)) {}
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // The supervisor.

  /// Its thread begins; without one it is kEnded, with a failure.
  void launch();
  /// START may come. REQUIRES: Start::kWhenTold.
  void proceed();
  /// Asks for kPaused, which comes once no callback runs.
  void pause();
  /// Takes pause() and suspend() back.
  void resume();
  /// What it publishes is answered REVOKED, until resume(). REQUIRES: it was kPrepared once.
  void suspend() { services_->suspend(); }
  void request_stop(MonoTime deadline) { parts_.inbox->request_stop(deadline); }
  /// A callback of it does not return: what it publishes is answered REVOKED from now on, and the
  /// message under way kUnavailable in its place.
  void quarantine();
  [[nodiscard]] bool is_quarantined() const { return is_quarantined_; }
  /// REQUIRES: kEnded. True if nothing of the library is mapped any more.
  [[nodiscard]] bool bury();

  // [any]

  [[nodiscard]] State state() const { return state_.load(); }
  [[nodiscard]] bool has_ended() const { return state() == State::kEnded; }
  /// Its START has returned BC_OK and it serves, whatever came after it.
  [[nodiscard]] bool has_started() const { return has_started_.load(); }
  [[nodiscard]] std::optional<Failure> failure() const;
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] const PluginSpec& spec() const { return spec_; }
  [[nodiscard]] const std::shared_ptr<PluginInbox>& inbox() const { return parts_.inbox; }

 private:
  /// What a call into the plugin came to.
  struct Outcome {
    bc_status status = BC_OK;
    std::string text;
  };

  void keep();
  void run();
  template <class Work>
  auto apart(Work work) const;
  [[nodiscard]] std::string tried() const;
  [[nodiscard]] bool try_load();
  void unload();
  template <class Work>
  auto with_linker(Callback callback, Work work);
  [[noreturn]] void end_process(Callback callback, const std::string& why);
  void prepare();
  void await_go();
  void start();
  void replay_demand();
  void serve();
  void rest();
  bool serve_timer();
  bool serve_item();
  void serve_message(PluginInbox::Message& message);
  void serve_demand(const PluginInbox::Demand& demand, std::uint16_t flags);
  void serve_post(const PluginInbox::Post& post);
  void end();
  void deliver_posts();
  void destroy();

  void about_to(Callback callback) const;
  template <class F>
  Outcome call(Callback callback, F&& function);
  Outcome handle(Callback callback, const bc_event& event);
  void judge(Callback callback, const Outcome& outcome);
  void judge_start(Callback callback, const Outcome& outcome);
  void count_error(Callback callback, const Outcome& outcome);
  void fail(std::string words, std::string detail);
  void note_failure(std::string words, std::string detail);
  void enter(State state);
  [[nodiscard]] bool is_over() const { return has_failed_ || inbox()->is_stopping(); }
  [[nodiscard]] Verdict verdict_of(const Outcome& outcome) const;

  // Constant after construction.
  const std::uint64_t number_;
  const PluginSpec spec_;
  const Start start_;
  const Parts parts_;
  // Shared.
  std::atomic<State> state_{State::kTrying};
  std::atomic<bool> has_started_{false};
  std::atomic<bool> may_start_{false};
  std::atomic<bool> is_to_pause_{false};
  Guarded<std::optional<Failure>> failure_;
  Guarded<std::function<void(Verdict)>> under_way_;  // who waits for the message that is handled
  // The supervisor's.
  std::thread keeper_;
  bool is_quarantined_ = false;
  // The plugin's thread, while it waits the one that loads, and its keeper after it.
  CallbackPlace place_;
  // The plugin's thread; its keeper after it, then the supervisor.
  std::unique_ptr<PluginLibrary> library_;
  std::optional<HostServices> services_;
  void* self_ = nullptr;
  bool is_created_ = false;
  bool has_destroy_failed_ = false;
  bool has_failed_ = false;
  std::optional<MonoTime> started_;
  std::uint64_t errors_ = 0;
};

}  // namespace broadcast

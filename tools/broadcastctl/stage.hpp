#pragma once
// A host for one broadcaster, with a hub that nobody subscribes to: what the checks of a plugin run
// it in. All that they need of host/loader's running parts is here. [main]

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/loader/plugin_library.hpp"

namespace broadcast {

struct StagedPlugin {
  std::shared_ptr<const PluginFile> file;
  std::string config;  ///< JSON, defaults filled in
};

/// A life of the broadcaster as the host runs it. Every permission is granted.
class Stage {
 public:
  explicit Stage(const StagedPlugin& plugin);
  /// REQUIRES: never started, or stopped.
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// Why it has not started by `until`; empty: it has.
  [[nodiscard]] std::string start(MonoTime until);
  /// Tells it that `topic` has a subscriber.
  void demand(const std::string& topic);
  /// Hands a message over without waiting for what comes of it.
  void post(const std::string& topic, const std::string& payload);
  /// Nothing: no verdict by `until`.
  [[nodiscard]] std::optional<Verdict> send(const std::string& topic, const std::string& payload,
                                            MonoTime until);
  /// Why the last instance failed; empty: none did.
  [[nodiscard]] std::string last_error() const;
  /// What came of its publishes so far: the hub is as strict as any host is.
  struct Publishes {
    std::uint64_t taken = 0;
    std::uint64_t refused = 0;  ///< INVALID or DENIED: nobody would ever get them
    std::string why;            ///< the first refusal's, where it is known
  };
  [[nodiscard]] Publishes publishes() const;
  [[nodiscard]] std::uint64_t timers() const;  ///< TIMER callbacks so far
  [[nodiscard]] std::uint64_t posts() const;   ///< POST callbacks so far
  /// False: a callback is stuck; the process must then leave without destroying the stage.
  [[nodiscard]] bool stop_within(std::chrono::nanoseconds duration);
  /// Something of the library is still mapped after the end.
  [[nodiscard]] bool is_left_mapped() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// One callback of a plugin that was called without the host's net.
struct RawCall {
  std::string what;  ///< "CONFIG", "MESSAGE on signal:vcp"
  std::int32_t status = 0;
  std::string text;         ///< said with fail()
  bool has_thrown = false;  ///< an exception crossed the border
};

/// An instance whose callbacks are called one by one, on a thread of its own, by a host that
/// refuses to publish. `script` runs on that thread.
class RawInstance {
 public:
  using Told = std::function<void(const RawCall&)>;
  struct Calls {
    std::function<RawCall(const std::string& config)> config;
    std::function<RawCall()> start;
    std::function<RawCall(const std::string& topic)> demand;
    std::function<RawCall(const std::string& topic, const std::string& payload)> message;
    std::function<RawCall()> stop;
  };
  /// create, `script`, destroy, unload. What each came to is told to `told` before the next one,
  /// create and destroy included; `before` hears what comes next.
  /// Throws PluginRefused, also where it posts to itself without end.
  static void run(const StagedPlugin& plugin, const std::function<void(const std::string&)>& before,
                  const Told& told, const std::function<void(const Calls&)>& script);
};

}  // namespace broadcast

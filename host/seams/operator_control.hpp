#pragma once
// What operators change while the host runs. Implemented by host/app; handed to host/admin.
// Interfaces and plain data only; [main].

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

/// What came of it.
struct Operation {
  enum class Outcome : std::uint8_t {
    kDone,
    kInvalid,   ///< `errors` say what is in the way; nothing was changed
    kUnknown,   ///< the configuration names no such broadcaster
    kBusy,      ///< another one is under way
    kStopping,  ///< the host ends; nothing was changed
    kFailed     ///< some step was refused; what it was about is as before
  };
  struct Step {
    std::string broadcaster;
    std::string did;                   ///< "started", "stopped", "replaced"
    std::string refusal;               ///< why not; empty: it did
    std::chrono::nanoseconds pause{};  ///< how long its topics had no publisher
  };
  Outcome outcome = Outcome::kDone;
  std::vector<std::string> errors;         ///< each a whole line
  std::vector<Step> broadcasters;          ///< those that were touched, in this order
  std::vector<std::string> settings;       ///< keys that have changed and hold from now on
  std::vector<std::string> needs_restart;  ///< keys that have changed and hold after a restart only
};

class OperatorControl {
 public:
  virtual ~OperatorControl() = default;

  using Done = std::function<void(const Operation&)>;
  /// Reads the configuration again and changes what differs. `done` is called on [main], once.
  virtual void reload(Done done) = 0;

  enum class Action : std::uint8_t {
    kEnable,      ///< as the configuration has it
    kDisable,     ///< until it is enabled, or the next reload
    kRestart,     ///< another instance of the same library
    kReplace,     ///< the library is read again
    kForgetState  ///< takes away what it has kept for its next start; it must be off
  };
  virtual void act(std::string_view broadcaster, Action action, Done done) = 0;
};

}  // namespace broadcast

#pragma once
// One change of what a broadcaster runs. A successor that fails must cost nothing, and it can fail
// anywhere: so a change is a list of steps, read from above. A step that cannot be done says why;
// then it and those before it are undone, the last one first, and what ran before goes on.
// PluginRunner's supervisor makes one for each change; [supervisor].

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "host/base/clock.hpp"
#include "host/loader/life.hpp"

namespace broadcast {

class PluginRunner;

class Replacement {
 public:
  /// `runner` outlives it.
  Replacement(PluginRunner& runner, PluginSpec spec);
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  /// Once. `spec` is what runs from now on: beside the life that runs until its START has returned,
  /// or, where none runs or one of the two is exclusive, in its place. Returns why not, or nothing.
  [[nodiscard]] std::string run();
  /// How long the topics had no publisher.
  [[nodiscard]] std::chrono::nanoseconds pause() const { return pause_; }

 private:
  struct Step {
    std::string (Replacement::*take)();     // why it cannot be done; empty: it is
    void (Replacement::*undo)() = nullptr;  // also where it was done by half
  };
  [[nodiscard]] std::string take(std::span<const Step> steps);
  [[nodiscard]] std::string beside();
  [[nodiscard]] std::string in_place();

  // Beside.
  [[nodiscard]] std::string try_next();
  [[nodiscard]] std::string load_next();
  void discard_next();
  [[nodiscard]] std::string pause_old();
  [[nodiscard]] std::string suspend_old();
  void let_old_go_on();
  [[nodiscard]] std::string claim_topics();
  void take_topics_back();
  [[nodiscard]] std::string start_next();
  void silence_next();
  [[nodiscard]] std::string hand_over();
  [[nodiscard]] std::string retire_old();
  // In place.
  [[nodiscard]] std::string end_old();
  [[nodiscard]] std::string start_in_place();
  void bring_old_back();
  [[nodiscard]] std::string put_in_place();

  PluginRunner& runner_;
  const PluginSpec spec_;
  const std::optional<PluginSpec> before_;  // nothing: it was switched off
  const bool is_exclusive_;
  std::unique_ptr<Life> next_;
  std::unique_ptr<Life> old_;
  MonoTime begun_{};  // since when the topics have no publisher
  std::chrono::nanoseconds pause_{};
};

}  // namespace broadcast

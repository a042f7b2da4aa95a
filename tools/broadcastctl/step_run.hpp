#pragma once
// One step of `plugin check` in its child process: what all of them share. In step_run.cpp: what
// the linker sees; step_lives.cpp: lives from load to unload; step_fuzz.cpp: what a host and
// producers may do to it. [main of the child]

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "host/base/clock.hpp"
#include "host/loader/child.hpp"
#include "host/loader/elf_image.hpp"
#include "host/loader/manifest.hpp"
#include "tools/broadcastctl/check.hpp"
#include "tools/broadcastctl/process_state.hpp"
#include "tools/broadcastctl/samples.hpp"
#include "tools/broadcastctl/stage.hpp"
#include "tools/broadcastctl/steps.hpp"

namespace broadcast {

/// Long enough for a first timer of most.
inline constexpr std::chrono::milliseconds kFirstLife(500);

/// One line of bounded length.
[[nodiscard]] std::string short_text(const std::string& text);
[[nodiscard]] std::string seconds_text(std::chrono::nanoseconds duration);

class StepRun {
 public:
  /// Throws PluginRefused. Both outlive it.
  StepRun(const CheckOptions& options, const ChildReport& report);

  void symbols();
  void load();
  void cycles();
  void stop();
  void fence();
  void fuzz_config();
  void fuzz_messages();

 private:
  [[nodiscard]] const Manifest& manifest() const { return plugin_.file->manifest(); }
  [[nodiscard]] const std::string& file() const { return plugin_.file->file_name(); }
  /// `why`, which may begin with the file's name, behind that and `where`.
  [[nodiscard]] std::string named(const std::string& why, const std::string& where = "") const;
  void result(const CheckResult& one) const { report_.tell(to_line(one)); }
  /// And nothing more: something of the plugin still runs.
  [[noreturn]] void give_up(const CheckResult& one) const {
    result(one);
    report_.end();
  }
  [[nodiscard]] MonoTime soon() const { return mono_now() + options_.deadline; }
  [[nodiscard]] std::string repeat() const {
    return " Repeat with --seed " + std::to_string(options_.seed) + ".";
  }
  void tell_found(const char* check, const std::string& found, const std::string& good,
                  const std::string& remedy) const;

  [[nodiscard]] std::vector<std::string> topics();
  void judge_libraries(const ElfNeeds& needs) const;
  void judge_publishes(const Stage::Publishes& publishes) const;
  void judge_pace(std::uint64_t timers, std::uint64_t posts) const;
  enum class Messages : std::uint8_t { kPosted, kAwaited };
  /// One life; gives up with a failure of `check` when it does not start or stop. Where messages
  /// are awaited, during_ is what the process is like then.
  void live(const std::string& check, const std::string& where,
            const std::vector<std::string>& topics, Messages messages);
  [[noreturn]] void give_up_stuck(const std::string& check, const std::string& where) const;
  enum class Told : std::uint8_t { kAll, kFailures };
  /// What a life has changed for the whole process while it lived, and until now, after it.
  void judge_changes(const ProcessState& first, const ProcessState& during, Told told) const;
  void judge_threads(const ProcessState& first) const;
  void judge(const ProcessState& first, const ProcessState& warm, const ProcessState& last) const;
  void judge_heap() const;
  void check_thrown(const char* check, const RawCall& call, const std::string& with) const;

  const CheckOptions& options_;
  const ChildReport& report_;
  Random random_;
  StagedPlugin plugin_;
  ProcessState during_;                  // a life, before STOP
  std::vector<std::size_t> heap_sizes_;  // after each life
};

}  // namespace broadcast

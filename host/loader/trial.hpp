#pragma once
// Tries a library in a process of its own before it is loaded into this one: a crash, a hang, or a
// static constructor that leaves the dynamic linker locked, ends that process alone. It is this
// program executed anew, never a fork of its threads, and has none of its descriptors.

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/loader/plugin_library.hpp"

namespace broadcast {

/// Who tries.
struct TrialProgram {
  std::filesystem::path program = "/proc/self/exe";
  /// Its command line, for which it calls run_trial(). Empty: libraries are loaded untried, by
  /// tests, and by processes that are there to be lost.
  std::vector<std::string> arguments;
  /// For each of load, create, CONFIG, destroy and unload.
  std::chrono::milliseconds limit = std::chrono::seconds(30);
  /// For loading and unloading here, after a trial that passed.
  std::chrono::milliseconds limit_here = std::chrono::seconds(30);

  [[nodiscard]] bool is_there() const { return !arguments.empty(); }
};

/// What is tried. It is loaded, created, destroyed and unloaded; START never comes.
struct TrialSubject {
  const PluginFile& file;
  std::string name;  ///< the broadcaster's
  std::vector<std::string> permissions;
  std::string host_version;
  CopyPlace copies;
  bool has_cache = true;              ///< the host offers bc.cache/1
  std::optional<std::string> config;  ///< it is configured with this, too; nothing: it is not
};

/// [any] Waits for the end of it; asks `is_called_off` 20 times a second. Why it did not pass, a
/// line that names the file; empty: it did. REQUIRES: the program is there.
[[nodiscard]] std::string try_library(const TrialProgram& program, const TrialSubject& subject,
                                      const std::function<bool()>& is_called_off);

/// In that process, [main]: does it, tells the other, and ends.
[[noreturn]] void run_trial();

}  // namespace broadcast

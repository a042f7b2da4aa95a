#pragma once
// plugin run and plugin dev: a whole host in this process with one broadcaster, and a live view of
// its topics. [main]

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/loader/trial.hpp"

namespace broadcast {

struct PluginHostOptions {
  std::string library;
  nlohmann::json config;
  std::string listen = "127.0.0.1:0";
  std::vector<std::string> topics;  ///< shown besides its own
  /// plugin dev: what is built anew replaces what runs, and what does not start is no end.
  bool replaces = false;
  TrialProgram trial;
};

/// Runs until SIGINT, SIGTERM or SIGHUP. The exit code: 1 if the plugin is refused or does not
/// start. Throws CannotRun or PluginRefused.
[[nodiscard]] int run_plugin_host(const PluginHostOptions& options);

}  // namespace broadcast

#pragma once
// What --check and `broadcastctl config check` say of a configuration: all that a start would find
// wrong, found without one. What it opens it closes again, a host that runs does not notice, and no
// broadcaster is started. [main]

#include <cstddef>
#include <string>
#include <vector>

#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/loader/trial.hpp"

namespace broadcast {

struct StartFindings {
  std::vector<std::string> errors;    ///< a start would end with it, or lack a broadcaster
  std::vector<std::string> warnings;  ///< worth a look
  std::size_t left_out = 0;           ///< of the broadcasters that are on
};

/// Ports, state file and certificates; which of `plan.ready` a start would leave out, because the
/// host has crashed in their starts; and whether each takes its `config:`, for which `trial` loads,
/// creates, configures and destroys it in a process of its own. What one broadcast-host holds of
/// it, be it one listener or the state file, is told once, as a warning: it is taken for the one
/// that is about to be reloaded or restarted.
[[nodiscard]] StartFindings check_start(const Config& config, const BroadcasterPlan& plan,
                                        const TrialProgram& trial);

/// Reads and checks `file`, prints what there is to say, and ends the process with 0 or 1. Throws
/// ConfigError.
[[noreturn]] void run_check(const std::string& file, const TrialProgram& trial);

}  // namespace broadcast

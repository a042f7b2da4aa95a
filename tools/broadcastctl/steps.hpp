#pragma once
// The checks that run the plugin's code, each step in a child process of its own: what the child
// does. [main of the child]

#include <string>
#include <vector>

#include "host/loader/child.hpp"
#include "tools/broadcastctl/check.hpp"

namespace broadcast {

struct Step {
  const char* name;
  std::vector<std::string> checks;  ///< the results it tells of, in this order
};
[[nodiscard]] const std::vector<Step>& all_steps();

/// Does it and ends the process.
[[noreturn]] void run_step(const std::string& name, const CheckOptions& options,
                           const Telling& telling);

/// How a result goes from child to parent.
[[nodiscard]] nlohmann::json to_json(const CheckResult& result);

}  // namespace broadcast

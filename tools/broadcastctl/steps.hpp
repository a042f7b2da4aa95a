#pragma once
// What is checked, each step in a child process of its own, because it runs the plugin's code, or
// reads what may harm its reader: what the child does. [main of the child]

#include <string>
#include <vector>

#include "host/loader/child.hpp"
#include "tools/broadcastctl/check.hpp"

namespace broadcast {

struct Step {
  const char* name;
  std::vector<std::string> checks;  ///< the results it tells of, in this order
  bool runs_its_code = true;
};
[[nodiscard]] const std::vector<Step>& all_steps();

/// Does it and ends the process.
[[noreturn]] void run_step(const std::string& name, const CheckOptions& options,
                           const ChildReport& report);

[[nodiscard]] nlohmann::json to_json(const CheckResult& result);
/// How a result goes from child to parent.
[[nodiscard]] std::string to_line(const CheckResult& result);

}  // namespace broadcast

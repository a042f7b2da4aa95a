#pragma once
// What differs between the configuration that runs and a new one: which keys hold at once, and
// which only after a restart. Broadcasters are another matter (operations). Pure; [main].

#include <string>
#include <vector>

#include "host/app/config.hpp"

namespace broadcast {

struct ConfigChanges {
  std::vector<std::string> live;  ///< keys, as in "limits.outbox"
  std::vector<std::string> restart;
};
[[nodiscard]] ConfigChanges changes_between(const Config& running, const Config& next);

/// All that are compared: a key of the YAML, or a section that holds as a whole.
[[nodiscard]] std::vector<std::string> setting_keys();

/// Of `next`, what holds at once.
void take_live(Config& running, const Config& next);

}  // namespace broadcast

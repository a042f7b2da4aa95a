#pragma once
// What a configuration says that has no effect as it stands. Pure; [main].

#include <string>
#include <vector>

#include "host/app/config.hpp"

namespace broadcast {

/// A line each, such as "f.yaml: redis.stream: is not read: ...". Nothing of them keeps the host
/// from starting: one file may be for places with and without Redis.
[[nodiscard]] std::vector<std::string> warnings_of(const Config& config);

}  // namespace broadcast

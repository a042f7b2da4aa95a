#pragma once
// How long something takes, for a line in the log. Pure.

#include <chrono>
#include <string>

namespace broadcast {

/// "1500 ms"
[[nodiscard]] inline std::string in_ms(std::chrono::nanoseconds time) {
  return std::to_string(time / std::chrono::milliseconds(1)) + " ms";
}
/// "90 s"; what is left of a second is not shown.
[[nodiscard]] inline std::string in_seconds(std::chrono::nanoseconds time) {
  return std::to_string(time / std::chrono::seconds(1)) + " s";
}

}  // namespace broadcast

#pragma once
// Which reasons of an outage are worth a line: the first, and later ones that are new, so that who
// reads the log learns why it is still away; not more often than every ten seconds. Pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace broadcast {

class FaultLog {
 public:
  static constexpr std::chrono::seconds kEvery{10};

  /// `reason` is empty where all is well, which is worth a line after an outage.
  [[nodiscard]] bool is_news(std::string_view reason, std::int64_t mono_ns) {
    if (reason.empty()) return std::exchange(logged_, std::nullopt).has_value();
    const bool is_soon = logged_ && mono_ns - logged_ns_ < std::chrono::nanoseconds(kEvery).count();
    if (logged_ && (is_soon || *logged_ == reason)) return false;
    logged_ = reason;
    logged_ns_ = mono_ns;
    return true;
  }

 private:
  std::optional<std::string> logged_;  // the last one written; nothing: all is well
  std::int64_t logged_ns_ = 0;
};

}  // namespace broadcast

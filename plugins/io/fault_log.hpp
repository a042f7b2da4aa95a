#pragma once
// Which reasons of an outage are worth a line: the first, and later ones that are new, so that who
// reads the log learns why it is still away; not more often than every ten seconds. Who goes and
// comes has a line a minute, and the rest is counted. Pure.

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
  /// An outage so soon after the last line about one has none, unless it lasts for kEvery.
  static constexpr std::chrono::seconds kCalm{60};

  /// What is to be logged, if anything. `reason` is empty where all is well, which is worth a line
  /// after an outage that had one.
  [[nodiscard]] std::optional<std::string> line(std::string_view reason, std::int64_t mono_ns) {
    if (reason.empty()) return end();
    if (!began_ns_) began_ns_ = mono_ns;
    const auto been = [mono_ns](std::optional<std::int64_t> since_ns, std::chrono::seconds time) {
      return !since_ns || mono_ns - *since_ns >= std::chrono::nanoseconds(time).count();
    };
    const bool is_news = logged_ ? *logged_ != reason && been(logged_ns_, kEvery)
                                 : been(logged_ns_, kCalm) || been(began_ns_, kEvery);
    if (!is_news) return std::nullopt;
    logged_ = reason;
    logged_ns_ = mono_ns;
    const int unlogged = std::exchange(unlogged_, 0);
    return *logged_ + (unlogged == 0 ? ""
                                     : "; and " + std::to_string(unlogged) +
                                           " short outages since the last line");
  }

 private:
  std::optional<std::string> end() {
    const bool was_away = std::exchange(began_ns_, std::nullopt).has_value();
    if (std::exchange(logged_, std::nullopt)) return "answers again";
    if (was_away) ++unlogged_;
    return std::nullopt;
  }

  std::optional<std::int64_t> began_ns_;  // while it is away
  std::optional<std::string> logged_;     // the last reason of this outage that was written
  std::optional<std::int64_t> logged_ns_;
  int unlogged_ = 0;  // outages
};

}  // namespace broadcast

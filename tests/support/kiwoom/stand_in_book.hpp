#pragma once
// What the stand-in was told, and what it has counted. On its thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

#include <nlohmann/json.hpp>

namespace broadcast::test {

/// As Kiwoom refuses a token that another one has replaced.
inline const nlohmann::json kKilledToken = {
    {"return_code", 3}, {"return_msg", "인증에 실패했습니다[8005:Token이 유효하지 않습니다]"}};

struct StandInBook {
  std::function<void()> on_stat;  ///< one has changed
  nlohmann::json settings = nlohmann::json::object();
  nlohmann::json stats = nlohmann::json::object();

  template <class T>
  [[nodiscard]] T setting(const char* name, T otherwise) const {
    return settings.value(name, otherwise);
  }
  [[nodiscard]] std::int64_t now_ns() const {
    const auto set = setting<std::int64_t>("now_ns", 0);
    if (set != 0) return set;
    return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }

  [[nodiscard]] nlohmann::json killed() const {
    return setting<nlohmann::json>("killed", kKilledToken);
  }

  void count(const char* stat, std::int64_t by = 1) {
    note(stat, stats.value(stat, std::int64_t{0}) + by);
  }
  void note(const char* stat, nlohmann::json value) {
    stats[stat] = std::move(value);
    on_stat();
  }
  void note_most(const char* stat, std::int64_t value) {
    if (value > stats.value(stat, std::int64_t{0})) note(stat, value);
  }
};

}  // namespace broadcast::test

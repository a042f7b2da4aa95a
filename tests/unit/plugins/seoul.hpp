#pragma once
// Points in time as one says them in Seoul.

#include <chrono>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <string>

namespace broadcast {

/// "2026-02-05 09:00:00" there, as nanoseconds since 1970 UTC.
inline std::int64_t seoul(const std::string& text) {
  std::tm time{};
  if (::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &time) == nullptr) {
    throw std::invalid_argument(text);
  }
  const std::chrono::seconds there(::timegm(&time));
  return std::chrono::nanoseconds(there - std::chrono::hours(9)).count();
}

}  // namespace broadcast

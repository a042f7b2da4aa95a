#pragma once
// What a broadcaster with the permission `cache` may do to what producers keep in Redis
// (bc.cache/1). Implemented by host/ingest; handed to host/loader by host/app.

#include <cstddef>
#include <string_view>

namespace broadcast {

inline constexpr std::size_t kMaxCachePatternBytes = 256;

/// A glob of Redis that names some keys: text before the first of * ? [ \, so that it can never
/// mean all of a database that others use, too.
[[nodiscard]] constexpr bool is_cache_pattern(std::string_view pattern) {
  constexpr std::string_view kWild = "*?[\\";
  return !pattern.empty() && pattern.size() <= kMaxCachePatternBytes &&
         kWild.find(pattern.front()) == std::string_view::npos;
}

class CacheControl {
 public:
  virtual ~CacheControl() = default;

  /// [any] Asks for the keys that match `pattern` to be dropped, and returns at once; a pattern
  /// that waits already is asked for once. False: too many wait. REQUIRES: is_cache_pattern().
  [[nodiscard]] virtual bool try_drop(std::string_view pattern) = 0;
};

}  // namespace broadcast

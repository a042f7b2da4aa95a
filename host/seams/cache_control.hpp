#pragma once
// What a broadcaster with the permission `cache` may do to what producers keep in Redis
// (bc.cache/1). Implemented by host/ingest; handed to host/loader by host/app.

#include <string_view>

#include <broadcast/host_rules.hpp>

namespace broadcast {

class CacheControl {
 public:
  virtual ~CacheControl() = default;

  /// [any] Asks for the keys that match `pattern` to be dropped, and returns at once; a pattern
  /// that waits already is asked for once. False: too many wait. REQUIRES: is_cache_pattern().
  [[nodiscard]] virtual bool try_drop(std::string_view pattern) = 0;
};

}  // namespace broadcast

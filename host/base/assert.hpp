#pragma once
// BROADCAST_ASSERT(condition, "what the caller did wrong"): for our own mistakes, on in release
// too. Never for what clients, producers, plugins or YAML send.

namespace broadcast {
[[noreturn]] void assertion_failed(const char* condition, const char* words, const char* file,
                                   int line);
}  // namespace broadcast

#define BROADCAST_ASSERT(condition, words) \
  ((condition) ? static_cast<void>(0)      \
               : ::broadcast::assertion_failed(#condition, words, __FILE__, __LINE__))

#pragma once
// What a producer sent through Redis: may it go to the owner of its topic? Pure; [any].

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/counters.hpp"

namespace broadcast {

enum class Refusal : std::uint8_t {
  kTooLarge,    ///< beyond limits.publish
  kNotJson,     ///< or nested too deep
  kNeither,     ///< JSON, but neither an object nor a list
  kNoOwner,     ///< no broadcaster and no relay serves its topic
  kRefused,     ///< its owner found it wrong
  kUnavailable  ///< its owner cannot take it now
};
inline constexpr std::size_t kRefusals = 6;
/// For logs and metrics: "not_json".
[[nodiscard]] std::string_view to_string(Refusal refusal);
/// The same for who reads a log.
[[nodiscard]] std::string_view words_of(Refusal refusal);

/// The same for check_payload() of this payload: of what is not JSON, where.
[[nodiscard]] std::string words_of(Refusal refusal, std::string_view payload);

/// Why `payload` goes to nobody; nothing: it may. No payload: it was too large to be read.
/// REQUIRES: it is without_bom().
[[nodiscard]] std::optional<Refusal> check_payload(const std::optional<std::string_view>& payload,
                                                   std::size_t most_bytes);

}  // namespace broadcast

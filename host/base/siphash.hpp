#pragma once
// SipHash-2-4: a hash that nobody foresees without the key. https://www.aumasson.jp/siphash/;
// [any].

#include <array>
#include <cstdint>
#include <string_view>

namespace broadcast {

using SipKey = std::array<std::uint64_t, 2>;

[[nodiscard]] std::uint64_t siphash(const SipKey& key, std::string_view text);

}  // namespace broadcast

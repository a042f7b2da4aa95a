#pragma once
// What plugins and producers say, made fit for a log line, a JSON reply or a status: bounded, one
// line, UTF-8. Pure; [any].

#include <cstddef>
#include <string>
#include <string_view>

namespace broadcast {

inline constexpr std::size_t kMaxPrintable = 4096;

/// At most `max_bytes`, cut between characters; control characters and Unicode's line ends become
/// spaces, bytes that are not UTF-8 question marks.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_bytes = kMaxPrintable);

}  // namespace broadcast

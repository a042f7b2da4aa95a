#pragma once
// A message of the live view as one line: "20:15:01.123 signal:vcp #17 {..}". Pure; [any].

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace broadcast {

/// `message` is what a client was sent. Empty: nothing that a viewer wants to see.
[[nodiscard]] std::string topic_line(std::string_view message, std::int64_t wall_ns);

/// At most `columns` wide, with "…" where something is cut off; 0: as it is.
[[nodiscard]] std::string cut_to_width(std::string_view line, std::size_t columns);

}  // namespace broadcast

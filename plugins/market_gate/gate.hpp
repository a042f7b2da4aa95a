#pragma once
// The market gate on the wire: checked, completed, written. Pure functions.

#include <string>
#include <string_view>

#include <broadcast/fields.hpp>

namespace broadcast {

inline constexpr std::string_view kGateTopic = "market-gate";

/// The update out of what a producer sent: its data, or the whole of it. Missing numbers become
/// null, missing sectors an empty list, a sector's missing signal is made from its change; other
/// fields stay as they are. `now` is the timestamp where none was sent. Throws Refused with the
/// field that is wrong.
[[nodiscard]] std::string market_gate_update(Json sent, std::string_view now);

}  // namespace broadcast

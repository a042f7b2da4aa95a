#pragma once
// The market gate on the wire: checked, completed, written. Pure functions.

#include <string>
#include <string_view>
#include <vector>

#include <broadcast/fields.hpp>

#include "plugins/database/korean_day.hpp"

namespace broadcast {

inline constexpr std::string_view kGateTopic = "market-gate";

/// The update out of what a producer sent: its data, or the whole of it. Missing numbers become
/// null, missing sectors an empty list, a sector's missing signal is made from its change; other
/// fields stay as they are. `now` is the timestamp where none was sent. Throws Refused with the
/// field that is wrong.
[[nodiscard]] std::string market_gate_update(Json sent, std::string_view now);

/// The update out of a row of market_status of `day`, its columns under the names of the wire. What
/// cannot be used is null or, of the sectors, not there; `left_out` names it. Throws Refused where
/// the status is none: that is no gate.
[[nodiscard]] std::string gate_of_row(Json row, KoreanDay day, std::string_view now,
                                      std::vector<std::string>& left_out);

}  // namespace broadcast

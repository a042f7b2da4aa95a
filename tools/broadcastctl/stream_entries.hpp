#pragma once
// What a host has set aside of its Redis stream, listed and put back: directly at Redis, whether
// the host runs or not. Blocks; [main].

#include <cstddef>
#include <string>

#include "host/app/config.hpp"

namespace broadcast {

/// A line an entry, oldest first: its id in `<stream>:parked`, its topic, the id that it had in the
/// stream, its payload. All three throw CannotRun: there is no stream in `config`, or Redis does
/// not let us.
[[nodiscard]] std::string list_parked(const Config& config);
/// The same of `<stream>:refused`, with the reason.
[[nodiscard]] std::string list_refused(const Config& config);
/// Adds the refused entry `id`, or "all" that there are, to the end of the stream again and removes
/// it from `<stream>:refused`, in one step. Lines: what was done.
[[nodiscard]] std::string put_back(const Config& config, const std::string& id);

}  // namespace broadcast

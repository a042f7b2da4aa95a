#pragma once
// Counts this program's calls of operator new and delete on the calling thread.

#include <cstddef>

namespace broadcast {

[[nodiscard]] std::size_t allocations();
[[nodiscard]] std::size_t deallocations();

}  // namespace broadcast

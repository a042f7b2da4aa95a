#pragma once
// The checksum that each row of a state file carries, as a function of SQL: what a disk has changed
// since is told from what was written. [main] or [store], with its database.

#include "host/store/sqlite.hpp"

namespace broadcast {

/// From now on `row_sum(a, b, ...)` can be used in statements of `database`: 64 bits of all its
/// arguments, in their order.
void add_row_sum(SqliteDatabase& database);

}  // namespace broadcast

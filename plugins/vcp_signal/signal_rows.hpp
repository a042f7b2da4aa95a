#pragma once
// Signals out of a database: what a query finds, a row a signal, every column a field of its name.

#include <string>

#include <soci/soci.h>

#include <broadcast/fields.hpp>

namespace broadcast {

/// A list, in the query's order. NULL becomes null, and so does what is no finite number. Throws
/// std::exception: the query fails, or has a column of a type that JSON has nothing for. [database]
[[nodiscard]] Json read_signals(soci::session& session, const std::string& query);

}  // namespace broadcast

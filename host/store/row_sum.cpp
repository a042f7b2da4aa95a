#include "host/store/row_sum.hpp"

#include <span>

#include "host/base/siphash.hpp"

namespace broadcast {

namespace {

/// Each argument's sum is part of the next one's key: no copy, and "ab","c" is not "a","bc".
void sum_row(sqlite3_context* context, int count, sqlite3_value** values) {
  std::uint64_t sum = 0;
  for (sqlite3_value* value : std::span(values, static_cast<std::size_t>(count))) {
    const void* bytes = sqlite3_value_blob(value);  // of a number: its digits
    const int size = sqlite3_value_bytes(value);
    sum = siphash({sum, 0}, {static_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
  sqlite3_result_int64(context, static_cast<std::int64_t>(sum));
}

}  // namespace

void add_row_sum(SqliteDatabase& database) {
  constexpr int kAnyCount = -1;
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  database.check(sqlite3_create_function_v2(database.handle(), "row_sum", kAnyCount, kFlags,
                                            nullptr, sum_row, nullptr, nullptr, nullptr));
}

}  // namespace broadcast

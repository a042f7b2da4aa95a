#pragma once
// One column of a row, read as text whatever its type: what cannot be read costs itself, where SOCI
// would throw, and take the whole answer with it. [database]

#include <charconv>
#include <cmath>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include <soci/soci.h>

#include "plugins/database/korean_day.hpp"

namespace broadcast {

/// `soci::into(column.text, column.indicator)`
struct Column {
  std::string text;
  soci::indicator indicator = soci::i_null;

  /// NULL, or nothing in it.
  [[nodiscard]] bool is_empty() const { return indicator != soci::i_ok || text.empty(); }
  /// Nothing: empty, or no finite number.
  [[nodiscard]] std::optional<double> number() const {
    if (is_empty()) return std::nullopt;
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [read, error] = std::from_chars(text.data(), end, value);
    const bool is_number = error == std::errc{} && read == end && std::isfinite(value);
    return is_number ? std::optional(value) : std::nullopt;
  }
  /// Nothing: empty, or no day. What stands behind it, a time of day, is left out.
  [[nodiscard]] std::optional<KoreanDay> day() const {
    if (is_empty()) return std::nullopt;
    const std::string_view date = std::string_view(text).substr(0, text.find_first_of(" T"));
    return parse_day(date);
  }
};

/// Whether the connection is well, after a query on it has failed. SQLite has to look into its file
/// for that, which may be none of its own.
[[nodiscard]] inline bool answers(soci::session& session) {
  const bool is_sqlite = session.get_backend_name() == "sqlite3";
  try {
    session << (is_sqlite ? "SELECT count(*) FROM sqlite_master" : "SELECT 1");
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace broadcast

#include "plugins/vcp_signal/signal_rows.hpp"

#include <array>
#include <cmath>
#include <ctime>

#include <soci/sqlite3/soci-sqlite3.h>

namespace broadcast {

namespace {

/// A day, or where it has one, with its time of day.
Json date_of(const std::tm& time) {
  std::array<char, 32> text{};
  const bool is_day = time.tm_hour == 0 && time.tm_min == 0 && time.tm_sec == 0;
  std::strftime(text.data(), text.size(), is_day ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%S", &time);
  return text.data();
}

/// Of the row that was fetched last. SQLite's have 64 bits, of which SOCI keeps 32.
Json integer_of(soci::statement& rows, const soci::row& row, std::size_t at, bool is_sqlite) {
  if (!is_sqlite) return row.get<int>(at);
  // By static_cast: SOCI does not export the types' typeinfo.
  auto* const backend = static_cast<soci::sqlite3_statement_backend*>(rows.get_backend());
  return sqlite_api::sqlite3_column_int64(backend->stmt_, static_cast<int>(at));
}

Json value_of(soci::statement& rows, const soci::row& row, std::size_t at, bool is_sqlite) {
  if (row.get_indicator(at) == soci::i_null) return nullptr;
  switch (row.get_properties(at).get_data_type()) {
    case soci::dt_string:
    case soci::dt_blob:
    case soci::dt_xml:
      return row.get<std::string>(at);
    case soci::dt_double: {
      const auto number = row.get<double>(at);
      return std::isfinite(number) ? Json(number) : Json(nullptr);
    }
    case soci::dt_integer:
      return integer_of(rows, row, at, is_sqlite);
    case soci::dt_long_long:
      return row.get<long long>(at);
    case soci::dt_unsigned_long_long:
      return row.get<unsigned long long>(at);
    case soci::dt_date:
      return date_of(row.get<std::tm>(at));
  }
  return nullptr;
}

}  // namespace

Json read_signals(soci::session& session, const std::string& query) {
  Json signals = Json::array();
  const bool is_sqlite = session.get_backend_name() == "sqlite3";
  soci::row row;
  soci::statement rows = (session.prepare << query, soci::into(row));
  rows.execute();
  while (rows.fetch()) {
    Json signal = Json::object();
    for (std::size_t at = 0; at < row.size(); ++at) {
      signal[row.get_properties(at).get_name()] = value_of(rows, row, at, is_sqlite);
    }
    signals.push_back(std::move(signal));
  }
  return signals;
}

}  // namespace broadcast

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

/// Where it is SQLite, its statement; for what SOCI does not say of the row that was fetched last.
sqlite_api::sqlite3_stmt* sqlite_statement(soci::statement& rows, bool is_sqlite) {
  if (!is_sqlite) return nullptr;
  // By static_cast: SOCI does not export the types' typeinfo.
  return static_cast<soci::sqlite3_statement_backend*>(rows.get_backend())->stmt_;
}

/// SQLite lets text stand where a number should, and reads it as 0.
bool is_number(sqlite_api::sqlite3_stmt* sqlite, std::size_t at) {
  if (sqlite == nullptr) return true;
  const int type = sqlite_api::sqlite3_column_type(sqlite, static_cast<int>(at));
  return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

/// SQLite's have 64 bits, of which SOCI keeps 32.
Json integer_of(const soci::row& row, std::size_t at, sqlite_api::sqlite3_stmt* sqlite) {
  if (sqlite == nullptr) return row.get<int>(at);
  return sqlite_api::sqlite3_column_int64(sqlite, static_cast<int>(at));
}

Json value_of(const soci::row& row, std::size_t at, sqlite_api::sqlite3_stmt* sqlite) {
  if (row.get_indicator(at) == soci::i_null) return nullptr;
  switch (row.get_properties(at).get_data_type()) {
    case soci::dt_string:
    case soci::dt_blob:
    case soci::dt_xml:
      return row.get<std::string>(at);
    case soci::dt_double: {
      const auto number = row.get<double>(at);
      return std::isfinite(number) && is_number(sqlite, at) ? Json(number) : Json(nullptr);
    }
    case soci::dt_integer:
      return is_number(sqlite, at) ? integer_of(row, at, sqlite) : Json(nullptr);
    case soci::dt_long_long:
      return is_number(sqlite, at) ? Json(row.get<long long>(at)) : Json(nullptr);
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
  auto* const sqlite = sqlite_statement(rows, is_sqlite);
  while (rows.fetch()) {
    Json signal = Json::object();
    for (std::size_t at = 0; at < row.size(); ++at) {
      signal[row.get_properties(at).get_name()] = value_of(row, at, sqlite);
    }
    signals.push_back(std::move(signal));
  }
  return signals;
}

}  // namespace broadcast

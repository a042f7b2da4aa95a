#include "host/store/sqlite.hpp"

namespace broadcast {

SqliteDatabase::SqliteDatabase(const std::string& path) {
  sqlite3* handle = nullptr;
  // One thread at a time uses it: SQLite needs no mutex of its own.
  const int code =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);  // there is one to close, whatever the code
  check(code);
  sqlite3_extended_result_codes(handle, 1);
}

void SqliteDatabase::check(int code) const {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  std::string what = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  // Which call failed; what the system said is gone by now.
  if ((code & 0xFF) == SQLITE_IOERR) what += ", SQLite's code " + std::to_string(code);
  throw SqliteError(code, what);
}

void SqliteDatabase::execute(const char* sql) {
  check(sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr));
}

std::int64_t SqliteDatabase::number(const char* sql) {
  SqliteStatement statement(*this, sql);
  return statement.step() ? statement.number(0) : 0;
}

std::string SqliteDatabase::text(const char* sql) {
  SqliteStatement statement(*this, sql);
  return statement.step() ? statement.text(0) : std::string();
}

SqliteStatement::SqliteStatement(const SqliteDatabase& database, std::string_view sql)
    : database_(database) {
  sqlite3_stmt* statement = nullptr;
  database_.check(sqlite3_prepare_v3(database_.handle(), sql.data(), static_cast<int>(sql.size()),
                                     SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
  statement_.reset(statement);
}

bool SqliteStatement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  // The reset says the same again; what went wrong is asked first.
  try {
    database_.check(code);
  } catch (...) {
    sqlite3_reset(statement_.get());
    throw;
  }
  sqlite3_reset(statement_.get());
  return false;
}

std::string SqliteStatement::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

void SqliteStatement::bind_one(int index, std::int64_t value) {
  database_.check(sqlite3_bind_int64(statement_.get(), index, value));
}

void SqliteStatement::bind_one(int index, std::string_view text) {
  database_.check(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(),
                                      SQLITE_STATIC, SQLITE_UTF8));
}

void SqliteStatement::bind_one(int index, SqliteBlob blob) {
  database_.check(sqlite3_bind_blob64(statement_.get(), index, blob.bytes.data(), blob.bytes.size(),
                                      SQLITE_STATIC));
}

}  // namespace broadcast

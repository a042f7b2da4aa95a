#pragma once
// SQLite's C API as two values that clean up after themselves and throw. No wrapper library: the
// host needs a dozen calls, and those that matter (WAL hook, checkpoint, exclusive lock) wrappers
// leave to the C API. Used by StateFile; one thread at a time.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace broadcast {

class SqliteError : public std::runtime_error {
 public:
  SqliteError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  /// The primary code: SQLITE_CORRUPT, SQLITE_FULL.
  [[nodiscard]] int code() const { return code_ & 0xFF; }
  /// The disk did not take what it was given before: what it has of that, nobody knows.
  [[nodiscard]] bool is_failed_sync() const {
    return code_ == SQLITE_IOERR_FSYNC || code_ == SQLITE_IOERR_DIR_FSYNC;
  }

 private:
  int code_;
};

/// Opens or creates a file. What it does not say: nothing is read before the first statement.
class SqliteDatabase {
 public:
  explicit SqliteDatabase(const std::string& path);

  void execute(const char* sql);
  /// The first column of the first row.
  [[nodiscard]] std::int64_t number(const char* sql);
  [[nodiscard]] std::string text(const char* sql);

  /// Throws unless `code` is good.
  void check(int code) const;
  [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

/// Bytes that are not taken for text: their number is known without reading them.
struct SqliteBlob {
  std::string_view bytes;
};

/// A prepared statement. Lives no longer than its database.
class SqliteStatement {
 public:
  SqliteStatement(const SqliteDatabase& database, std::string_view sql);

  /// Of ?1, ?2 ... in order. Texts and blobs are not copied: they outlive the steps.
  template <class... Values>
  SqliteStatement& bind(const Values&... values) {
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }
  /// True: there is a row. False: there is none left, and the statement can be bound again.
  bool step();
  /// For what answers no rows.
  void run() {
    while (step()) {
    }
  }

  /// Of the row that step() found.
  [[nodiscard]] std::int64_t number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
  }
  /// Text or blob.
  [[nodiscard]] std::string text(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  void bind_one(int index, std::int64_t value);
  void bind_one(int index, std::string_view text);
  void bind_one(int index, SqliteBlob blob);

  const SqliteDatabase& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace broadcast

#pragma once
// What a state file must be to be read, and what becomes of one that is not: a newer host's and
// another program's are refused and left alone, an unreadable one is moved aside. [main] at start.

#include <stdexcept>
#include <string>

#include "host/base/siphash.hpp"
#include "host/store/sqlite.hpp"
#include "host/store/synchronous.hpp"

namespace broadcast {

/// The file is a state that nobody can go on with; what() says why.
class StateUnreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Opens or creates `path` with its tables, in WAL mode, locked against every other program, and
/// checked whole. Throws StateUnreadable, or std::runtime_error where the file is not ours to
/// touch.
[[nodiscard]] SqliteDatabase open_state(const std::string& path, Synchronous synchronous);

/// The random value that was made with the file. Throws StateUnreadable or SqliteError.
[[nodiscard]] SipKey read_epoch_key(SqliteDatabase& database);

/// How many commits have written to it, as far as it knows.
[[nodiscard]] std::int64_t commits_of(SqliteDatabase& database);

/// Every topic begins another epoch; numbers, last values and positions go on. One transaction.
void begin_new_epochs(SqliteDatabase& database);

/// Throws as open_state() would, as far as the first page of `path` tells. Writes nothing, makes no
/// file, takes no lock. REQUIRES: nobody has it open.
void look_at_state(const std::string& path);

/// Says that everything committed is on the disk; the last that is done with the file.
void close_state(SqliteDatabase& database);

/// When `database` is closed, its file stays as it is, with what stands in the WAL.
void leave_state(SqliteDatabase& database);

/// Renames `path`, if it is there, with what SQLite keeps beside it, and returns the new name.
std::string move_state_aside(const std::string& path);

/// SqliteError of a file that is damaged, not of a disk that is full or fails.
[[nodiscard]] bool is_damage(const std::exception& error);

}  // namespace broadcast

#include "host/store/state_format.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <unistd.h>

#include "host/store/row_sum.hpp"

namespace broadcast {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kApplication = 0x62637374;  // "bcst"
constexpr std::int64_t kOldestVersion = 1;
constexpr std::int64_t kVersion = 2;

// Format 1. Texts are blobs: SQLite then knows their size without reading them.
constexpr const char* kTables = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,
  delivery INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE messages (topic INTEGER NOT NULL, seq INTEGER NOT NULL,
  published_ns INTEGER NOT NULL, text BLOB NOT NULL, PRIMARY KEY (topic, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE positions (stream TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE unclean (boot TEXT NOT NULL) STRICT;
PRAGMA application_id = 0x62637374;
PRAGMA user_version = 1;
COMMIT;
)sql";

// Of format 1 as well: files from before them get them, and hosts from before them pass them over.
// So what broadcasters keep is no commit that is counted: those hosts would miss it.
constexpr const char* kAdditions = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS epoch_key (key BLOB NOT NULL) STRICT;
INSERT INTO epoch_key SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM epoch_key);
CREATE TABLE IF NOT EXISTS plugin_states (broadcaster TEXT NOT NULL UNIQUE, state BLOB NOT NULL,
  sum INTEGER NOT NULL) STRICT;
COMMIT;
)sql";

// Format 2: each row has a checksum, and says which commit has written it; a commit writes at least
// one. What stands in a file from before is taken for what was
// written, but for messages that no client could read.
constexpr const char* kChecksums = R"sql(
BEGIN IMMEDIATE;
ALTER TABLE topics ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE topics ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE topics SET sum = row_sum(id, name, epoch, delivery, seq, commits);
UPDATE messages SET sum = row_sum(topic, seq, published_ns, text)
  WHERE json_valid(CAST(text AS TEXT));
UPDATE positions SET sum = row_sum(stream, id, commits);
PRAGMA user_version = 2;
COMMIT;
)sql";

constexpr const char* kSpoiledRows = R"sql(
SELECT
  (SELECT count(*) FROM topics WHERE sum <> row_sum(id, name, epoch, delivery, seq, commits))
  + (SELECT count(*) FROM positions WHERE sum <> row_sum(stream, id, commits))
)sql";

constexpr const char* kCommits = R"sql(
SELECT max(ifnull((SELECT max(commits) FROM topics), 0),
           ifnull((SELECT max(commits) FROM positions), 0))
)sql";

// Of topics without a message, the epoch is derived from the key.
constexpr const char* kNewEpochs = R"sql(
BEGIN IMMEDIATE;
UPDATE topics SET epoch = lower(hex(randomblob(4))), commits = commits + 1;
UPDATE topics SET sum = row_sum(id, name, epoch, delivery, seq, commits);
UPDATE epoch_key SET key = randomblob(16);
COMMIT;
)sql";

/// Changes when the machine starts, not when the host does.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

void check_kind(std::int64_t application, std::int64_t version) {
  if (application != kApplication) {
    throw std::runtime_error("a database of another program; it is left alone; name another file");
  }
  if (version > kVersion) {
    throw std::runtime_error(fmt::format(
        "written by a newer host (format {}, this one reads {}); start that one, or name another "
        "file",
        version, kVersion));
  }
  if (version < kOldestVersion) throw StateUnreadable(fmt::format("format {}", version));
}

void check_format(SqliteDatabase& database) {
  const std::int64_t application = database.number("PRAGMA application_id");
  const bool is_new =
      application == 0 && database.number("SELECT count(*) FROM sqlite_schema") == 0;
  if (is_new) return;
  check_kind(application, database.number("PRAGMA user_version"));
  const std::string finding = database.text("PRAGMA quick_check(1)");
  if (finding != "ok") throw StateUnreadable(finding);
}

/// With less than `full` a power failure may take commits back, and numbers would be given twice:
/// as long as such a host runs, the file says in which life of the machine that is.
void check_power_failure(SqliteDatabase& database, Synchronous synchronous) {
  const std::string now = boot_id();
  const std::string before = database.text("SELECT boot FROM unclean");
  if (!before.empty() && before != now) {
    throw StateUnreadable(
        "the machine went down while state.synchronous was not full, and the last commits may be "
        "missing");
  }
  database.execute("BEGIN IMMEDIATE");
  database.execute("DELETE FROM unclean");
  if (synchronous != Synchronous::kFull) {
    SqliteStatement(database, "INSERT INTO unclean VALUES (?1)").bind(std::string_view(now)).run();
  }
  database.execute("COMMIT");
}

const char* pragma_of(Synchronous synchronous) {
  switch (synchronous) {
    case Synchronous::kFull:
      return "PRAGMA synchronous = FULL";
    case Synchronous::kNormal:
      return "PRAGMA synchronous = NORMAL";
    case Synchronous::kOff:
      return "PRAGMA synchronous = OFF";
  }
  return "";
}

/// What clients were sent is nobody else's; SQLite would let everybody read it, and gives the WAL
/// what the file has.
void make_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) ::close(file);  // else SQLite says why
}

void bring_up_to_date(SqliteDatabase& database, const std::string& path) {
  const std::int64_t version = database.number("PRAGMA user_version");
  if (version == 0) database.execute(kTables);
  if (version >= kVersion) return;
  database.execute(kChecksums);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);  // once: as made before
}

SqliteDatabase opened(const std::string& path, Synchronous synchronous) {
  make_private(path);
  SqliteDatabase database(path);
  add_row_sum(database);
  // No other program may hold up a checkpoint; and no shared memory beside the file.
  database.execute("PRAGMA locking_mode = EXCLUSIVE");
  check_format(database);  // before anything is written
  database.execute("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL");
  database.execute("PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216");
  bring_up_to_date(database, path);
  database.execute(kAdditions);
  if (database.number(kSpoiledRows) != 0) {
    throw StateUnreadable("the row of a topic or a stream fails its checksum");
  }
  check_power_failure(database, synchronous);
  database.execute(pragma_of(synchronous));
  return database;
}

}  // namespace

bool is_damage(const std::exception& error) {
  if (dynamic_cast<const StateUnreadable*>(&error) != nullptr) return true;
  const auto* const sqlite = dynamic_cast<const SqliteError*>(&error);
  if (sqlite == nullptr) return false;
  // An error: a table or a column is not called any more what it was made as.
  return sqlite->code() == SQLITE_CORRUPT || sqlite->code() == SQLITE_NOTADB ||
         sqlite->code() == SQLITE_ERROR;
}

SqliteDatabase open_state(const std::string& path, Synchronous synchronous) {
  if (fs::is_directory(path)) throw std::runtime_error("a directory; name a file");
  try {
    return opened(path, synchronous);
  } catch (const SqliteError& error) {
    if (is_damage(error)) throw StateUnreadable(error.what());
    if (error.code() == SQLITE_BUSY) {
      throw std::runtime_error("in use by another program; close it there");
    }
    throw std::runtime_error(std::string("cannot be opened: ") + error.what());
  }
}

SipKey read_epoch_key(SqliteDatabase& database) {
  const std::string bytes = database.text("SELECT key FROM epoch_key");
  SipKey key;
  if (bytes.size() != sizeof key) throw StateUnreadable("the key of its epochs is truncated");
  std::memcpy(key.data(), bytes.data(), sizeof key);
  return key;
}

std::int64_t commits_of(SqliteDatabase& database) { return database.number(kCommits); }

void begin_new_epochs(SqliteDatabase& database) { database.execute(kNewEpochs); }

void look_at_state(const std::string& path) {
  std::array<unsigned char, 100> header{};  // of the file format, with numbers in network order
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(header.data()), header.size());
  if (file.gcount() == 0) return;  // it is not there, or was never written
  const auto number = [&](std::size_t at) {
    return std::int64_t{header[at]} << 24 | header[at + 1] << 16 | header[at + 2] << 8 |
           header[at + 3];
  };
  const std::string_view magic(reinterpret_cast<const char*>(header.data()), 16);
  if (magic != std::string_view("SQLite format 3\0", 16)) {
    throw StateUnreadable("file is not a database");
  }
  const std::int64_t pages = number(28);
  const std::int64_t version = number(60);
  const std::int64_t application = number(68);
  // After a crash of its first host all of it may still be in the WAL.
  const bool may_be_new = application == 0 && (pages <= 1 || fs::exists(path + "-wal"));
  if (!may_be_new) check_kind(application, version);
}

void close_state(SqliteDatabase& database) {
  database.execute("PRAGMA synchronous = FULL");
  database.execute("DELETE FROM unclean");
  database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

void leave_state(SqliteDatabase& database) {
  sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

std::string move_state_aside(const std::string& path) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string name = fmt::format("{}.unreadable-{:%Y%m%dT%H%M%SZ}", path, fmt::gmtime(now));
  std::string aside = name;
  for (int i = 2; fs::exists(aside); ++i) aside = fmt::format("{}-{}", name, i);
  // The WAL first: without its file it is nothing, but a new file must not find it.
  for (const char* suffix : {"-wal", "-journal", "-shm"}) {
    if (fs::exists(path + suffix)) fs::rename(path + suffix, aside + suffix);
  }
  if (fs::exists(path)) fs::rename(path, aside);
  return aside;
}

}  // namespace broadcast

#include "plugins/database/database.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/socket.h>

#include "plugins/io/duration_text.hpp"

namespace broadcast {

namespace {

/// Seconds to connect; milliseconds until an unanswered packet, or a statement, is given up. The
/// latter is no part of the URL, because poolers refuse such. Keepalives find out whether a server
/// that has acknowledged a question, and owes the answer, is still there.
constexpr std::chrono::seconds kConnectPatience{3};
constexpr std::string_view kPatience =
    "connect_timeout=3&tcp_user_timeout=5000&keepalives=1&keepalives_idle=5&keepalives_interval=2"
    "&keepalives_count=3";
constexpr const char* kStatementPatience = "SET statement_timeout = 5000";
constexpr const char* kDateStyle = "SET datestyle = ISO";  // a role may have another one
/// How often a wait for the server looks whether it is over.
constexpr std::chrono::milliseconds kGlance{100};

std::string no_answer(std::chrono::seconds patience) {
  return "no answer for " + in_seconds(patience);
}

/// libpq ends its messages with a newline.
std::string error_of(PGconn* connection) {
  std::string text = connection == nullptr ? "out of memory" : PQerrorMessage(connection);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

template <class Words>
bool is_one_of(std::string_view text, const Words& words) {
  return std::ranges::find(words, text) != std::ranges::end(words);
}

/// Fit to be repeated: no part of a password.
bool is_name(std::string_view text) {
  constexpr std::size_t kMost = 64;
  return !text.empty() && text.size() <= kMost && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+';
  });
}

DatabaseUrl sqlite_url(std::string_view driver, std::string file) {
  if (!driver.empty() && driver != "pysqlite" && driver != "aiosqlite") {
    throw std::invalid_argument("sqlite+" + std::string(driver) +
                                ": files of this driver are not supported");
  }
  if (file.starts_with("//")) {  // SQLAlchemy's; its query is for the driver
    file = file.substr(2, file.find('?') - 2);
    if (!file.empty() && !file.starts_with('/')) {
      throw std::invalid_argument(
          "SQLite has no host: expected sqlite:///relative/file or sqlite:////absolute/file");
    }
    file.erase(0, 1);
    if (file.starts_with("file:")) {
      throw std::invalid_argument("a file: URI of SQLite is not supported; name the file itself");
    }
  }
  if (file.empty() || file == ":memory:") {
    throw std::invalid_argument(
        "sqlite: a database in memory belongs to one process alone; name a file");
  }
  if (file.find('"') != std::string::npos) throw std::invalid_argument("a file name without \"");
  // Read-only: a file that is not there is an error, not a new database.
  std::string parameters = "dbname=\"" + file + "\" readonly=1 timeout=5";
  return {DatabaseUrl::Kind::kSqlite, std::move(parameters), std::move(file)};
}

/// Before libpq repeats a part of it, maybe the password, in an error that is logged.
void refuse_unless_libpq_can_read(const std::string& url) {
  const std::size_t authority = url.find("//") + 2;
  const std::size_t end = std::min(url.find_first_of("/?#", authority), url.size());
  const auto ats = std::count(url.begin() + static_cast<std::ptrdiff_t>(authority), url.end(), '@');
  const bool is_plain = ats == 0 || (ats == 1 && url.find('@') < end);
  PQconninfoOption* const parsed = is_plain ? PQconninfoParse(url.c_str(), nullptr) : nullptr;
  if (parsed == nullptr) {
    throw std::invalid_argument(
        "expected postgresql://user:password@host:port/name, with @ / : ? # % in user and password "
        "written as %40 %2F %3A %3F %23 %25");
  }
  PQconninfoFree(parsed);
}

bool is_libpq_part(const std::string& name) {
  PQconninfoOption* const parsed =
      PQconninfoParse(("postgresql://?" + name + "=").c_str(), nullptr);
  PQconninfoFree(parsed);
  return parsed != nullptr;
}

/// A part of the query as libpq has it; empty: it only concerns the Python driver.
std::string libpq_part(std::string name, std::string value) {
  static constexpr std::array<std::string_view, 13> kDrivers = {"async_fallback",
                                                                "autocommit",
                                                                "command_timeout",
                                                                "executemany_mode",
                                                                "max_cached_statement_lifetime",
                                                                "max_cacheable_statement_size",
                                                                "prepare_threshold",
                                                                "prepared_statement_cache_size",
                                                                "prepared_statement_name_func",
                                                                "statement_cache_size",
                                                                "tcp_keepalive",
                                                                "timeout",
                                                                "use_native_hstore"};
  static constexpr std::array<std::string_view, 6> kModes = {"disable", "allow",     "prefer",
                                                             "require", "verify-ca", "verify-full"};
  if (is_one_of(name, kDrivers)) return {};
  if (name == "ssl") {  // asyncpg's
    name = "sslmode";
    if (value == "true") value = "require";
  }
  if (name == "sslmode" && !is_one_of(value, kModes)) {
    throw std::invalid_argument(
        "sslmode must be disable, allow, prefer, require, verify-ca or verify-full");
  }
  if (!is_libpq_part(name)) throw std::invalid_argument(name + " is not an option of PostgreSQL");
  return name + '=' + value;
}

/// `text`: "sslmode=require&application_name=x"
std::string libpq_query(std::string_view text) {
  std::string query;
  std::set<std::string> seen;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (part.empty()) continue;
    std::string name(part.substr(0, part.find('=')));
    if (name.size() == part.size() || !is_name(name)) {
      throw std::invalid_argument(
          "after the ? comes name=value&name=value; write a ? in a password as %3F");
    }
    if (!seen.insert(name).second) throw std::invalid_argument(name + " is given twice");
    const std::string known = libpq_part(name, std::string(part.substr(name.size() + 1)));
    if (!known.empty()) query += known + '&';
  }
  return query;
}

/// The factories themselves: by name SOCI would dlopen them, and they would stay mapped. SQLite
/// does not say which file it is, and a relative one begins where the host was started.
std::unique_ptr<soci::session> open_session(const DatabaseUrl& url) {
  if (url.kind == DatabaseUrl::Kind::kPostgresql) {
    return std::make_unique<soci::session>(soci::postgresql, url.parameters);
  }
  try {
    return std::make_unique<soci::session>(soci::sqlite3, url.parameters);
  } catch (const std::exception& error) {
    throw std::runtime_error(error.what() + (": " + std::filesystem::absolute(url.file).string()));
  }
}

DatabaseUrl postgresql_url(const std::string& url) {
  const std::size_t question = std::min(url.find('?'), url.size());
  const std::string place = url.substr(0, question);
  refuse_unless_libpq_can_read(url.find('@', question) == std::string::npos ? place : url);
  const std::string query =
      libpq_query(std::string_view(url).substr(std::min(question + 1, url.size())));
  const std::string parameters = place + '?' + query + std::string(kPatience);
  refuse_unless_libpq_can_read(parameters);
  return {DatabaseUrl::Kind::kPostgresql, parameters, ""};
}

}  // namespace

/// Not by Boost.URL: libpq reads these URLs in the end and alone knows what it takes; here only
/// SQLAlchemy's spellings become those of libpq and SQLite.
DatabaseUrl DatabaseUrl::parse(const std::string& url) {
  const std::size_t colon = std::min(url.find(':'), url.size());
  const std::string scheme = url.substr(0, colon);
  const std::string dialect = scheme.substr(0, scheme.find('+'));
  const std::string driver = scheme.substr(std::min(dialect.size() + 1, scheme.size()));
  const std::string rest = url.substr(colon);
  const bool has_authority = rest.starts_with("://");
  if (dialect == "sqlite" && rest.size() > 1) return sqlite_url(driver, rest.substr(1));
  if ((dialect == "postgresql" || dialect == "postgres") && has_authority) {
    return postgresql_url(dialect + rest);  // whichever driver it is, the server is the same
  }
  throw std::invalid_argument(
      "expected sqlite:<file> or postgresql://user:password@host/name, also as SQLAlchemy has "
      "them" +
      (has_authority && is_name(scheme) ? "; " + scheme + ":// is not supported" : ""));
}

Database::Database(DatabaseUrl url, Handover::Post post)
    : url_(std::move(url)),
      answers_(std::move(post)),
      thread_([this] { work(); }),
      watch_([this] { watch(); }) {}

Database::~Database() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    interrupt();
  }
  news_.notify_all();
  thread_.join();
  watch_.join();
  answers_.stop();
}

bool Database::try_run(Query query, Failed failed) {
  const std::lock_guard lock(mutex_);
  if (asked_at_) return false;
  asked_at_ = std::chrono::steady_clock::now();
  broken_off_ = false;
  order_ = {std::move(query), std::move(failed)};
  news_.notify_all();
  return true;
}

void Database::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    news_.wait(lock, [this] { return over_ || order_; });
    if (over_) break;
    const Order order = *std::exchange(order_, std::nullopt);
    lock.unlock();
    std::function<void()> answer = answer_of(order);
    lock.lock();
    asked_at_.reset();
    news_.notify_all();
    hand_over(lock, std::move(answer));
  }
}

/// An answer that a full inbox has no room for is late, not lost.
void Database::hand_over(std::unique_lock<std::mutex>& lock, std::function<void()> answer) {
  bool is_done = over_ || answers_.put(std::move(answer));
  while (!is_done) {
    news_.wait_for(lock, Handover::kFullInbox, [this] { return over_; });
    is_done = over_ || answers_.try_post();
  }
}

void Database::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    news_.wait(lock, [this] { return over_ || asked_at_; });
    if (over_) return;
    const auto asked_at = asked_at_;
    const auto is_past = [&] { return over_ || asked_at_ != asked_at; };
    if (news_.wait_until(lock, *asked_at + kLongestQuery, is_past)) continue;
    broken_off_ = true;
    do {
      interrupt();  // in vain while it connects
    } while (!news_.wait_for(lock, std::chrono::seconds(1), is_past));
  }
}

bool Database::is_over() {
  const std::lock_guard lock(mutex_);
  return over_;
}

/// Never throws: what goes wrong is the answer.
std::function<void()> Database::answer_of(const Order& order) {
  const auto now = std::chrono::steady_clock::now();
  try {
    if (session_ && is_replaced()) disconnect();
    if (!session_) {
      if (now < next_try_) throw std::runtime_error(last_error_);
      connect();
    }
    auto answer = order.query(*session_);
    backoff_.reset();
    return answer;
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    last_error_ = broken_off_ ? no_answer(kLongestQuery) : error.what();
  }
  if (now >= next_try_) {
    next_try_ = std::chrono::steady_clock::now() + backoff_.next();
  }
  disconnect();
  return [failed = order.failed, why = last_error_] { failed(why); };
}

/// Whether the server lets us in, asked in a way that can be broken off, which SOCI's own cannot.
/// (Only the look-up of its name cannot either.) Throws with the reason why not.
void Database::try_server() {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(PQconnectStart(url_.parameters.c_str()),
                                                           &PQfinish);
  const auto until = std::chrono::steady_clock::now() + kConnectPatience;
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  while (wants != PGRES_POLLING_OK) {
    const bool is_bad = probe == nullptr || PQstatus(probe.get()) == CONNECTION_BAD;
    if (is_bad || wants == PGRES_POLLING_FAILED) throw std::runtime_error(error_of(probe.get()));
    pollfd socket{.fd = PQsocket(probe.get()),
                  .events = static_cast<short>(wants == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                  .revents = 0};
    while (::poll(&socket, 1, static_cast<int>(kGlance.count())) == 0) {
      if (is_over() || std::chrono::steady_clock::now() > until) {
        throw std::runtime_error(no_answer(kConnectPatience));
      }
    }
    wants = PQconnectPoll(probe.get());
  }
}

void Database::connect() {
  if (url_.kind == DatabaseUrl::Kind::kPostgresql) try_server();
  auto session = open_session(url_);
  {
    const std::lock_guard lock(mutex_);
    session_ = std::move(session);
    if (over_ || broken_off_) throw std::runtime_error("connecting took too long");
  }
  if (url_.kind != DatabaseUrl::Kind::kPostgresql) return;
  *session_ << kStatementPatience;
  *session_ << kDateStyle;
}

/// An SQLite file that was removed or replaced would be read on for ever.
bool Database::is_replaced() {
  if (url_.kind != DatabaseUrl::Kind::kSqlite) return false;
  auto* const backend = static_cast<soci::sqlite3_session_backend*>(session_->get_backend());
  int is_moved = 0;
  sqlite_api::sqlite3_file_control(backend->conn_, "main", SQLITE_FCNTL_HAS_MOVED, &is_moved);
  return is_moved != 0;
}

void Database::disconnect() {
  std::unique_ptr<soci::session> session;
  const std::lock_guard lock(mutex_);
  session = std::move(session_);
}

void Database::interrupt() {
  if (!session_) return;
  // By static_cast: SOCI does not export the types' typeinfo.
  soci::details::session_backend* backend = session_->get_backend();
  if (url_.kind == DatabaseUrl::Kind::kPostgresql) {
    ::shutdown(PQsocket(static_cast<soci::postgresql_session_backend*>(backend)->conn_), SHUT_RDWR);
  } else {
    sqlite_api::sqlite3_interrupt(static_cast<soci::sqlite3_session_backend*>(backend)->conn_);
  }
}

}  // namespace broadcast

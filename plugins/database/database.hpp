#pragma once
// The dashboard's database, SQLite or PostgreSQL, on a thread of its own: a broadcaster asks, and
// is answered on its own thread, whatever the database does meanwhile; a second thread breaks off
// what takes too long. What broadcasters that read it share.

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <soci/soci.h>

#include <broadcast/backoff.hpp>

#include "plugins/io/handover.hpp"

namespace broadcast {

/// Where a database is: `sqlite:<file>`, `postgresql://user:password@host:port/name`, or one of
/// those as SQLAlchemy has it: `sqlite:///relative/file`, `sqlite:////absolute/file`, with the name
/// of a Python driver behind a plus. Of its query, what only such a driver knows is left out.
struct DatabaseUrl {
  enum class Kind { kSqlite, kPostgresql };
  Kind kind = Kind::kSqlite;
  std::string parameters;  ///< as SOCI's backend reads them
  std::string file;        ///< SQLite's, for the log

  /// Throws std::invalid_argument that names the part that is wrong, and repeats of `url` no more
  /// than the names of its scheme and of parts of its query: it may hold a password.
  [[nodiscard]] static DatabaseUrl parse(const std::string& url);
};

class Database {
 public:
  /// [database] What it returns runs on the broadcaster's thread.
  using Query = std::function<std::function<void()>(soci::session&)>;
  /// [plugin] With the reason, for the log: it may name hosts and files.
  using Failed = std::function<void(const std::string& why)>;
  /// A query that takes longer is broken off, and has failed: the server may have frozen, or its
  /// machine have gone after it acknowledged the question.
  static constexpr std::chrono::seconds kLongestQuery{10};

  Database(DatabaseUrl url, Handover::Post post);
  /// Breaks off what runs. Nothing is answered afterwards.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// [plugin] Connects first where there is no connection; not more often than the back-off allows
  /// (1 s to 30 s), which is a failure too. False: the one before has not been answered.
  [[nodiscard]] bool try_run(Query query, Failed failed);

 private:
  struct Order {
    Query query;
    Failed failed;
  };
  void work();
  void hand_over(std::unique_lock<std::mutex>& lock, std::function<void()> answer);
  void watch();
  [[nodiscard]] std::function<void()> answer_of(const Order& order);
  void connect();
  void try_server();
  [[nodiscard]] bool is_over();
  void disconnect();
  [[nodiscard]] bool is_replaced();
  void interrupt();

  const DatabaseUrl url_;
  Handover answers_;

  std::mutex mutex_;  // guards what follows, up to next_try_
  std::condition_variable news_;
  std::optional<Order> order_;
  std::optional<std::chrono::steady_clock::time_point> asked_at_;  // what is not answered yet
  bool broken_off_ = false;                                        // it took too long
  bool over_ = false;
  std::unique_ptr<soci::session> session_;  // used by the thread, interrupted by others

  std::chrono::steady_clock::time_point next_try_{};  // the thread's own, as the next ones
  Backoff backoff_{{.first = std::chrono::seconds(1), .longest = std::chrono::seconds(30)}};
  std::string last_error_;
  std::thread thread_;
  std::thread watch_;
};

}  // namespace broadcast

#pragma once
// A state file written anew, whole, and put in the place of one that can no longer be trusted.
// Whenever the process ends meanwhile, the next start finds the old file, or the new one. Used by
// StateFile; [store], finish_rewrite() also [main] at start.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "host/hub/state_store.hpp"
#include "host/store/sqlite.hpp"
#include "host/store/state_statements.hpp"

namespace broadcast {

class StateRewrite {
 public:
  /// Beside `path`, and gone with this unless it was finished. `commits`: how many the old file has
  /// seen. Throws std::runtime_error, as do all others.
  StateRewrite(std::string path, const SipKey& epoch_key, std::int64_t commits);

  /// Of an `all` topic, messages that do not reach up to its number are no history.
  void put(std::int64_t row, const StoredTopic& topic);
  void put(std::string_view stream, std::string_view id);
  void put_plugin_state(std::string_view broadcaster, std::string_view state);
  /// Returns once the disk has it.
  void finish();

 private:
  /// The file while it is written: none before, and none afterwards.
  class Unfinished {
   public:
    explicit Unfinished(std::string name) : name_(std::move(name)) { remove(); }
    ~Unfinished() { remove(); }
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;
    [[nodiscard]] const std::string& name() const { return name_; }

   private:
    void remove() const;
    const std::string name_;
  };

  const std::string path_;
  const std::int64_t commits_;
  const Unfinished unfinished_;  // outlives the database in it
  std::optional<SqliteDatabase> database_;
  std::optional<StateStatements> statements_;  // of the database: ends before it
};

/// If a file was written anew for `path` and finished: moves what is there aside, and the new one
/// in its place. Returns the old one's new name; "": there was nothing to do.
std::string finish_rewrite(const std::string& path);

}  // namespace broadcast

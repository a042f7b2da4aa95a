#include "host/store/state_rewrite.hpp"

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "host/store/commit_counter.hpp"
#include "host/store/state_format.hpp"

namespace broadcast {

namespace {

namespace fs = std::filesystem;

std::string finished(const std::string& path) { return path + ".rewritten"; }

bool reaches_its_number(const StoredTopic& topic) {
  std::uint64_t seq = topic.seq - topic.messages.size();
  for (const StoredMessage& message : topic.messages) {
    if (message.seq != ++seq) return false;
  }
  return true;
}

}  // namespace

void StateRewrite::Unfinished::remove() const {
  std::error_code ignored;  // a new one says why it cannot be made
  for (const char* suffix : {"", "-wal", "-journal"}) fs::remove(name_ + suffix, ignored);
}

StateRewrite::StateRewrite(std::string path, const SipKey& epoch_key, std::int64_t commits)
    : path_(std::move(path)), commits_(commits), unfinished_(path_ + ".rewriting") {
  database_.emplace(open_state(unfinished_.name(), Synchronous::kFull));
  statements_.emplace(*database_);
  database_->execute("BEGIN IMMEDIATE");
  const std::string_view key(reinterpret_cast<const char*>(epoch_key.data()), sizeof epoch_key);
  SqliteStatement(*database_, "UPDATE epoch_key SET key = ?1").bind(SqliteBlob{key}).run();
}

void StateRewrite::put(std::int64_t row, const StoredTopic& topic) {
  const bool is_latest = topic.delivery == Delivery::kLatest;
  statements_->put_topic
      .bind(row, std::string_view(topic.name), std::string_view(topic.epoch),
            std::int64_t{is_latest ? 0 : 1}, static_cast<std::int64_t>(topic.seq), commits_)
      .run();
  const auto write = [&](const StoredMessage& message, std::uint64_t seq) {
    statements_->put_message
        .bind(row, static_cast<std::int64_t>(seq), message.published_ns, SqliteBlob{message.text})
        .run();
  };
  if (is_latest) {  // its value may be newer than what was kept
    if (!topic.messages.empty()) write(topic.messages.back(), topic.seq);
  } else if (reaches_its_number(topic)) {
    for (const StoredMessage& message : topic.messages) write(message, message.seq);
  }
}

void StateRewrite::put(std::string_view stream, std::string_view id) {
  statements_->put_position.bind(stream, id, commits_).run();
}

void StateRewrite::put_plugin_state(std::string_view broadcaster, std::string_view state) {
  statements_->put_plugin_state.bind(broadcaster, SqliteBlob{state}).run();
}

void StateRewrite::finish() {
  database_->execute("COMMIT");
  close_state(*database_);
  const std::int64_t commits = commits_of(*database_);
  statements_.reset();
  database_.reset();
  const std::string& file = unfinished_.name();
  const auto identity = identity_of(file);
  if (!identity) throw std::runtime_error(file + " was removed");
  // Before it has its place: who ends in between leaves a counter that is not the old file's.
  sync_commit_counter(path_, {*identity, commits});
  fs::rename(file, finished(path_));
}

std::string finish_rewrite(const std::string& path) {
  if (!fs::exists(finished(path))) return "";
  std::string aside = move_state_aside(path);
  fs::rename(finished(path), path);
  sync_directory_of(path);
  return aside;
}

}  // namespace broadcast

#include "host/store/state_file.hpp"

#include <algorithm>
#include <filesystem>

#include <spdlog/spdlog.h>

#include <broadcast/topic_matcher.hpp>

#include "host/base/clock.hpp"
#include "host/base/utf8.hpp"
#include "host/store/state_format.hpp"
#include "host/store/state_rewrite.hpp"
#include "host/store/state_statements.hpp"

namespace broadcast {

namespace {

constexpr std::uintmax_t kWalHeader = 32;  // of SQLite's format; pages have its default size
constexpr std::uintmax_t kWalFrame = 24 + 4'096;
constexpr int kCheckpointPages = 1'000;  // 4 MiB
constexpr std::size_t kMostNameBytes = 64 * 1'024;
constexpr int kMostWalPages = 64 * 1'024;  // 256 MiB: no commit beyond without a checkpoint

std::int64_t signed_of(std::uint64_t seq) { return static_cast<std::int64_t>(seq); }

/// As clients can be sent it.
bool is_object(std::string_view text) {
  Utf8Check check;
  return text.starts_with('{') && text.ends_with('}') && check.feed(text) && check.complete();
}

/// As the hub makes them.
bool is_epoch(std::string_view text) {
  constexpr std::size_t kMostBytes = 64;
  return !text.empty() && text.size() <= kMostBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

}  // namespace

/// Forgets the oldest mark and returns its number.
std::uint64_t StateFile::Kept::pop() {
  const Mark oldest = marks.front();
  marks.pop_front();
  bytes -= oldest.bytes;
  return oldest.seq;
}

StateFile::StateFile(std::string path, Synchronous synchronous, const HistoryBounds& history)
    : path_(std::move(path)), synchronous_(synchronous), history_(history), lock_(path_) {
  finish_rewrite(path_);
  if (!identity_of(path_)) remove_commit_counter(path_);  // it is about a file that is gone
  try {
    open();
  } catch (const StateUnreadable& unreadable) {
    statements_.reset();
    database_.reset();
    const std::string aside = move_state_aside(path_);
    remove_commit_counter(path_);
    spdlog::error(
        "state: {} cannot be used ({}) and was renamed to {}; the host starts without it: new "
        "epochs, no history, streams from their beginning",
        path_, unreadable.what(), aside);
    open();
  }
}

StateFile::~StateFile() {
  if (!database_) return;  // it failed, and no other could be written
  statements_.reset();
  try {
    close_state(*database_);
  } catch (const SqliteError& error) {
    spdlog::warn("state: {} was not closed properly ({}); nothing committed is lost", path_,
                 error.what());
  }
}

void StateFile::open() {
  database_.emplace(open_state(path_, synchronous_));
  wal_pages_ = 0;
  file_bytes_ = std::filesystem::file_size(path_);
  sqlite3_wal_hook(
      database_->handle(),
      [](void* pages, sqlite3*, const char*, int now) {
        *static_cast<int*>(pages) = now;
        return SQLITE_OK;
      },
      &wal_pages_);
  try {
    check_age();
    statements_ = std::make_unique<StateStatements>(*database_);
    read_marks();
    prune_all();
    read_topics();
    read_plugin_states();
  } catch (const SqliteError& error) {
    if (is_damage(error)) throw StateUnreadable(error.what());
    throw std::runtime_error(std::string("cannot be used: ") + error.what());
  }
}

/// Of a file that is older than what clients were given, numbers would be given twice.
void StateFile::check_age() {
  identity_ = identity_of(path_).value_or(FileIdentity());
  commits_ = commits_of(*database_);
  const std::string why = why_older(read_commit_counter(path_), {identity_, commits_});
  if (!why.empty()) {
    begin_new_epochs(*database_);
    commits_ = commits_of(*database_);
    spdlog::error(
        "state: {} is older than what clients were given ({}): every topic begins a new epoch, so "
        "that no number is given twice",
        path_, why);
  }
  sync_commit_counter(path_, {identity_, commits_});
}

void StateFile::count_commit() {
  ++commits_;
  const bool is_counted = write_commit_counter(path_, {identity_, commits_});
  if (!is_counted && !is_count_failing_) {
    spdlog::warn(
        "state: the commit counter beside {} cannot be written; until it can be written, lost "
        "commits go unnoticed",
        path_);
  }
  is_count_failing_ = !is_counted;
}

std::optional<std::string> StateFile::position_of(std::string_view stream) const {
  const auto found = positions_.find(stream);
  return found == positions_.end() ? std::nullopt : std::optional(found->second);
}

void StateFile::read_marks() {
  Topics read;  // what was committed is still known if this ends half-way
  std::int64_t next_row = 1;
  std::unordered_map<std::int64_t, Kept*> by_row;
  SqliteStatement topics(*database_, "SELECT id, name, epoch, delivery, seq FROM topics");
  while (topics.step()) {
    const std::string name = topics.text(1);
    Kept& kept = read[name];
    kept.row = topics.number(0);
    kept.epoch = topics.text(2);
    // Clients are sent both, in JSON.
    if (!is_topic_name(name, kMostNameBytes) || !is_epoch(kept.epoch)) {
      throw StateUnreadable("the name or the epoch of a topic is invalid");
    }
    kept.delivery = topics.number(3) == 0 ? Delivery::kLatest : Delivery::kAll;
    kept.seq = static_cast<std::uint64_t>(topics.number(4));
    kept.committed = {kept.epoch, kept.delivery, kept.seq};
    by_row[kept.row] = &kept;
    next_row = std::max(next_row, kept.row + 1);
  }
  SqliteStatement messages(
      *database_,
      "SELECT topic, seq, published_ns, length(text) FROM messages ORDER BY topic, seq");
  while (messages.step()) {
    const auto kept = by_row.find(messages.number(0));
    if (kept == by_row.end()) throw StateUnreadable("messages of a missing topic");
    const Mark mark{static_cast<std::uint64_t>(messages.number(1)), messages.number(2),
                    static_cast<std::size_t>(messages.number(3))};
    std::deque<Mark>& marks = kept->second->marks;
    if (!marks.empty() && mark.seq != marks.back().seq + 1)
      throw StateUnreadable("a message is missing");
    marks.push_back(mark);
    kept->second->bytes += mark.bytes;
  }
  for (const auto& [name, kept] : read) {
    const bool is_newest = kept.marks.empty() || kept.marks.back().seq == kept.seq;
    if (!is_newest) throw StateUnreadable("the newest message of " + name + " is missing");
  }
  kept_ = std::move(read);
  touched_.clear();
  next_row_ = next_row;
}

void StateFile::prune_all() {
  database_->execute("BEGIN IMMEDIATE");
  for (auto& [name, kept] : kept_) prune(kept, wall_now_ns());
  database_->execute("COMMIT");
}

void StateFile::read_topics() {
  topics_.clear();
  positions_.clear();
  std::unordered_map<std::int64_t, std::size_t> by_row;
  for (const auto& [name, kept] : kept_) {
    by_row[kept.row] = topics_.size();
    topics_.push_back({.name = name,
                       .epoch = kept.epoch,
                       .delivery = kept.delivery,
                       .seq = kept.seq,
                       .messages = {}});
  }
  std::unordered_map<std::string, std::uint64_t> spoiled;  // the newest such number, by topic
  SqliteStatement messages(*database_,
                           "SELECT topic, seq, published_ns, text, "
                           "sum = row_sum(topic, seq, published_ns, text) "
                           "FROM messages ORDER BY topic, seq");
  while (messages.step()) {
    StoredTopic& topic = topics_[by_row.at(messages.number(0))];
    StoredMessage message{.seq = static_cast<std::uint64_t>(messages.number(1)),
                          .published_ns = messages.number(2),
                          .text = messages.text(3)};
    if (messages.number(4) != 0 && is_object(message.text)) {
      topic.messages.push_back(std::move(message));
    } else {
      topic.messages.clear();  // what stands before it would not be whole
      spoiled[topic.name] = message.seq;
    }
  }
  for (const auto& [name, seq] : spoiled) {
    spdlog::error("state: {}: message {} of {} fails its checksum; the history begins after it",
                  path_, seq, name);
    drop_up_to(kept_.at(name), seq);
  }
  epoch_key_ = read_epoch_key(*database_);
  SqliteStatement positions(*database_, "SELECT stream, id FROM positions");
  while (positions.step()) positions_[positions.text(0)] = positions.text(1);
}

void StateFile::commit(const StateBatch& batch) {
  if (batch.is_empty()) return;
  if (wal_pages_ >= kMostWalPages) checkpoint();
  database_->execute("BEGIN IMMEDIATE");
  bool has_forgotten = false;
  for (const std::string& topic : batch.forgotten) has_forgotten |= try_forget(topic);
  for (const auto& [id, message] : batch.latest) put(message);
  for (const PendingMessage& message : batch.messages) put(message);
  write_touched();
  for (const auto& [stream, id] : batch.positions) {
    statements_->put_position.bind(std::string_view(stream), std::string_view(id), commits_ + 1)
        .run();
  }
  write(batch.plugin_states);
  database_->execute("COMMIT");
  for (Topics::value_type* topic : touched_) {
    Kept& kept = topic->second;
    kept.committed = {kept.epoch, kept.delivery, kept.seq};
    kept.is_touched = false;
  }
  touched_.clear();
  for (const auto& [stream, id] : batch.positions) positions_[stream] = id;
  for (const auto& [name, state] : batch.plugin_states) plugin_states_[name] = state;
  // Without numbers, no row says that there was one more: the counter would be ahead of the file.
  if (batch.has_numbers() || has_forgotten) count_commit();
}

void StateFile::recover() {
  if (sqlite3_get_autocommit(database_->handle()) == 0) database_->execute("ROLLBACK");
  read_marks();
}

std::string StateFile::problem() {
  const std::optional<FileIdentity> now = identity_of(path_);
  if (!now) return "it was removed";
  if (*now != identity_) return "another file has taken its place";
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path_, error);
  if (error || bytes < file_bytes_) return "it was truncated";
  file_bytes_ = bytes;
  if (wal_pages_ == 0) return "";
  const std::uintmax_t wal_bytes = std::filesystem::file_size(path_ + "-wal", error);
  const bool is_whole = !error && wal_bytes >= kWalHeader + std::uintmax_t(wal_pages_) * kWalFrame;
  return is_whole ? "" : "its WAL was removed or truncated";
}

std::string StateFile::rewrite(CommitListener& memory) {
  statements_.reset();
  if (database_) leave_state(*database_);
  database_.reset();
  StateRewrite rewrite(path_, epoch_key_, commits_);
  for (const auto& [name, kept] : kept_) {
    if (!kept.committed) continue;
    StoredTopic topic{.name = name,
                      .epoch = kept.committed->epoch,
                      .delivery = kept.committed->delivery,
                      .seq = kept.committed->seq,
                      .messages = {}};
    memory.recall(topic);
    rewrite.put(kept.row, topic);
  }
  for (const auto& [stream, id] : positions_) rewrite.put(stream, id);
  for (const auto& [name, state] : plugin_states_) {
    if (state != nullptr) rewrite.put_plugin_state(name, *state);
  }
  rewrite.finish();
  std::string aside = finish_rewrite(path_);
  open();
  topics_.clear();
  return aside;
}

void StateFile::checkpoint_if_due() {
  if (wal_pages_ >= kCheckpointPages) checkpoint();
}

void StateFile::checkpoint() {
  database_->check(sqlite3_wal_checkpoint_v2(database_->handle(), nullptr,
                                             SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr));
  wal_pages_ = 0;  // the next commit begins the WAL anew
}

StateFile::Kept& StateFile::kept_of(const Topic& topic) {
  const auto [found, is_new] = kept_.try_emplace(topic.name);
  Kept& kept = found->second;
  if (is_new) {
    kept.row = next_row_++;
    kept.epoch = topic.epoch();
  } else if (kept.epoch != topic.epoch()) {
    forget(kept);
    kept.epoch = topic.epoch();
    kept.seq = 0;
  }
  if (!kept.is_touched) touched_.push_back(&*found);
  kept.is_touched = true;
  return kept;
}

void StateFile::put(const PendingMessage& pending) {
  const Message& message = *pending.message;
  Kept& kept = kept_of(*pending.topic);
  kept.delivery = message.delivery();
  const bool is_late = kept.delivery == Delivery::kLatest && message.seq() <= kept.seq;
  if (is_late) return;
  // A history is whole or it is none.
  if (message.seq() != kept.seq + 1) forget(kept);
  statements_->put_message
      .bind(kept.row, signed_of(message.seq()), pending.published_ns, SqliteBlob{message.payload()})
      .run();
  kept.seq = message.seq();
  kept.marks.push_back({message.seq(), pending.published_ns, message.payload().size()});
  kept.bytes += message.payload().size();
}

/// False: it has no messages.
bool StateFile::try_forget(const std::string& topic) {
  const auto found = kept_.find(topic);
  if (found == kept_.end() || found->second.marks.empty()) return false;
  forget(found->second);
  if (!found->second.is_touched) touched_.push_back(&*found);
  found->second.is_touched = true;
  return true;
}

void StateFile::forget(Kept& kept) {
  if (kept.marks.empty()) return;
  statements_->forget.bind(kept.row).run();
  kept.marks.clear();
  kept.bytes = 0;
}

bool StateFile::is_over(const Kept& kept, std::int64_t now_ns) const {
  if (kept.marks.empty()) return false;
  if (kept.delivery == Delivery::kLatest) return kept.marks.size() > 1;
  return kept.marks.size() > history_.messages || kept.bytes > history_.bytes ||
         kept.marks.front().published_ns < now_ns - history_.age.count();
}

void StateFile::prune(Kept& kept, std::int64_t now_ns) {
  std::uint64_t upto = 0;
  while (is_over(kept, now_ns)) upto = kept.pop();
  if (upto != 0) statements_->prune.bind(kept.row, signed_of(upto)).run();
}

void StateFile::drop_up_to(Kept& kept, std::uint64_t seq) {
  while (!kept.marks.empty() && kept.marks.front().seq <= seq) kept.pop();
  statements_->prune.bind(kept.row, signed_of(seq)).run();
}

void StateFile::write_touched() {
  for (Topics::value_type* topic : touched_) {
    auto& [name, kept] = *topic;
    if (!kept.marks.empty()) prune(kept, kept.marks.back().published_ns);
    statements_->put_topic
        .bind(kept.row, std::string_view(name), std::string_view(kept.epoch),
              std::int64_t{kept.delivery == Delivery::kLatest ? 0 : 1}, signed_of(kept.seq),
              commits_ + 1)
        .run();
  }
}

}  // namespace broadcast

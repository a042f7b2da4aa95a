#include "host/store/sqlite_store.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"
#include "host/store/state_format.hpp"

namespace broadcast {

namespace {

/// Idle, it looks so often whether the file is still there.
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::size_t kMostStreams = 1'024;
constexpr std::size_t kMostLost = 64;  // ranges; tickets before the first of so many were lost, too

void keep_newest(std::map<std::uint64_t, PendingMessage>& latest, PendingMessage message) {
  PendingMessage& kept = latest[message.topic->id];
  const bool is_newer = !kept.message || kept.message->seq() < message.message->seq();
  if (is_newer) kept = std::move(message);
}

bool keep_position(std::map<std::string, std::string>& positions, StreamPosition position) {
  if (position.stream.empty()) return true;
  if (positions.size() >= kMostStreams && !positions.contains(position.stream)) return false;
  positions[std::move(position.stream)] = std::move(position.id);
  return true;
}

/// SQLite has names of its own for files in memory; and a relative one means where the host began.
std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

}  // namespace

SqliteStore::SqliteStore(const Options& options, Counters& counters) try
    : options_(options),
      counters_(counters),
      file_(absolute(options.path), options.synchronous, options.history) {
} catch (const std::exception& error) {
  throw std::runtime_error("state.path: " + options.path + ": " + error.what());
}

SqliteStore::~SqliteStore() { stop(); }

void SqliteStore::start(CommitListener& listener) {
  BROADCAST_ASSERT(!thread_.joinable(), "the store was started twice");
  listener_ = &listener;
  shared_.with_lock([](Shared& shared) { shared.is_open = true; });
  thread_ = std::thread([this] { run(); });
}

bool SqliteStore::stop(MonoTime until) {
  if (!thread_.joinable()) return true;
  shared_.with_lock([](Shared& shared) { shared.is_open = false; });
  wake_.set();
  while (!has_ended_ && mono_now() < until) ended_.wait(until);
  if (!has_ended_) return false;
  thread_.join();
  return true;
}

std::uint64_t SqliteStore::try_append(PendingMessage message) {
  const std::size_t bytes = message.message->payload().size();
  bool is_first = false;
  Counter refused = Counter::kStoreUnavailable;
  const std::uint64_t ticket = shared_.with_lock([&](Shared& shared) -> std::uint64_t {
    if (!shared.is_open || shared.is_failing) return 0;
    std::vector<PendingMessage>& waiting = shared.gathered.messages;
    is_first = waiting.empty();
    const bool is_full = waiting.size() >= options_.queue_messages ||
                         (!is_first && shared.bytes + bytes > options_.queue_bytes);
    if (is_full || !keep_position(shared.gathered.positions, message.position)) {
      refused = Counter::kStoreFull;
      return 0;
    }
    shared.bytes += bytes;
    waiting.push_back(std::move(message));
    return ++shared.issued;
  });
  if (ticket == 0) {
    counters_.add(refused);
  } else if (is_first) {
    wake_.set();
  }
  return ticket;
}

void SqliteStore::when_committed(std::uint64_t ticket, std::function<void(CommitOutcome)> done) {
  const auto past = shared_.with_lock([&](Shared& shared) -> std::optional<CommitOutcome> {
    BROADCAST_ASSERT(ticket <= shared.issued, "a ticket that try_append() has not given");
    if (ticket > shared.settled) {
      shared.waiters.push_back({ticket, std::move(done)});
      return std::nullopt;
    }
    const bool is_forgotten = shared.lost.size() == kMostLost && ticket < shared.lost.front().first;
    if (ticket == 0 || is_forgotten) return CommitOutcome::kLost;
    const auto lost = std::ranges::find_if(
        shared.lost, [&](const Lost& one) { return one.first <= ticket && ticket <= one.last; });
    return lost == shared.lost.end() ? CommitOutcome::kCommitted : lost->outcome;
  });
  if (past) done(*past);
}

void SqliteStore::post_latest(std::vector<PendingMessage> messages) {
  const bool is_first = shared_.with_lock([&](Shared& shared) {
    if (!shared.is_open || messages.empty()) return false;
    for (PendingMessage& message : messages) {
      // A position that finds no place is asked for again by its stream.
      static_cast<void>(keep_position(shared.gathered.positions, std::move(message.position)));
      keep_newest(shared.gathered.latest, std::move(message));
    }
    return begins_to_wait(shared);
  });
  if (is_first) wake_.set();
}

void SqliteStore::post_forgotten(std::string_view topic) {
  const bool is_first = shared_.with_lock([&](Shared& shared) {
    if (!shared.is_open) return false;
    shared.gathered.forgotten.emplace(topic);
    return begins_to_wait(shared);
  });
  if (is_first) wake_.set();
}

/// Something that can wait has come. True: nothing did.
bool SqliteStore::begins_to_wait(Shared& shared) {
  if (shared.lazy_since) return false;
  shared.lazy_since = mono_now();
  return true;
}

void SqliteStore::post_plugin_state(const std::string& broadcaster, PluginState state) {
  const bool is_first = shared_.with_lock([&](Shared& shared) {
    if (!shared.is_open) return false;
    std::swap(shared.gathered.plugin_states[broadcaster], state);  // freed without the lock
    return begins_to_wait(shared);
  });
  if (is_first) wake_.set();
}

std::uint64_t SqliteStore::try_keep_position(StreamPosition position) {
  bool is_first = false;
  Counter refused = Counter::kStoreUnavailable;
  const std::uint64_t ticket = shared_.with_lock([&](Shared& shared) -> std::uint64_t {
    if (!shared.is_open || shared.is_failing) return 0;
    refused = Counter::kStoreFull;
    if (!keep_position(shared.gathered.positions, std::move(position))) return 0;
    is_first = begins_to_wait(shared);
    return ++shared.issued;
  });
  if (ticket == 0) counters_.add(refused);
  if (is_first) wake_.set();
  return ticket;
}

void SqliteStore::run() {
  ::pthread_setname_np(::pthread_self(), "store");
  work();
  has_ended_ = true;
  ended_.set();
}

void SqliteStore::work() {
  while (true) {
    const bool is_ending = !is_open();
    if (broken_.empty()) broken_ = file_.problem();
    if (!broken_.empty() && !rewrite()) return;
    if (is_failing_ && !is_ending && mono_now() < retry_at_) {
      wake_.wait(retry_at_);
      continue;
    }
    if (is_failing_ && !recover()) {
      if (is_ending) return;
      continue;
    }
    Turn turn = next_turn(mono_now());
    if (turn.batch) {
      if (!commit(turn) && is_ending) return;
    } else if (turn.is_last) {
      return;
    } else {
      const MonoTime look_again = mono_now() + kLookEvery;
      wake_.wait(std::min(turn.until.value_or(look_again), look_again));
    }
  }
}

bool SqliteStore::is_open() {
  return shared_.with_lock([](const Shared& shared) { return shared.is_open; });
}

SqliteStore::Turn SqliteStore::next_turn(MonoTime now) {
  return shared_.with_lock([&](Shared& shared) {
    Turn turn{.last_ticket = shared.issued, .is_last = !shared.is_open};
    if (shared.lazy_since) turn.until = *shared.lazy_since + options_.latest_every;
    const bool is_due = turn.until && (turn.is_last || *turn.until <= now);
    if (!shared.gathered.messages.empty() || is_due) {
      turn.batch = std::exchange(shared.gathered, {});
      shared.bytes = 0;
      shared.lazy_since.reset();
    }
    return turn;
  });
}

bool SqliteStore::commit(Turn& turn) {
  const std::vector<PendingMessage>& messages = turn.batch->messages;
  try {
    file_.commit(*turn.batch);
  } catch (const SqliteError& error) {
    const bool is_failed_sync = error.is_failed_sync();
    if (is_failed_sync || is_damage(error)) broken_ = error.what();
    on_failed(turn, error.what(), is_failed_sync ? CommitOutcome::kInDoubt : CommitOutcome::kLost);
    return !broken_.empty();  // then it goes on at once
  } catch (const std::exception& error) {
    on_failed(turn, error.what(), CommitOutcome::kLost);
    return false;
  }
  counters_.add(Counter::kStoreCommits);
  counters_.add(Counter::kStoreCommitted, messages.size());
  if (failures_ > 0) {
    spdlog::info("state: {} can be written again; failed tries: {}", options_.path, failures_);
  }
  failures_ = 0;
  backoff_.reset();
  if (!messages.empty()) listener_->on_committed(messages);
  settle(turn.last_ticket, CommitOutcome::kCommitted);
  checkpoint();
  return true;
}

void SqliteStore::on_failed(Turn& turn, const std::string& why, CommitOutcome outcome) {
  const bool is_first = failures_ == 0;
  back_off();
  const std::size_t lost = lose(turn, outcome);
  if (!is_first) return;
  spdlog::error(
      "state: {} cannot be written ({}); messages that were not published: {}; publishing on "
      "topics with delivery \"all\" is paused until it can be written",
      options_.path, why, lost);
}

/// Of the turn, and of everything that has gathered since. Returns how many messages.
std::size_t SqliteStore::lose(Turn& turn, CommitOutcome outcome) {
  const std::uint64_t under_way = turn.last_ticket;
  std::vector<PendingMessage>& lost = turn.batch->messages;
  shared_.with_lock([&](Shared& shared) {
    shared.is_failing = true;
    StateBatch since = std::exchange(shared.gathered, {});
    std::ranges::move(since.messages, std::back_inserter(lost));
    turn.last_ticket = shared.issued;
    shared.bytes = 0;
    // Last values wait for the next commit, and what broadcasters keep. Positions do not: their
    // messages were lost.
    shared.gathered.latest = std::move(turn.batch->latest);
    for (auto& [id, message] : since.latest) {
      keep_newest(shared.gathered.latest, std::move(message));
    }
    shared.gathered.plugin_states = std::move(turn.batch->plugin_states);
    for (auto& [name, state] : since.plugin_states) {
      shared.gathered.plugin_states[name] = std::move(state);
    }
    shared.gathered.forgotten = std::move(turn.batch->forgotten);
    shared.gathered.forgotten.merge(since.forgotten);
    shared.lazy_since.reset();
    if (!shared.gathered.is_empty()) shared.lazy_since = mono_now();
  });
  counters_.add(Counter::kStoreLost, lost.size());
  if (!lost.empty()) listener_->on_lost(lost);
  if (outcome == CommitOutcome::kInDoubt) settle(under_way, outcome);
  settle(turn.last_ticket, CommitOutcome::kLost);
  return lost.size();
}

void SqliteStore::settle(std::uint64_t last_ticket, CommitOutcome outcome) {
  std::vector<Waiter> told;
  shared_.with_lock([&](Shared& shared) {
    if (outcome != CommitOutcome::kCommitted && last_ticket > shared.settled) {
      shared.lost.push_back({shared.settled + 1, last_ticket, outcome});
      if (shared.lost.size() > kMostLost) shared.lost.pop_front();
    }
    shared.settled = last_ticket;
    auto& waiters = shared.waiters;  // clang 14 cannot take what std::ranges answers here
    const auto rest =
        std::stable_partition(waiters.begin(), waiters.end(),
                              [&](const Waiter& waiter) { return waiter.ticket <= last_ticket; });
    told.assign(std::move_iterator(waiters.begin()), std::move_iterator(rest));
    waiters.erase(waiters.begin(), rest);
  });
  for (const Waiter& waiter : told) waiter.done(outcome);
}

void SqliteStore::back_off() {
  ++failures_;
  counters_.add(Counter::kStoreFailed);
  is_failing_ = true;
  retry_at_ = mono_now() + backoff_.next();
}

bool SqliteStore::recover() {
  try {
    file_.recover();
  } catch (const std::exception& error) {  // what is wrong was logged
    if (is_damage(error)) broken_ = error.what();
    back_off();
    return false;
  }
  is_failing_ = false;
  shared_.with_lock([](Shared& shared) { shared.is_failing = false; });
  return true;
}

/// False: that failed, too, and the store takes nothing any more.
bool SqliteStore::rewrite() {
  try {
    const std::string aside = file_.rewrite(*listener_);
    spdlog::error(
        "state: {} could no longer be trusted ({}); it was rewritten from memory in the same "
        "epochs; the old file is now {}",
        options_.path, std::exchange(broken_, ""), aside);
    counters_.add(Counter::kStoreRewrites);
  } catch (const std::exception& error) {
    spdlog::error(
        "state: {} can no longer be trusted ({}) and cannot be rewritten ({}); publishing on "
        "topics with delivery \"all\" is paused until the host is restarted",
        options_.path, broken_, error.what());
    counters_.add(Counter::kStoreFailed);
    shared_.with_lock([](Shared& shared) { shared.is_open = false; });
    Turn turn{.batch = StateBatch()};
    lose(turn, CommitOutcome::kLost);
    return false;
  }
  is_failing_ = false;
  shared_.with_lock([](Shared& shared) { shared.is_failing = false; });
  return true;
}

void SqliteStore::checkpoint() {
  try {
    file_.checkpoint_if_due();
    is_checkpoint_failing_ = false;
  } catch (const SqliteError& error) {
    if (error.is_failed_sync() || is_damage(error)) {
      broken_ = error.what();
      return;
    }
    if (!is_checkpoint_failing_) {
      spdlog::warn(
          "state: the WAL of {} cannot be checkpointed ({}) and grows; the host keeps trying",
          options_.path, error.what());
    }
    is_checkpoint_failing_ = true;
  }
}

}  // namespace broadcast

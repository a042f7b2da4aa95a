#include "host/store/sqlite_store.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"

namespace broadcast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackOff{100};
constexpr milliseconds kLongestBackOff{10'000};
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

void SqliteStore::stop() {
  if (!thread_.joinable()) return;
  shared_.with_lock([](Shared& shared) { shared.is_open = false; });
  wake_.set();
  thread_.join();
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

void SqliteStore::when_committed(std::uint64_t ticket, std::function<void(bool)> done) {
  const auto past = shared_.with_lock([&](Shared& shared) -> std::optional<bool> {
    BROADCAST_ASSERT(ticket <= shared.issued, "a ticket that try_append() has not given");
    if (ticket > shared.settled) {
      shared.waiters.push_back({ticket, std::move(done)});
      return std::nullopt;
    }
    const bool is_forgotten = shared.lost.size() == kMostLost && ticket < shared.lost.front().first;
    const bool is_lost = std::ranges::any_of(
        shared.lost, [&](const Lost& lost) { return lost.first <= ticket && ticket <= lost.last; });
    return ticket != 0 && !is_forgotten && !is_lost;
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
    const bool was_empty = !shared.lazy_since;
    if (was_empty) shared.lazy_since = mono_now();
    return was_empty;
  });
  if (is_first) wake_.set();
}

bool SqliteStore::try_keep_position(StreamPosition position) {
  bool is_first = false;
  Counter refused = Counter::kStoreUnavailable;
  const bool is_kept = shared_.with_lock([&](Shared& shared) {
    if (!shared.is_open || shared.is_failing) return false;
    refused = Counter::kStoreFull;
    if (!keep_position(shared.gathered.positions, std::move(position))) return false;
    is_first = !shared.lazy_since;
    if (is_first) shared.lazy_since = mono_now();
    return true;
  });
  if (!is_kept) counters_.add(refused);
  if (is_first) wake_.set();
  return is_kept;
}

void SqliteStore::run() {
  ::pthread_setname_np(::pthread_self(), "store");
  while (true) {
    const bool is_ending = !is_open();
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
      wake_.wait(turn.until);
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
  } catch (const std::exception& error) {
    on_failed(turn, error.what());
    return false;
  }
  counters_.add(Counter::kStoreCommits);
  counters_.add(Counter::kStoreCommitted, messages.size());
  if (failures_ > 0) {
    spdlog::info("state: {} can be written again; failed tries: {}", options_.path, failures_);
  }
  failures_ = 0;
  back_off_ = {};
  if (!messages.empty()) listener_->on_committed(messages);
  settle(turn.last_ticket, true);
  checkpoint();
  return true;
}

void SqliteStore::on_failed(Turn& turn, const std::string& why) {
  std::vector<PendingMessage>& lost = turn.batch->messages;
  shared_.with_lock([&](Shared& shared) {
    shared.is_failing = true;
    StateBatch since = std::exchange(shared.gathered, {});
    std::ranges::move(since.messages, std::back_inserter(lost));
    turn.last_ticket = shared.issued;
    shared.bytes = 0;
    // Last values wait for the next commit. Positions do not: their messages were lost.
    shared.gathered.latest = std::move(turn.batch->latest);
    for (auto& [id, message] : since.latest) {
      keep_newest(shared.gathered.latest, std::move(message));
    }
    if (!shared.gathered.latest.empty()) shared.lazy_since = mono_now();
  });
  if (failures_ == 0) {
    spdlog::error(
        "state: {} cannot be written ({}); messages that were not published: {}, and none of an "
        "all topic is until it can be written again",
        options_.path, why, lost.size());
  }
  counters_.add(Counter::kStoreLost, lost.size());
  back_off();
  if (!lost.empty()) listener_->on_lost(lost);
  settle(turn.last_ticket, false);
}

void SqliteStore::settle(std::uint64_t last_ticket, bool is_committed) {
  std::vector<Waiter> told;
  shared_.with_lock([&](Shared& shared) {
    if (!is_committed && last_ticket > shared.settled) {
      shared.lost.push_back({shared.settled + 1, last_ticket});
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
  for (const Waiter& waiter : told) waiter.done(is_committed);
}

void SqliteStore::back_off() {
  ++failures_;
  counters_.add(Counter::kStoreFailed);
  is_failing_ = true;
  back_off_ = std::clamp(back_off_ * 2, kFirstBackOff, kLongestBackOff);
  retry_at_ = mono_now() + back_off_;
}

bool SqliteStore::recover() {
  try {
    file_.recover();
  } catch (const std::exception&) {  // what is wrong was logged
    back_off();
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
    if (!is_checkpoint_failing_) {
      spdlog::warn("state: the WAL of {} cannot be moved into it ({}) and grows; tried again",
                   options_.path, error.what());
    }
    is_checkpoint_failing_ = true;
  }
}

}  // namespace broadcast

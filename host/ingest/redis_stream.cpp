#include "host/ingest/redis_stream.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::string_view kEntries = "16";    // at once: what is read and not done is in memory
constexpr std::string_view kBlockMs = "5000";  // shorter than a connection may be quiet
constexpr std::string_view kBlockParkedMs = "1000";
constexpr milliseconds kAtLeastBlocked{
    500};                         // less: Redis, or a proxy before it, that does not wait
constexpr seconds kUnblocked{1};  // is then waited here
constexpr std::size_t kMostFailures = 3;
constexpr std::size_t kMostServed = 10'000;
constexpr minutes kLostShown{10};
constexpr std::size_t kShownBytes = 256;

std::string text_of_gap(const StreamGap& gap) {
  if (gap.missing > 0) {
    return (gap.is_counted ? std::to_string(gap.missing) : "at least one") +
           " of its entries were removed before they were read";
  }
  if (gap.is_anew)
    return "the stream was created anew with lower ids; it is read from its first entry";
  std::string text =
      "the stream ends before the last handled entry: Redis has lost entries, or the stream was "
      "created anew";
  if (gap.unread > 0) {
    text += "; the " + std::to_string(gap.unread) +
            " entries that it holds are not read, because they may have been handled already";
  }
  return text;
}

}  // namespace

RedisStream::RedisStream(const RedisConnection::Parts& parts, Options options, ProducerGate& gate,
                         Sequencer& sequencer, StatusBoard& statuses)
    : io_(parts.io),
      counters_(parts.counters),
      options_(std::move(options)),
      gate_(gate),
      sequencer_(sequencer),
      statuses_(statuses),
      connection_(parts, *this),
      again_(parts.io),
      aside_({.key = options_.key,
              .payload_bytes = options_.payload_bytes,
              .most = options_.most_aside},
             connection_, parts.counters, [this](std::string what) { tell(std::move(what)); }),
      verdicts_(std::make_shared<Verdicts>(Verdicts{this})) {
  if (const auto parked = parse_handled(options_.parked_handled)) {
    partly_parked_[parked->id] = parked->messages;
  }
  if (options_.start == Start::kKept) begin_from(options_.handled);
}

void RedisStream::begin_from(std::string_view handled) {
  has_begun_ = true;
  if (handled.empty()) return;
  const auto known = parse_handled(handled);
  if (!known) {
    // Written by a host that counts otherwise; to start over would be everything twice.
    throw std::runtime_error("state.path: the position of stream " + options_.key +
                             " cannot be read: \"" + printable(handled, kShownBytes) +
                             "\"; name another state file, or another stream");
  }
  handled_ = *known;
  if (known->messages == 0) return;
  partly_ = known->id;
  partly_messages_ = known->messages;
  handled_ = {.id = before(known->id)};
  if (known->ordinal)
    handled_.ordinal = *known->ordinal - std::min<std::uint64_t>(1, *known->ordinal);
}

void RedisStream::start() {
  started_ = mono_now();
  connection_.start();
}

void RedisStream::stop() {
  verdicts_->stream = nullptr;
  again_.cancel();
  connection_.stop();
}

void RedisStream::on_ready() { handle_next(); }

void RedisStream::on_down() {
  asked_ = Asked::kNothing;
  is_same_server_ = false;
  open_at_ = {};
  aside_.on_down();
}

/// Before each read what is there is asked for, so that nothing goes unread unnoticed.
void RedisStream::ask() {
  if (!connection_.is_ready() || asked_ != Asked::kNothing || !entries_.empty()) return;
  asked_ = Asked::kInfo;
  connection_.send({"XINFO", "STREAM", options_.key});
}

void RedisStream::on_reply(const redisReply& reply) {
  if (aside_.is_busy()) return aside_.on_reply(reply);
  const Asked asked = std::exchange(asked_, Asked::kNothing);
  if (asked == Asked::kInfo) return on_info(reply);
  if (asked == Asked::kEntries) return on_entries(reply);
}

void RedisStream::on_info(const redisReply& reply) {
  std::optional<StreamInfo> info;
  if (is_error(reply) && error_text(reply) == "ERR no such key") {
    info = StreamInfo{.added = 0};  // nothing was added yet
  } else if (is_error(reply)) {
    return connection_.drop("refuses XINFO STREAM " + options_.key + ": " + error_text(reply));
  } else {
    info = info_of(reply);
  }
  if (info && !has_begun_) {
    has_begun_ = true;
    handled_ = {.id = info->last, .ordinal = info->added};
  } else if (info) {
    const bool is_partly_gone = partly_messages_ > 0 && (!info->first || *info->first > partly_);
    if (is_partly_gone) {  // what it caused is all that there will be
      handled_.id = partly_;
      if (handled_.ordinal) ++*handled_.ordinal;
      partly_messages_ = 0;
    }
    const StreamGap gap =
        find_gap(handled_, *info, is_same_server_ ? StreamServer::kSame : StreamServer::kUnknown);
    if (gap.is_behind) aside_.forget_known();
    if (gap.is_anew) partly_messages_ = 0;
    report(gap);
  }
  is_same_server_ = info.has_value();
  asked_ = Asked::kEntries;
  read_at_ = mono_now();
  // Nothing else is asked on this connection while it blocks.
  const std::string_view block = aside_.parked().size() > 0 ? kBlockParkedMs : kBlockMs;
  connection_.send({"XREAD", "COUNT", reads_one_ ? "1" : kEntries, "BLOCK", block, "STREAMS",
                    options_.key, to_string(handled_.id)});
}

void RedisStream::report(const StreamGap& gap) {
  const bool is_known = was_behind_ && gap.is_behind && gap.missing == 0;
  was_behind_ = gap.is_behind;
  if (!gap || is_known) return;
  counters_.add(Counter::kStreamGaps);
  counters_.add(Counter::kStreamMissing, gap.missing);
  counters_.add(Counter::kStreamUnread, gap.unread);
  tell(text_of_gap(gap));
  spdlog::error("redis: stream {}: {}; continues after {}", options_.key, lost_text_,
                to_string(handled_.id));
  // Reported once, restarts included; a position within an entry is further on.
  if (partly_messages_ == 0) sequencer_.keep_position({options_.key, to_string(handled_)});
}

/// What was lost, for a while.
void RedisStream::tell(std::string what) {
  lost_text_ = std::move(what);
  lost_shown_until_ = mono_now() + kLostShown;
}

void RedisStream::on_entries(const redisReply& reply) {
  if (is_error(reply)) {
    return connection_.drop("refuses XREAD of " + options_.key + ": " + error_text(reply));
  }
  // [[key, [entry, ..]]]; nil: nothing was added for a while.
  const auto streams = list_of(reply);
  if (!streams.empty() && list_of(*streams[0]).size() == 2) {
    const auto all = list_of(*list_of(*streams[0])[1]);
    for (const redisReply* const one : all) {
      auto entry = entry_of(*one, options_.payload_bytes);
      if (!entry) break;
      entries_.push_back(*std::move(entry));
    }
    // Beyond what one reply may hold all is nil, from the middle of an entry on perhaps: the last
    // one that seems wrong is read again behind the others, or by itself.
    const bool may_be_cut = all.size() > 1 && !entries_.empty() && entries_.back().wrong;
    if (may_be_cut) entries_.pop_back();
    reads_one_ = entries_.empty() && all.size() > 1;
    if (reads_one_) return ask();
  }
  if (entries_.empty() && reply.type != REDIS_REPLY_NIL) {
    return connection_.drop("sent an unreadable reply to XREAD");
  }
  if (entries_.empty()) aside_.forget_known();
  const bool has_blocked = mono_now() - read_at_ >= kAtLeastBlocked;
  if (entries_.empty() && !has_blocked) return wait(kUnblocked);
  handle_next();
}

void RedisStream::handle_next() {
  if (is_waiting_ || asked_ != Asked::kNothing || aside_.is_busy()) return;
  if (connection_.is_ready()) {
    if (!aside_.is_open() && mono_now() >= open_at_) return open_aside();
    if (!fetched_ && aside_.is_open() && !aside_.is_in_doubt(handled_.id)) {
      if (const auto place = aside_.parked().next()) return fetch(*place);
    }
  }
  if (fetched_) return handle_fetched();
  if (entries_.empty()) return ask();
  const StreamEntry& entry = entries_.front();
  if (aside_.has(entry.id)) return done();
  if (entry.wrong) return give_to_refused();
  if (is_refused_for_crashes()) return;  // before it is parked, and nobody knows its new id
  if (aside_.parked().has(entry.topic)) return park("it follows parked entries");
  TopicOwner* const owner = gate_.owner_of(entry.topic);
  if (owner == nullptr) return on_no_owner();
  post(*owner);
}

RedisStream::Place RedisStream::place_in_hand() const {
  if (fetched_) return {aside_.parked_key(), to_string(fetched_->place.id)};
  return {options_.key, to_string(entries_.front().id)};
}

/// The process that fails on an entry comes back to the same one: without an end of that, what is
/// behind it would never be reached.
bool RedisStream::is_refused_for_crashes() {
  if (options_.marker == nullptr) return false;
  const Place place = place_in_hand();
  const CrashEnds ends = options_.marker->ends_in_entry(place.stream, place.id);
  if (ends.count < CrashMarker::kMostEnds) return false;
  const std::string why = "it has ended the host " + std::to_string(ends.count) +
                          " times, the last time by " + ends.how;
  tell("entry " + place.id + " is refused: " + why);
  refuse(Refusal::kUnavailable, why);
  return true;
}

void RedisStream::post(TopicOwner& owner) {
  const StreamEntry& entry = in_hand();
  StreamPosition position;
  if (fetched_) {
    position = {aside_.parked_key(), to_string(fetched_->place.id)};
  } else {
    StreamHandled then{.id = entry.id};
    if (handled_.ordinal) then.ordinal = *handled_.ordinal + 1;
    position = {options_.key, to_string(then)};
  }
  if (!fetched_) is_owner_absent_ = false;
  if (!attempt().since) attempt().since = mono_now();
  is_waiting_ = true;
  gate_.post(owner,
             {.topic = entry.topic,
              .source = "stream",
              .payload = entry.payload,
              .position = std::move(position),
              .published_before = published()},
             [&io = io_, verdicts = verdicts_](Verdict verdict) {
               boost::asio::post(io, [verdicts, verdict = std::move(verdict)] {
                 if (verdicts->stream != nullptr) verdicts->stream->on_verdict(verdict);
               });
             });
}

std::size_t RedisStream::published() const {
  if (fetched_) return fetched_->published;
  return partly_ == entries_.front().id ? partly_messages_ : 0;
}

void RedisStream::note_published(std::size_t messages) {
  if (messages == 0) return;
  if (fetched_) {
    fetched_->published += messages;
    partly_parked_[fetched_->place.id] = fetched_->published;
    return;
  }
  partly_messages_ = published() + messages;
  partly_ = entries_.front().id;
}

void RedisStream::on_verdict(const Verdict& verdict) {
  is_waiting_ = false;
  if (verdict.outcome == Verdict::Outcome::kRefused) return refuse(Refusal::kRefused, verdict.text);
  if (verdict.outcome == Verdict::Outcome::kUnavailable) return try_again(verdict);
  counters_.add(Counter::kStreamHandled);
  if (served_.size() < kMostServed) served_.insert(in_hand().topic);
  done();
}

void RedisStream::try_again(const Verdict& verdict) {
  note_published(verdict.published);
  Attempt& tried = attempt();
  if (is_absent(verdict)) {
    if (fetched_) return put_off(verdict.retry_after);
    return park(verdict.text);
  }
  if (verdict.has_failed_on_it && ++tried.failures >= kMostFailures) {
    return refuse(Refusal::kUnavailable,
                  "its broadcaster has failed on it " + std::to_string(tried.failures) + " times");
  }
  counters_.add(Counter::kStreamRetried);
  wait(std::clamp<nanoseconds>(verdict.retry_after, tried.backoff.next(), kRetry.longest));
}

void RedisStream::wait(nanoseconds duration) {
  is_waiting_ = true;
  again_.expires_after(duration);
  again_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    is_waiting_ = false;
    handle_next();
  });
}

void RedisStream::refuse(Refusal refusal, std::string_view why) {
  in_hand().wrong = refusal;
  in_hand().why = why;
  give_to_refused();
}

/// The entry in hand is handled, one way or the other.
void RedisStream::done() {
  if (fetched_) {
    fetched_->is_done = true;
    return handle_next();
  }
  const Place place = place_in_hand();
  handled_.id = entries_.front().id;
  if (handled_.ordinal) ++*handled_.ordinal;
  entries_.pop_front();
  partly_messages_ = 0;
  attempt_ = {};
  is_owner_absent_ = false;
  const std::uint64_t commit = sequencer_.keep_position({options_.key, to_string(handled_)});
  // Until then it comes again after a crash, and what it does then is to be counted.
  sequencer_.when_committed(commit, [marker = options_.marker, place](CommitOutcome outcome) {
    if (outcome == CommitOutcome::kCommitted) forget(marker, place);
  });
  post_next();
}

/// [any]
void RedisStream::forget(CrashMarker* marker, const Place& place) {
  if (marker != nullptr) marker->forget_entry(place.stream, place.id);
}

/// Not at once: an owner that answers at once would make it as deep as there are entries.
void RedisStream::post_next() {
  boost::asio::post(io_, [verdicts = verdicts_] {
    if (verdicts->stream != nullptr) verdicts->stream->handle_next();
  });
}

void RedisStream::on_tick(MonoTime now) {
  const auto say = [this](BroadcasterState state, std::string_view detail) {
    statuses_.report(kStatusName, state, detail);
  };
  if (!connection_.is_ready()) {
    const std::string& why = connection_.down_words();
    if (!why.empty()) say(BroadcasterState::kDown, why);
    return;
  }
  look_for_owners(now);
  std::string waiting = text_of_waiting(now);
  if (now < lost_shown_until_) {
    waiting = waiting.empty() ? lost_text_ : lost_text_ + "; " + waiting;
  }
  say(waiting.empty() ? BroadcasterState::kOk : BroadcasterState::kDegraded, waiting);
}

}  // namespace broadcast

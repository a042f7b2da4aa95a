#include "host/ingest/redis_stream.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "host/base/printable.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kEntries = "16";    // at once: what is read and not done is in memory
constexpr std::string_view kBlockMs = "5000";  // shorter than a connection may be quiet
constexpr seconds kAtLeastBlocked{1};          // Redis, or a proxy before it, that does not wait
constexpr milliseconds kFirstWait{50};
constexpr milliseconds kLongestWait{5'000};
constexpr std::size_t kMostFailures = 3;
constexpr seconds kStuck{10};
constexpr minutes kLostShown{10};
constexpr std::size_t kShownBytes = 256;

const redisReply* value_of(std::span<redisReply* const> pairs, std::string_view name) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (text_of(*pairs[i]) == name) return pairs[i + 1];
  }
  return nullptr;
}

std::optional<StreamId> id_of(const redisReply* reply) {
  if (reply == nullptr) return std::nullopt;
  const auto text = text_of(*reply);
  return text ? parse_stream_id(*text) : std::nullopt;
}

std::optional<std::uint64_t> number_of(const redisReply* reply) {
  if (reply == nullptr || reply->type != REDIS_REPLY_INTEGER) return std::nullopt;
  return static_cast<std::uint64_t>(reply->integer);
}

/// Nothing: not an answer to XINFO STREAM.
std::optional<StreamInfo> info_of(const redisReply& reply) {
  const auto pairs = list_of(reply);
  const auto length = number_of(value_of(pairs, "length"));
  const auto last = id_of(value_of(pairs, "last-generated-id"));
  if (!length || !last) return std::nullopt;
  StreamInfo info{.length = *length, .last = *last};
  info.added = number_of(value_of(pairs, "entries-added"));
  if (info.length == 0) return info;
  info.first = id_of(value_of(pairs, "recorded-first-entry-id"));
  if (!info.first) {
    const redisReply* const entry = value_of(pairs, "first-entry");
    if (entry != nullptr && !list_of(*entry).empty()) info.first = id_of(list_of(*entry)[0]);
  }
  return info.first ? std::optional(info) : std::nullopt;
}

std::string text_of_gap(const StreamGap& gap) {
  if (gap.missing > 0) {
    return (gap.is_counted ? std::to_string(gap.missing) : "at least one") +
           " of its entries were removed before they were read";
  }
  return "the stream ends before what was handled already: Redis has lost it, or it was made anew";
}

}  // namespace

RedisStream::RedisStream(const RedisConnection::Parts& parts, Options options, TopicHub& hub)
    : io_(parts.io),
      counters_(parts.counters),
      options_(std::move(options)),
      hub_(hub),
      connection_(parts, *this),
      again_(parts.io),
      verdicts_(std::make_shared<Verdicts>(Verdicts{this})) {
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
  if (options_.start == Start::kNow) {
    spdlog::warn(
        "redis: stream {}: without state.path nothing is kept of how far it was handled; what is "
        "added from now on is read, and what is added while the host is down is not",
        options_.key);
  }
  connection_.start();
}

void RedisStream::stop() {
  verdicts_->stream = nullptr;
  again_.cancel();
  connection_.stop();
}

void RedisStream::on_ready() { ask(); }

void RedisStream::on_down() { asked_ = Asked::kNothing; }

/// Before each read what is there is asked for, so that nothing goes unread unnoticed.
void RedisStream::ask() {
  if (!connection_.is_ready() || asked_ != Asked::kNothing || !entries_.empty()) return;
  asked_ = Asked::kInfo;
  connection_.send({"XINFO", "STREAM", options_.key});
}

void RedisStream::on_reply(const redisReply& reply) {
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
    report(find_gap(handled_, *info));
  }
  asked_ = Asked::kEntries;
  read_at_ = mono_now();
  connection_.send({"XREAD", "COUNT", reads_one_ ? "1" : kEntries, "BLOCK", kBlockMs, "STREAMS",
                    options_.key, to_string(handled_.id)});
}

void RedisStream::report(const StreamGap& gap) {
  const bool is_known = was_behind_ && gap.is_behind && gap.missing == 0;
  was_behind_ = gap.is_behind;
  if (!gap || is_known) return;
  counters_.add(Counter::kStreamGaps);
  counters_.add(Counter::kStreamMissing, gap.missing);
  tell(text_of_gap(gap));
  spdlog::error("redis: stream {}: {}; goes on behind {}", options_.key, lost_text_,
                to_string(handled_.id));
  // Reported once, restarts included; a position within an entry is further on.
  if (partly_messages_ == 0) hub_.keep_position({options_.key, to_string(handled_)});
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
      auto entry = entry_of(*one);
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
    return connection_.drop("answers XREAD with what is not understood");
  }
  const bool has_blocked = mono_now() - read_at_ >= kAtLeastBlocked;
  if (entries_.empty() && !has_blocked) return wait(kAtLeastBlocked);
  handle_next();
}

std::optional<RedisStream::Entry> RedisStream::entry_of(const redisReply& reply) const {
  const auto parts = list_of(reply);
  const auto id = parts.size() == 2 ? id_of(parts[0]) : std::nullopt;
  if (!id) return std::nullopt;
  Entry entry{.id = *id};
  const auto fields = list_of(*parts[1]);
  const redisReply* const topic = value_of(fields, "topic");
  const redisReply* const payload = value_of(fields, "payload");
  if (!fields.empty() && (topic == nullptr || payload == nullptr)) {
    entry.wrong = Refusal::kNotJson;
    entry.why = "it needs the fields topic and payload";
    return entry;
  }
  if (topic != nullptr) {
    const auto name = text_of(*topic);
    if (!name) {
      entry.wrong = Refusal::kTooLarge;
      entry.why = words_of(Refusal::kTooLarge);
      return entry;
    }
    entry.topic = *name;
  }
  auto text = payload == nullptr ? std::nullopt : text_of(*payload);
  if (text) text = without_bom(*text);
  entry.wrong = check_payload(text, options_.payload_bytes);
  if (entry.wrong) {
    entry.why = words_of(*entry.wrong, text.value_or(""));
  } else {
    entry.payload = *text;
  }
  return entry;
}

void RedisStream::handle_next() {
  if (is_waiting_) return;
  if (entries_.empty()) return ask();
  const Entry& entry = entries_.front();
  if (entry.wrong) return refuse(*entry.wrong, entry.why);
  TopicOwner* const owner = hub_.owner_of(entry.topic);
  if (owner == nullptr) return refuse(Refusal::kNoOwner, words_of(Refusal::kNoOwner));
  if (!waiting_since_) waiting_since_ = mono_now();
  StreamHandled then{.id = entry.id};
  if (handled_.ordinal) then.ordinal = *handled_.ordinal + 1;
  is_waiting_ = true;
  owner->post_message({.topic = entry.topic,
                       .source = "stream",
                       .payload = entry.payload,
                       .position = {options_.key, to_string(then)},
                       .published_before = partly_ == entry.id ? partly_messages_ : 0},
                      [&io = io_, verdicts = verdicts_](Verdict verdict) {
                        boost::asio::post(io, [verdicts, verdict = std::move(verdict)] {
                          if (verdicts->stream != nullptr) verdicts->stream->on_verdict(verdict);
                        });
                      });
}

void RedisStream::on_verdict(const Verdict& verdict) {
  is_waiting_ = false;
  counters_.add(broadcast::counter_of(verdict.outcome));
  if (verdict.outcome == Verdict::Outcome::kRefused) return refuse(Refusal::kRefused, verdict.text);
  if (verdict.outcome == Verdict::Outcome::kUnavailable) return try_again(verdict);
  counters_.add(Counter::kStreamHandled);
  done();
}

void RedisStream::try_again(const Verdict& verdict) {
  const Entry& entry = entries_.front();
  if (verdict.has_given_up) {
    tell(verdict.text + "; entries for it are lost");
    return refuse(Refusal::kUnavailable, verdict.text);
  }
  if (verdict.published > 0) {
    partly_messages_ = (partly_ == entry.id ? partly_messages_ : 0) + verdict.published;
    partly_ = entry.id;
  }
  if (verdict.has_failed_on_it && ++failures_ >= kMostFailures) {
    return refuse(Refusal::kUnavailable,
                  "its broadcaster has failed on it " + std::to_string(failures_) + " times");
  }
  counters_.add(Counter::kStreamRetried);
  const milliseconds least =
      std::min(kFirstWait * (1 << std::min<std::size_t>(tries_++, 10)), kLongestWait);
  wait(std::clamp<milliseconds>(verdict.retry_after, least, std::max(least, kLongestWait)));
}

void RedisStream::wait(milliseconds duration) {
  is_waiting_ = true;
  again_.expires_after(duration);
  again_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    is_waiting_ = false;
    handle_next();
  });
}

void RedisStream::refuse(Refusal refusal, std::string_view why) {
  const Entry& entry = entries_.front();
  if (refusal != Refusal::kRefused) counters_.add(Counter::kProducerRefused);
  counters_.add(Counter::kStreamRefused);
  if (const auto line = seldom_.line(entry.topic, mono_now())) {
    spdlog::warn("redis: stream {}: entry {} for \"{}\" goes to nobody ({}): {}{}", options_.key,
                 to_string(entry.id), printable(line->name, kShownBytes), to_string(refusal),
                 printable(why, kShownBytes), line->more());
  }
  done();
}

/// The first entry is handled, one way or the other.
void RedisStream::done() {
  handled_.id = entries_.front().id;
  if (handled_.ordinal) ++*handled_.ordinal;
  entries_.pop_front();
  partly_messages_ = 0;
  tries_ = 0;
  failures_ = 0;
  waiting_since_.reset();
  hub_.keep_position({options_.key, to_string(handled_)});
  // Not from here: an owner that answers at once would make it as deep as there are entries.
  boost::asio::post(io_, [verdicts = verdicts_] {
    if (verdicts->stream != nullptr) verdicts->stream->handle_next();
  });
}

void RedisStream::on_tick(MonoTime now) {
  const auto say = [this](BroadcasterState state, std::string_view detail) {
    hub_.report_status(kStatusName, state, detail);
  };
  if (!connection_.is_ready()) {
    const std::string& why = connection_.down_words();
    if (!why.empty()) say(BroadcasterState::kDown, why);
    return;
  }
  if (waiting_since_ && now - *waiting_since_ >= kStuck) {
    return say(BroadcasterState::kDegraded,
               "an entry waits for the broadcaster of its topic, and those behind it");
  }
  if (now < lost_shown_until_) return say(BroadcasterState::kDegraded, lost_text_);
  say(BroadcasterState::kOk, "");
}

}  // namespace broadcast

// RedisStream: entries that are for nobody, and those that are wrong.

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include <broadcast/topic_matcher.hpp>

#include "host/base/printable.hpp"
#include "host/ingest/redis_stream.hpp"

namespace broadcast {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLookAgain{200};  // for the owner of an entry that waits for it
constexpr milliseconds kPutOff{1'000};   // a topic whose owner takes nothing, at least
constexpr seconds kOpenAgain{5};
constexpr seconds kStuck{10};
constexpr std::size_t kTopicBytes = 255;
constexpr std::size_t kShownTopic = 64;  // of a topic, on the status

/// Somebody may serve it one day.
bool can_be_served(std::string_view topic) {
  return is_topic_name(topic, kTopicBytes) && !topic.starts_with("status:");
}

}  // namespace

void RedisStream::open_aside() {
  // Of a stream that is read from now on, nothing can be in doubt.
  const StreamId handled = has_begun_ ? handled_.id : StreamId{UINT64_MAX, UINT64_MAX};
  aside_.open(handled, [this](const std::string& error) {
    if (error.empty()) {
      look_for_owners(mono_now());
      aside_error_.clear();
    } else {
      if (aside_error_ != error) spdlog::warn("redis: stream {}: Redis {}", options_.key, error);
      aside_error_ = error;
      open_at_ = mono_now() + kOpenAgain;
    }
    handle_next();
  });
}

void RedisStream::look_for_owners(MonoTime now) {
  aside_.parked().refresh(
      [this](std::string_view topic) { return gate_.owner_of(topic) != nullptr; }, now);
}

/// False: it is tried again by itself.
bool RedisStream::can_set_aside() {
  if (!connection_.is_ready()) return false;  // on_ready() goes on
  if (aside_.is_open()) return true;
  open_at_ = {};
  wait(aside_backoff_.next());
  return false;
}

/// What every command about parked and refused entries comes to.
void RedisStream::on_aside(const std::string& error) {
  if (error.empty()) {
    aside_backoff_.reset();
    aside_error_.clear();
    return;
  }
  if (aside_error_ != error) {
    spdlog::error("redis: stream {}: Redis {}; its entries wait, and the host keeps trying",
                  options_.key, error);
  }
  aside_error_ = error;
  wait(aside_backoff_.next());
}

void RedisStream::fetch(const ParkedIndex::Place& place) {
  aside_.fetch(place, [this, place](const std::string& error, auto parked) {
    on_aside(error);
    if (!error.empty()) return;
    if (parked && parked->entry.wrong == Refusal::kTooLarge) {
      spdlog::error("redis: stream {}: entry {} stays in {}: {}", options_.key, to_string(place.id),
                    aside_.parked_key(), parked->entry.why);
      aside_.parked().erase(place);
    } else if (parked) {
      const auto partly = partly_parked_.find(place.id);
      const std::size_t published =
          std::max(parked->published, partly == partly_parked_.end() ? 0 : partly->second);
      fetched_ = {
          .place = place, .entry = std::move(parked->entry), .published = published, .attempt = {}};
    }
    handle_next();
  });
}

void RedisStream::handle_fetched() {
  if (fetched_->is_done) return remove_fetched();
  if (fetched_->entry.wrong) return give_to_refused();
  if (is_refused_for_crashes()) return;
  TopicOwner* const owner = gate_.owner_of(fetched_->entry.topic);
  if (owner == nullptr) return put_off({});
  // Before what this causes is committed: that it was parked may not be kept yet.
  if (partly_messages_ == 0) sequencer_.keep_position({options_.key, to_string(handled_)});
  post(*owner);
}

void RedisStream::remove_fetched() {
  if (!can_set_aside()) return;
  aside_.remove(fetched_->place, [this](const std::string& error) {
    on_aside(error);
    if (!error.empty()) return;
    forget(options_.marker, place_in_hand());
    const auto [topic, id] = std::exchange(fetched_, std::nullopt)->place;
    partly_parked_.erase(id);
    if (!aside_.parked().has(topic)) {
      spdlog::info("redis: stream {}: the parked entries of \"{}\" have been handled", options_.key,
                   printable(topic, kTopicBytes));
    }
    handle_next();
  });
}

/// The owner of the parked entry in hand is not there: later.
void RedisStream::put_off(milliseconds until) {
  aside_.parked().put_off(fetched_->place.topic, mono_now() + std::max(until, kPutOff));
  fetched_.reset();
  post_next();
}

/// It waits if somebody may be about to serve it: again, or for the first time since the start.
void RedisStream::on_no_owner() {
  const StreamEntry& entry = entries_.front();
  if (!can_be_served(entry.topic)) {
    return refuse(Refusal::kNoOwner, words_of(Refusal::kNoOwner));
  }
  const MonoTime now = mono_now();
  if (!attempt_.since) attempt_.since = now;
  const MonoTime begin = served_.contains(entry.topic) ? *attempt_.since : started_;
  const MonoTime until = begin + options_.park_after;
  if (now >= until) return park(words_of(Refusal::kNoOwner));
  is_owner_absent_ = true;
  wait(std::min(kLookAgain, std::chrono::ceil<milliseconds>(until - now)));
}

/// It will not take the entry in hand before long: it has given up, or waits out its failures, of
/// which this entry is not one.
bool RedisStream::is_absent(const Verdict& verdict) {
  if (verdict.has_given_up) return true;
  const bool is_down = verdict.retry_after > milliseconds(0) && attempt().failures == 0;
  return is_down && !verdict.has_failed_on_it &&
         (fetched_ || mono_now() - *attempt().since >= options_.park_after);
}

void RedisStream::park(std::string_view why) {
  if (!can_set_aside()) return;
  aside_.park(entries_.front(), published(), [this, why = std::string(why)](const auto& error) {
    on_aside(error);
    if (!error.empty()) return;
    const StreamEntry& entry = entries_.front();
    if (const auto line = log_throttle_.line(entry.topic, mono_now())) {
      spdlog::warn("redis: stream {}: entry {} for \"{}\" is parked in {}: {}{}", options_.key,
                   to_string(entry.id), printable(line->name, kTopicBytes), aside_.parked_key(),
                   printable(why, kTopicBytes), line->more());
    }
    done();
  });
}

void RedisStream::give_to_refused() {
  if (!can_set_aside()) return;
  aside_.refuse(in_hand(), [this](const std::string& error) {
    on_aside(error);
    if (!error.empty()) return;
    const StreamEntry& entry = in_hand();
    if (entry.wrong != Refusal::kRefused) gate_.count_refused();
    counters_.add(Counter::kStreamRefused);
    if (const auto line = log_throttle_.line(entry.topic, mono_now())) {
      spdlog::warn(
          "redis: stream {}: entry {} for \"{}\" is not published ({}) and is kept in {}: {}{}",
          options_.key, to_string(entry.id), printable(line->name, kTopicBytes),
          to_string(*entry.wrong), aside_.refused_key(), printable(entry.why, kTopicBytes),
          line->more());
    }
    done();
  });
}

/// For subscribers of status:stream; "": nothing.
std::string RedisStream::text_of_waiting(MonoTime now) {
  if (!aside_error_.empty()) {
    // What Redis says may name its user.
    const std::size_t code = aside_error_.find(": ");
    const std::string why =
        code == std::string::npos
            ? ""
            : " (" + aside_error_.substr(code + 2, aside_error_.find(' ', code + 2) - code - 2) +
                  ")";
    return "Redis refuses to keep parked or refused entries" + why +
           "; they wait, and so do the entries behind them";
  }
  if (is_owner_absent_) {
    return "entries wait for a broadcaster that serves " +
           printable(entries_.front().topic, kShownTopic);
  }
  const bool has_entry = fetched_ || !entries_.empty();
  if (has_entry && attempt().since && now - *attempt().since >= kStuck) {
    return "an entry waits for the broadcaster of its topic, and the entries behind it wait too";
  }
  const ParkedIndex& parked = aside_.parked();
  if (parked.size() == 0) return "";
  return "entries parked until somebody serves their topics: " + std::to_string(parked.size()) +
         " (" + printable(parked.first_topic(), kShownTopic) +
         (parked.topics() > 1 ? ", ..)" : ")");
}

}  // namespace broadcast

#include "host/ingest/stream_aside.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <spdlog/spdlog.h>

namespace broadcast {

namespace {

constexpr std::size_t kReplyBytes = 16 * 1024 * 1024;
constexpr std::size_t kFieldBytes = 4096;  // of an entry, beside its payload
constexpr std::size_t kMostOfPage = 128;

bool is_list(const redisReply& reply) { return reply.type == REDIS_REPLY_ARRAY; }

std::string refusal_of(std::string_view verb, const std::string& key, const redisReply& reply) {
  const std::string what = std::string(verb) + " of " + key;
  return is_error(reply) ? "refuses " + what + ": " + error_text(reply)
                         : "sent an unreadable reply to " + what;
}

/// The id that an entry had in the stream.
std::optional<StreamId> origin_of(const redisReply& entry) {
  const auto id = field_of(entry, "id");
  return id ? parse_stream_id(*id) : std::nullopt;
}

std::size_t number_of(std::optional<std::string_view> text) {
  std::size_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

StreamAside::StreamAside(Options options, RedisConnection& connection, Counters& counters,
                         std::function<void(std::string)> tell)
    : options_(std::move(options)),
      parked_key_(parked_key_of(options_.key)),
      refused_key_(refused_key_of(options_.key)),
      page_(std::to_string(std::clamp<std::size_t>(
          kReplyBytes / (options_.payload_bytes + kFieldBytes), 1, kMostOfPage))),
      connection_(connection),
      counters_(counters),
      tell_(std::move(tell)) {}

void StreamAside::ask(Words words, Then then) {
  then_ = std::move(then);
  connection_.send(words);
}

void StreamAside::on_reply(const redisReply& reply) {
  if (const Then then = std::exchange(then_, nullptr)) then(reply);
}

void StreamAside::on_down() {
  then_ = nullptr;
  is_open_ = false;
}

void StreamAside::open(const StreamId& handled, const Done& done) {
  parked_.clear();
  known_.clear();
  refused_last_.reset();
  read_parked({}, handled, done);
}

void StreamAside::read_parked(const StreamId& from, const StreamId& handled, const Done& done) {
  ask({"XRANGE", parked_key_, to_string(from), "+", "COUNT", page_},
      [this, handled, done](const redisReply& reply) {
        if (!is_list(reply)) return done(refusal_of("XRANGE", parked_key_, reply));
        const auto page = list_of(reply);
        std::optional<StreamId> last;
        for (const redisReply* const one : page) {
          last = entry_id_of(*one);
          if (!last) return done(refusal_of("XRANGE", parked_key_, *one));
          const auto topic = field_of(*one, "topic");
          const auto origin = origin_of(*one);
          if (!topic || !origin) continue;  // not ours
          parked_.add(*topic, *last);
          if (*origin > handled) known_.insert(*origin);
        }
        if (last) return read_parked(after(*last), handled, done);
        read_refused({UINT64_MAX, UINT64_MAX}, handled, done);
      });
}

/// From the newest on, until nothing of a page is in doubt.
void StreamAside::read_refused(const StreamId& to, const StreamId& handled, const Done& done) {
  ask({"XREVRANGE", refused_key_, to_string(to), "-", "COUNT", page_},
      [this, handled, done](const redisReply& reply) {
        if (!is_list(reply)) return done(refusal_of("XREVRANGE", refused_key_, reply));
        std::optional<StreamId> oldest;
        bool is_in_doubt = false;
        for (const redisReply* const one : list_of(reply)) {
          oldest = entry_id_of(*one);
          if (!oldest) return done(refusal_of("XREVRANGE", refused_key_, *one));
          const auto origin = origin_of(*one);
          if (!origin) continue;  // not ours
          if (!refused_last_) refused_last_ = origin;
          if (*origin <= handled) continue;
          is_in_doubt = true;
          known_.insert(*origin);
        }
        if (is_in_doubt && *oldest != StreamId{})
          return read_refused(before(*oldest), handled, done);
        is_open_ = true;
        done("");
      });
}

void StreamAside::park(const StreamEntry& entry, std::size_t published, Done done) {
  const auto victim = parked_.size() >= options_.most ? parked_.victim() : std::nullopt;
  if (!victim) return add_parked(entry, published, done);
  ask({"XDEL", parked_key_, to_string(victim->id)},
      [this, victim = *victim, entry, published, done = std::move(done)](const redisReply& reply) {
        if (reply.type != REDIS_REPLY_INTEGER) return done(refusal_of("XDEL", parked_key_, reply));
        parked_.erase(victim);
        dropped(Counter::kStreamParkedDropped, static_cast<std::uint64_t>(reply.integer),
                parked_key_);
        add_parked(entry, published, done);
      });
}

void StreamAside::add_parked(const StreamEntry& entry, std::size_t published, const Done& done) {
  ask({"XADD", parked_key_, "*", "id", to_string(entry.id), "topic", entry.topic, "payload",
       entry.payload, "published", std::to_string(published)},
      [this, topic = entry.topic, done](const redisReply& reply) {
        const auto text = text_of(reply);
        const auto id = text ? parse_stream_id(*text) : std::nullopt;
        if (!id) return done(refusal_of("XADD", parked_key_, reply));
        parked_.add(topic, *id);
        counters_.add(Counter::kStreamParked);
        done("");
      });
}

void StreamAside::refuse(const StreamEntry& entry, Done done) {
  if (refused_last_ == entry.id) return done("");  // a parked one, of which that is in doubt
  // Room is made first: the number of those that this drops is the reply.
  ask({"XTRIM", refused_key_, "MAXLEN", std::to_string(options_.most - 1)},
      [this, entry, done = std::move(done)](const redisReply& trimmed) {
        if (trimmed.type != REDIS_REPLY_INTEGER) {
          return done(refusal_of("XTRIM", refused_key_, trimmed));
        }
        dropped(Counter::kStreamRefusedDropped, static_cast<std::uint64_t>(trimmed.integer),
                refused_key_);
        const std::string reason =
            entry.why.empty() ? std::string(words_of(*entry.wrong)) : entry.why;
        ask({"XADD", refused_key_, "*", "id", to_string(entry.id), "topic", entry.topic, "payload",
             entry.payload, "reason", reason},
            [this, done](const redisReply& added) {
              if (!text_of(added)) return done(refusal_of("XADD", refused_key_, added));
              done("");
            });
      });
}

void StreamAside::fetch(const ParkedIndex::Place& place, Fetched done) {
  const std::string id = to_string(place.id);
  ask({"XRANGE", parked_key_, id, id},
      [this, place, done = std::move(done)](const redisReply& reply) {
        if (!is_list(reply)) return done(refusal_of("XRANGE", parked_key_, reply), std::nullopt);
        const auto entries = list_of(reply);
        auto entry = entries.empty() ? std::nullopt : entry_of(*entries[0], options_.payload_bytes);
        if (!entry) {
          parked_.erase(place);  // somebody has deleted it
          return done("", std::nullopt);
        }
        entry->id = origin_of(*entries[0]).value_or(entry->id);
        const std::size_t published = number_of(field_of(*entries[0], "published"));
        done("", Parked{*std::move(entry), published});
      });
}

void StreamAside::remove(const ParkedIndex::Place& place, Done done) {
  ask({"XDEL", parked_key_, to_string(place.id)},
      [this, place, done = std::move(done)](const redisReply& reply) {
        if (reply.type != REDIS_REPLY_INTEGER) return done(refusal_of("XDEL", parked_key_, reply));
        parked_.erase(place);
        done("");
      });
}

void StreamAside::dropped(Counter counter, std::uint64_t count, const std::string& key) {
  if (count == 0) return;
  counters_.add(counter, count);
  spdlog::error("redis: stream {}: {} entries of {} dropped: it holds at most {}", options_.key,
                count, key, options_.most);
  tell_("parked or refused entries were dropped: there is no room for more");
}

}  // namespace broadcast

#include "tools/broadcastctl/stream_entries.hpp"

#include <optional>
#include <vector>

#include <fmt/format.h>

#include "host/base/printable.hpp"
#include "host/ingest/stream_aside.hpp"
#include "host/ingest/stream_entry.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/redis_talk.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kPage = "16";
constexpr std::size_t kShownBytes = 160;

struct SetAside {
  std::string id;      ///< where it stands
  std::string origin;  ///< in the stream
  std::string topic;
  std::string payload;
  std::string reason;
};

const std::string& stream_of(const Config& config) {
  if (config.redis.url.empty() || config.redis.stream.empty()) {
    throw CannotRun("--config: the file names no stream. Give redis.url and redis.stream.");
  }
  return config.redis.stream;
}

/// Some of a stream, from `from` on.
std::vector<SetAside> read_page(RedisTalk& redis, const std::string& key, const std::string& from,
                                const std::string& to) {
  std::vector<SetAside> page;
  redis.ask({"XRANGE", key, from, to, "COUNT", kPage}, [&](const redisReply& reply) {
    for (const redisReply* const one : list_of(reply)) {
      const auto id = entry_id_of(*one);
      if (!id) throw CannotRun(key + ": Redis sent an unreadable reply.");
      const auto field = [one](std::string_view name) {
        return std::string(field_of(*one, name).value_or(""));
      };
      page.push_back({.id = to_string(*id),
                      .origin = field("id"),
                      .topic = field("topic"),
                      .payload = field("payload"),
                      .reason = field("reason")});
    }
  });
  return page;
}

std::string next_after(const SetAside& entry) {
  return to_string(after(*parse_stream_id(entry.id)));
}

/// Calls `use` with each entry of `key` from `from` up to `to`, as they were when it came to them.
template <class F>
void for_each(RedisTalk& redis, const std::string& key, std::string from, const std::string& to,
              F use) {
  for (;;) {
    const auto page = read_page(redis, key, from, to);
    if (page.empty()) return;
    for (const SetAside& entry : page) use(entry);
    from = next_after(page.back());
  }
}

std::string list(const Config& config, const std::string& key) {
  RedisTalk redis(config);
  std::string lines;
  for_each(redis, key, "-", "+", [&](const SetAside& entry) {
    lines += fmt::format("{} {} (was {})", entry.id, printable(entry.topic, kShownBytes),
                         printable(entry.origin, kShownBytes));
    if (!entry.reason.empty()) lines += ": " + printable(entry.reason);
    lines += "\n  " + printable(entry.payload, kShownBytes) + "\n";
  });
  return lines;
}

/// Added first: should this end in between, it is there twice, and not lost.
std::string move_back(RedisTalk& redis, const std::string& stream, const SetAside& entry) {
  if (entry.topic.empty() || entry.payload.empty()) {
    return fmt::format(
        "{}: not put back, because it is incomplete; the whole entry may still be in {}, entry "
        "{}\n",
        entry.id, stream, printable(entry.origin, kShownBytes));
  }
  std::string added;
  redis.ask({"XADD", stream, "*", "topic", entry.topic, "payload", entry.payload},
            [&](const redisReply& reply) { added = text_of(reply).value_or(""); });
  redis.ask({"XDEL", StreamAside::refused_key_of(stream), entry.id}, [](const redisReply&) {});
  return fmt::format("{}: put back as {}\n", entry.id, added);
}

}  // namespace

std::string list_parked(const Config& config) {
  return list(config, StreamAside::parked_key_of(stream_of(config)));
}

std::string list_refused(const Config& config) {
  return list(config, StreamAside::refused_key_of(stream_of(config)));
}

std::string put_back(const Config& config, const std::string& id) {
  const std::string& stream = stream_of(config);
  const std::string key = StreamAside::refused_key_of(stream);
  const bool is_all = id == "all";
  if (!is_all && !parse_stream_id(id)) {
    throw CannotRun("--put-back: expected \"all\" or an id such as 1690000000000-0");
  }
  RedisTalk redis(config);
  // Those that are refused again meanwhile are not put back once more.
  std::string to = id;
  if (is_all) {
    to.clear();
    redis.ask({"XREVRANGE", key, "+", "-", "COUNT", "1"}, [&](const redisReply& reply) {
      const auto last = list_of(reply).empty() ? std::nullopt : entry_id_of(*list_of(reply)[0]);
      if (last) to = to_string(*last);
    });
    if (to.empty()) return "nothing to put back\n";
  }
  std::string lines;
  for_each(redis, key, is_all ? "-" : id, to,
           [&](const SetAside& entry) { lines += move_back(redis, stream, entry); });
  // Logs and status:stream name it by the id that it had in the stream.
  if (lines.empty()) {
    for_each(redis, key, "-", "+", [&](const SetAside& entry) {
      if (entry.origin == id) lines += move_back(redis, stream, entry);
    });
  }
  if (lines.empty()) {
    throw CannotRun(key + ": there is no entry " + id +
                    ", nor one that had this id in the stream.");
  }
  return lines;
}

}  // namespace broadcast

#pragma once
// A Redis that holds a stream and the two beside it, and two broadcasters: what RedisStream needs
// around it.

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "host/ingest/redis_stream.hpp"
#include "tests/unit/ingest/fake_redis.hpp"

namespace broadcast::test {

/// Gives the verdicts that it was told, then accepts.
class ToldOwner final : public TopicOwner {
 public:
  std::deque<Verdict> verdicts;
  std::vector<ProducerMessage> got;

  std::string_view owner_name() const override { return "probe"; }
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override {
    got.push_back(std::move(message));
    Verdict verdict{.outcome = Verdict::Outcome::kAccepted, .text = {}, .last = {}};
    if (!verdicts.empty()) {
      verdict = std::move(verdicts.front());
      verdicts.pop_front();
    }
    done(std::move(verdict));
  }
  void post_demand(std::string_view, std::int64_t) override {}

  [[nodiscard]] std::vector<std::string> payloads() const {
    std::vector<std::string> all;
    for (const ProducerMessage& message : got) all.push_back(message.payload);
    return all;
  }
};

/// What streams hold, and how Redis tells it. Trims and refuses as it is told.
struct StreamPlay : RedisPlay {
  using Fields = std::vector<std::string>;
  struct Entry {
    StreamId id;
    Fields fields;
    [[nodiscard]] std::string told() const {
      std::vector<std::string> all;
      for (const std::string& field : fields) all.push_back(bulk(field));
      return list({bulk(to_string(id)), list(all)});
    }
    [[nodiscard]] std::string field(std::string_view name) const {
      const auto found = std::ranges::find(fields, name);
      return found == fields.end() ? "" : *(found + 1);
    }
  };

  StreamPlay() : RedisPlay("status:stream") {
    claim(owner, "probe");
    claim(other, "other");
    redis.answer = [this](const FakeRedis::Command& command) { return told(command); };
    options.key = "s";
    options.start = RedisStream::Start::kKept;
  }
  void claim(ToldOwner& one, const std::string& topic) {
    EXPECT_FALSE(
        hub.topics().try_claim(one, topic + ".so", {TopicPattern(topic, "", Delivery::kAll)}));
  }
  void release(ToldOwner& one) { EXPECT_FALSE(hub.topics().try_claim(one, "x.so", {})); }
  void add(const std::string& id, const std::string& topic, const std::string& payload = "{}") {
    entries.push_back({*parse_stream_id(id), {"topic", topic, "payload", payload}});
  }
  RedisStream& begin(const std::string& handled) {
    options.handled = handled;
    stream.emplace(parts(), options, gate, hub.sequencer(), hub.statuses());
    stream->start();
    return *stream;
  }
  bool run_until_count(Counter counter, std::uint64_t count) {
    return run_until([&] { return counters.get(counter) == count; });
  }
  /// One field of all entries of a stream beside.
  [[nodiscard]] std::vector<std::string> beside(const std::string& key, std::string_view field) {
    std::vector<std::string> all;
    for (const Entry& entry : streams[key]) all.push_back(entry.field(field));
    return all;
  }

  ToldOwner owner;
  ToldOwner other;
  RedisStream::Options options;
  std::vector<Entry> entries;
  std::map<std::string, std::vector<Entry>> streams;  // beside
  std::map<std::string, std::string> refuses;         // by verb: the error
  std::uint64_t added = 0;                            // ever; 0: as many as are there
  bool blocks = true;                                 // XREAD, where nothing is new
  std::optional<RedisStream> stream;

 private:
  std::optional<std::string> told(const FakeRedis::Command& command) {
    const std::string& verb = command[0];
    if (const auto refused = refuses.find(verb); refused != refuses.end()) {
      return "-" + refused->second + "\r\n";
    }
    if (verb == "XINFO") return told_of_stream();
    if (verb == "XREAD") return told_of_entries(command);
    if (verb == "XRANGE" || verb == "XREVRANGE") return told_of_range(command);
    if (verb == "XADD") {
      const StreamId id{1'000'000 + ++given, 0};
      streams[command[1]].push_back({id, Fields(command.begin() + 3, command.end())});
      return bulk(to_string(id));
    }
    if (verb == "XDEL") {
      const StreamId id = *parse_stream_id(command[2]);
      return number(
          std::erase_if(streams[command[1]], [&](const Entry& entry) { return entry.id == id; }));
    }
    if (verb == "XTRIM") {
      std::vector<Entry>& trimmed = streams[command[1]];
      const std::size_t most = std::stoul(command[3]);
      const std::size_t gone = trimmed.size() - std::min(most, trimmed.size());
      trimmed.erase(trimmed.begin(), trimmed.begin() + static_cast<std::ptrdiff_t>(gone));
      return number(gone);
    }
    return std::nullopt;
  }
  static std::string number(std::size_t value) { return ":" + std::to_string(value) + "\r\n"; }
  std::string told_of_stream() const {
    const std::string size = number(entries.size());
    return list({bulk("length"), size, bulk("last-generated-id"),
                 bulk(to_string(entries.back().id)), bulk("entries-added"),
                 added == 0 ? size : number(added), bulk("recorded-first-entry-id"),
                 bulk(to_string(entries[0].id))});
  }
  std::string told_of_entries(const FakeRedis::Command& command) const {
    std::vector<std::string> read;
    for (const Entry& entry : entries) {
      const bool is_wanted = entry.id > *parse_stream_id(command.back());
      if (is_wanted && read.size() < std::stoul(command[2])) read.push_back(entry.told());
    }
    if (read.empty()) return blocks ? "" : "*-1\r\n";
    return list({list({bulk("s"), list(read)})});
  }
  std::string told_of_range(const FakeRedis::Command& command) {
    const bool is_back = command[0] == "XREVRANGE";
    const std::string& low = command[is_back ? 3 : 2];
    const std::string& high = command[is_back ? 2 : 3];
    std::vector<std::string> found;
    for (const Entry& entry : streams[command[1]]) {
      const bool is_in = (low == "-" || entry.id >= *parse_stream_id(low)) &&
                         (high == "+" || entry.id <= *parse_stream_id(high));
      if (is_in) found.push_back(entry.told());
    }
    if (is_back) std::ranges::reverse(found);
    if (command.size() > 5)
      found.resize(std::min<std::size_t>(found.size(), std::stoul(command[5])));
    return list(found);
  }

  std::uint64_t given = 0;
};

inline Verdict unavailable() {
  return {.outcome = Verdict::Outcome::kUnavailable, .text = "busy", .last = {}};
}

}  // namespace broadcast::test

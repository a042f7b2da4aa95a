#pragma once
// What the hub's tests are told with: topics' owners that remember what they were told, shards that
// are drained by hand, and clients whose outbox is read like a socket.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/hub/session.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_index.hpp"
#include "silent_writer.hpp"

namespace broadcast {

using Json = nlohmann::json;
using namespace std::chrono_literals;

/// A point in time, `since` the beginning of the story.
inline MonoTime at(std::chrono::nanoseconds since) { return MonoTime{} + 1h + since; }

class FakeOwner final : public TopicOwner {
 public:
  using Demand = std::vector<std::pair<std::string, std::int64_t>>;

  explicit FakeOwner(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] std::string_view owner_name() const override { return name_; }
  void post_message(ProducerMessage, std::function<void(Verdict)>) override {}
  void post_demand(std::string_view topic, std::int64_t subscribers) override {
    told_.emplace_back(topic, subscribers);
  }
  /// What it was told since it was asked last.
  [[nodiscard]] Demand take_told() { return std::exchange(told_, {}); }

 private:
  const std::string name_;
  Demand told_;
};

struct Frame {
  Opcode opcode = Opcode::kText;
  std::string payload;
};

/// Takes at most `most` bytes out of the outbox, as one write to a socket would.
inline std::string write_some(Outbox& outbox, std::size_t most = SIZE_MAX) {
  std::array<std::string_view, 8> pieces;
  std::string written;
  const std::size_t count = outbox.gather(pieces);
  for (std::size_t i = 0; i < count && written.size() < most; ++i) {
    written += pieces[i].substr(0, most - written.size());
  }
  outbox.consume(written.size());
  return written;
}

inline std::string write_all(Outbox& outbox, std::size_t step = SIZE_MAX) {
  std::string written;
  while (!outbox.empty()) written += write_some(outbox, step);
  return written;
}

/// A server's bytes as frames. REQUIRES: whole frames.
inline std::vector<Frame> frames_of(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes.at(i)); };
  std::vector<Frame> frames;
  while (!bytes.empty()) {
    std::size_t size = byte(1);
    std::size_t header = 2;
    if (size >= 126) {
      header = size == 126 ? 4 : 10;
      size = 0;
      for (std::size_t i = 2; i < header; ++i) size = size << 8U | byte(i);
    }
    frames.push_back(
        {static_cast<Opcode>(byte(0) & 0x0FU), std::string(bytes.substr(header, size))});
    bytes.remove_prefix(header + size);
  }
  return frames;
}

inline std::vector<std::string> texts_of(std::string_view bytes) {
  std::vector<std::string> texts;
  for (Frame& frame : frames_of(bytes)) texts.push_back(std::move(frame.payload));
  return texts;
}

/// The code of a close frame.
inline unsigned close_code_of(const Frame& frame) {
  return static_cast<unsigned>(static_cast<unsigned char>(frame.payload.at(0))) << 8U |
         static_cast<unsigned char>(frame.payload.at(1));
}

inline std::string subscribe(std::string_view topic) {
  return R"({"type":"subscribe","topic":")" + std::string(topic) + "\"}";
}
inline std::string unsubscribe(std::string_view topic) {
  return R"({"type":"unsubscribe","topic":")" + std::string(topic) + "\"}";
}

/// "subscribed", "error unknown_topic", "note:a#1" of a publication, or "new note:a#0" of what
/// `topic` says.
inline std::string word_of(const Json& text) {
  if (text.contains("code")) return "error " + text.at("code").get<std::string>();
  const auto type = text.at("type").get<std::string>();
  if (!text.contains("seq") || type == "subscribed") return type;
  const std::string reason = type == "topic" ? text.at("reason").get<std::string>() + " " : "";
  return reason + text.at("topic").get<std::string>() + "#" + text.at("seq").dump();
}
inline std::vector<std::string> words_of(const std::vector<Json>& texts) {
  std::vector<std::string> words;
  for (const Json& text : texts) words.push_back(word_of(text));
  return words;
}

/// A shard without a thread.
class TestShard {
 public:
  explicit TestShard(TopicHub& hub)
      : inbox_([this] { ++wakes_; }), index_(hub.topics(), hub.audience(), hub.add_shard(inbox_)) {}

  void drain(MonoTime now = at(0s)) {
    std::vector<MessagePtr> messages;
    inbox_.take(messages);
    index_.on_time(now);
    for (std::span<const MessagePtr> rest = messages; !rest.empty();) {
      const std::size_t run = run_length(rest, run_bytes_);
      index_.deliver(rest.first(run), now);
      rest = rest.subspan(run);
    }
  }
  /// The texts that wait, taken out and delivered to nobody.
  [[nodiscard]] std::vector<std::string> take() {
    std::vector<MessagePtr> messages;
    inbox_.take(messages);
    std::vector<std::string> texts;
    for (const MessagePtr& message : messages) texts.emplace_back(message->payload());
    return texts;
  }
  /// Messages are delivered together up to so many bytes.
  void set_run_bytes(std::size_t bytes) { run_bytes_ = bytes; }
  [[nodiscard]] int wakes() const { return wakes_; }
  Inbox& inbox() { return inbox_; }
  TopicIndex& index() { return index_; }
  TouchedList& touched() { return touched_; }
  Counters& counters() { return counters_; }

 private:
  int wakes_ = 0;
  std::size_t run_bytes_ = SIZE_MAX;
  Inbox inbox_;
  TopicIndex index_;
  TouchedList touched_;
  Counters counters_;
};

/// One session and its outbox; leaves when it goes out of scope.
class TestClient {
 public:
  struct Setup {
    Limits limits{};
    std::vector<std::string> topics{};  ///< of the query string
    std::shared_ptr<Account> account{};
  };

  explicit TestClient(TestShard& shard) : TestClient(shard, Setup{}) {}
  TestClient(TestShard& shard, Setup setup)
      : setup_(std::move(setup)),
        outbox_(setup_.limits, shard.counters(), shard.touched(), writer_),
        session_(shard.index(), setup_.limits, shard.counters(), outbox_, "c-1", setup_.topics,
                 std::nullopt, setup_.account) {
    session_.on_open(at(0s));
  }
  ~TestClient() { session_.on_closed(at(0s)); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void send(std::string_view text, MonoTime now = at(0s)) { session_.on_text(text, now); }
  /// Everything that waits, parsed. REQUIRES: texts only.
  [[nodiscard]] std::vector<Json> read() {
    std::vector<Json> all;
    for (const std::string& text : texts_of(write_all(outbox_))) all.push_back(Json::parse(text));
    return all;
  }
  /// What answers `text`, after whatever waited before is thrown away.
  [[nodiscard]] std::vector<Json> ask(std::string_view text, MonoTime now = at(0s)) {
    write_all(outbox_);
    send(text, now);
    return read();
  }
  /// From now on, as a reload does it.
  void set_limits(const Limits& limits) { setup_.limits = limits; }
  Session& session() { return session_; }
  Outbox& outbox() { return outbox_; }

 private:
  Setup setup_;
  SilentWriter writer_;
  Outbox outbox_;
  Session session_;
};

/// A hub with two shards and two broadcasters.
struct HubPlay {
  explicit HubPlay(TopicHub::Options options = {}) : hub(options, counters), a(hub), b(hub) {
    const std::vector<TopicPattern> prices = {{"price:{ticker}", "[0-9]{6}", Delivery::kLatest},
                                              {"market:kospi", "", Delivery::kLatest}};
    const std::vector<TopicPattern> notes = {{"signal:vcp", "", Delivery::kAll},
                                             {"note:{name}", "", Delivery::kAll}};
    if (hub.topics().try_claim(price, "libprice.so", prices) ||
        hub.topics().try_claim(note, "libnote.so", notes)) {
      std::abort();
    }
  }

  /// Publishes for the topic's owner.
  Published publish(std::string_view topic, std::string_view payload = R"({"type":"x"})") {
    TopicOwner* owner = hub.topics().owner_of(topic);
    return hub.publisher().publish(owner == nullptr ? note : *owner, topic, payload);
  }

  Counters counters;
  FakeOwner price{"price"};
  FakeOwner note{"note"};
  TopicHub hub;
  TestShard a;
  TestShard b;
};

}  // namespace broadcast

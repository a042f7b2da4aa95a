// Every dialogue on a Session: real hub, index and outbox, no socket, no thread, a clock that is
// moved by hand.

#include <algorithm>
#include <array>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <broadcast/units.hpp>

#include "host/wire/upgrade.hpp"
#include "tests/dialogues/dialogue.hpp"
#include "tests/unit/hub/hub_play.hpp"

namespace broadcast {
namespace {

std::vector<std::filesystem::path> dialogue_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(BROADCAST_DIALOGUES)) {
    if (entry.path().extension() == ".dialogue") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

Dialogue read_dialogue(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return parse_dialogue(text.str(), path.filename());
}

/// Those that can be played here.
std::vector<std::string> session_dialogues() {
  std::vector<std::string> names;
  for (const auto& path : dialogue_files()) {
    if (read_dialogue(path).only != Dialogue::Only::kSocket) names.push_back(path.stem());
  }
  return names;
}

BroadcasterState state_of(const std::string& word) {
  for (int i = 0; i <= static_cast<int>(BroadcasterState::kDisabled); ++i) {
    const auto state = static_cast<BroadcasterState>(i);
    if (to_string(state) == word) return state;
  }
  throw std::invalid_argument("no such state: " + word);
}

/// What a dialogue changes about the host.
struct Settings {
  TopicHub::Options hub;

  explicit Settings(const Dialogue& dialogue) {
    hub.accept_unknown = dialogue.accepts_unknown;
    for (const auto& [name, value] : dialogue.limits) set(name, value);
  }

 private:
  void set(const std::string& name, const std::string& value) {
    const std::size_t number = parse_size(value).value();
    if (name == "topics") {
      hub.limits.topics = number;
    } else if (name == "topics_per_connection") {
      hub.limits.topics_per_connection = number;
    } else if (name == "topics_per_request") {
      hub.limits.topics_per_request = number;
    } else if (name == "commands_per_second") {
      hub.limits.commands_per_second = static_cast<std::uint32_t>(number);
    } else if (name == "outbox") {
      hub.limits.outbox_bytes = number;
    } else {
      throw std::invalid_argument("a session has no limit " + name);
    }
  }
};

class DialogueClient {
 public:
  DialogueClient(TestShard& shard, const Settings& settings, const std::string& target,
                 MonoTime now)
      : outbox_(settings.hub.limits, shard.counters(), shard.touched(), writer_),
        session_(shard.index(), settings.hub.limits, shard.counters(), outbox_, "c-1",
                 subscribe_topics_of(target)) {
    session_.on_open(now);
  }

  /// A connection hands nothing on once it is closing.
  template <class F>
  void hand_on(F use) {
    if (!outbox_.closing()) use(session_);
  }
  void shut_down() {
    hand_on([&](Session& session) {
      session.on_shutdown(1830ms);
      outbox_.close(kCloseShutdown);
    });
  }
  void send_all(const std::string& text) { outbox_.push_reply(Message::text_of(text)); }
  void leave(MonoTime now) { session_.on_closed(now); }

  void stall(bool stalled) { outbox_.set_blocked(stalled); }
  /// The next frame that a socket would have taken, if there is one.
  std::optional<Frame> next() {
    if (!outbox_.blocked()) {
      for (Frame& frame : frames_of(write_all(outbox_))) frames_.push_back(std::move(frame));
    }
    if (frames_.empty()) return std::nullopt;
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }

 private:
  SilentWriter writer_;
  Outbox outbox_;
  Session session_;
  std::deque<Frame> frames_;
};

class SessionPlayer {
 public:
  explicit SessionPlayer(Dialogue dialogue)
      : dialogue_(std::move(dialogue)),
        settings_(dialogue_),
        hub_(settings_.hub, counters_),
        shards_{{TestShard(hub_), TestShard(hub_)}} {
    const std::vector<TopicPattern> patterns = {
        {"price:{ticker}", "(?=.*[0-9])[0-9A-Z]{6}", Delivery::kLatest},
        {"market:kospi", "", Delivery::kLatest},
        {"market:kosdaq", "", Delivery::kLatest},
        {"market-gate", "", Delivery::kLatest},
        {"signal:vcp", "", Delivery::kAll},
        {"signal:daytrading", "", Delivery::kAll}};
    EXPECT_FALSE(hub_.topics().try_claim(mirror_, "libmirror.so", patterns));
    hub_.statuses().report("mirror", BroadcasterState::kOk, "");
  }
  ~SessionPlayer() {
    for (auto& [number, client] : clients_) client->leave(now_);
  }
  SessionPlayer(const SessionPlayer&) = delete;
  SessionPlayer& operator=(const SessionPlayer&) = delete;

  void play() {
    for (const Step& step : dialogue_.steps) {
      SCOPED_TRACE(dialogue_.name + ":" + std::to_string(step.line));
      for (std::size_t i = 0; i < step.times && !testing::Test::HasFailure(); ++i) take(step);
    }
    for (auto& [number, client] : clients_) {
      const auto frame = client->next();
      EXPECT_FALSE(frame) << "client " << number << " got more: " << frame->payload;
    }
  }

 private:
  /// Client 1 lives on one shard, client 2 on the other.
  TestShard& shard_of(std::size_t client) { return shards_.at((client - 1) % shards_.size()); }
  DialogueClient& client_of(const Step& step) { return *clients_.at(step.client); }

  void take(const Step& step) {
    switch (step.kind) {
      case Step::Kind::kOpen:
        clients_[step.client] =
            std::make_unique<DialogueClient>(shard_of(step.client), settings_, step.first, now_);
        return;
      case Step::Kind::kText:
        return client_of(step).hand_on(
            [&](Session& to) { to.on_text(bound(step.rest, bindings_), now_); });
      case Step::Kind::kBinary:
        return client_of(step).hand_on(
            [&](Session& to) { to.on_binary(bytes_of_hex(step.rest), now_); });
      case Step::Kind::kExpect:
      case Step::Kind::kExpectText:
        return expect_text(step);
      case Step::Kind::kExpectClose:
        return expect_close(step);
      case Step::Kind::kStall:
        return client_of(step).stall(true);
      case Step::Kind::kResume:
        return client_of(step).stall(false);
      default:
        act(step);
        for (TestShard& shard : shards_) shard.drain(now_);
    }
  }

  /// What the owner, the clock and the operator do.
  void act(const Step& step) {
    switch (step.kind) {
      case Step::Kind::kPublish:
        EXPECT_EQ(hub_.publisher().publish(mirror_, step.first, step.rest).status,
                  PublishStatus::kOk);
        return;
      case Step::Kind::kReport:
        return hub_.statuses().report("mirror", state_of(step.first), step.rest);
      case Step::Kind::kAdvance:
        now_ += parse_duration(step.first).value();
        return hub_.on_tick(now_, now_.time_since_epoch().count());
      case Step::Kind::kSendAll:
        for (auto& [number, client] : clients_) client->send_all(step.rest);
        return;
      case Step::Kind::kShutdown:
        for (auto& [number, client] : clients_) client->shut_down();
        return;
      default:
        ADD_FAILURE() << "only a socket can do this; the file needs \"only: socket\"";
    }
  }

  void expect_text(const Step& step) {
    const auto frame = client_of(step).next();
    ASSERT_TRUE(frame) << "nothing came, expected " << step.rest;
    ASSERT_EQ(frame->opcode, Opcode::kText) << "a frame that is not text came";
    if (step.kind == Step::Kind::kExpectText) {
      ASSERT_EQ(frame->payload, step.rest);
      return;
    }
    const std::string found = difference(step.json, Json::parse(frame->payload), bindings_);
    ASSERT_EQ(found, "") << "came: " << frame->payload;
  }

  void expect_close(const Step& step) {
    const auto frame = client_of(step).next();
    ASSERT_TRUE(frame) << "nothing came, expected to be closed";
    ASSERT_EQ(frame->opcode, Opcode::kClose) << "came: " << frame->payload;
    ASSERT_EQ(std::to_string(close_code_of(*frame)), step.first);
  }

  const Dialogue dialogue_;
  const Settings settings_;
  MonoTime now_ = at(0s);
  Counters counters_;
  FakeOwner mirror_{"mirror"};
  TopicHub hub_;
  std::array<TestShard, 2> shards_;
  std::map<std::size_t, std::unique_ptr<DialogueClient>> clients_;
  Bindings bindings_;
};

class SessionDialogueTest : public testing::TestWithParam<std::string> {};

TEST_P(SessionDialogueTest, GoesAsWritten) {
  const auto path = std::filesystem::path(BROADCAST_DIALOGUES) / (GetParam() + ".dialogue");
  SessionPlayer(read_dialogue(path)).play();
}

INSTANTIATE_TEST_SUITE_P(Dialogues, SessionDialogueTest, testing::ValuesIn(session_dialogues()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace broadcast

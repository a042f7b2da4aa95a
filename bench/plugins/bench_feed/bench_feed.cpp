// Topics that publish at the start, unless told otherwise, so that there is a snapshot, and then as
// often as they are told, each message with the time and a number of its own. Every other topic of
// its patterns is silent.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

namespace broadcast {

class BenchFeed : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const auto config = nlohmann::json::parse(json);
    for (const auto& name : config.at("topics")) feeds_.push_back({name.get<std::string>()});
    const auto count = config.at("topic_count").get<int>();
    for (int i = 0; i < count; ++i) {
      feeds_.push_back({config.at("topic_prefix").get<std::string>() + std::to_string(i)});
    }
    publishes_at_once_ = config.at("publish_at_start").get<bool>();
    rate_ = config.at("rate").get<double>();
    tick_ = *parse_duration(config.at("tick").get_ref<const std::string&>());
    payload_bytes_ = config.at("payload_bytes").get<std::size_t>();
    fill_pad();
  }

  void on_start() override {
    begin_ns_ = mono_ns();
    if (publishes_at_once_) {
      for (Feed& feed : feeds_) static_cast<void>(try_publish(feed));
    }
    if (feeds_.empty() || rate_ == 0) return;
    if (tick_.count() > 0) {
      every(tick_, [this] {
        static_cast<void>(publish_due((mono_ns() - begin_ns_) / tick_.count() * tick_.count()));
      });
    } else {
      wait_for_next();
    }
  }

 private:
  struct Feed {
    std::string topic;
    std::uint64_t number = 0;
  };

  // Digits of 16 kinds: deflated, a message becomes about two thirds as large, as prices do.
  void fill_pad() {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::minstd_rand random;
    pad_.resize(payload_bytes_ + kPadStarts);
    std::ranges::generate(pad_, [&] { return kDigits[random() / 7 % kDigits.size()]; });
  }

  /// When message `number` of all topics is due, in nanoseconds since the start.
  [[nodiscard]] std::int64_t due_ns(std::uint64_t number) const {
    const double each_ns = 1e9 / (rate_ * static_cast<double>(feeds_.size()));
    return std::llround(static_cast<double>(number) * each_ns);
  }

  void wait_for_next() {
    wait(std::chrono::nanoseconds(due_ns(published_ + 1) - (mono_ns() - begin_ns_)));
  }
  void wait(std::chrono::nanoseconds delay) {
    after(delay, [this] {
      if (publish_due(mono_ns() - begin_ns_)) return wait_for_next();
      wait(std::chrono::milliseconds(1));
    });
  }

  /// Everything that is due, in turn of all topics: who wakes late loses nothing. False: the host
  /// is full.
  [[nodiscard]] bool publish_due(std::int64_t elapsed_ns) {
    while (!stopping() && due_ns(published_ + 1) <= elapsed_ns) {
      if (!try_publish(feeds_[published_ % feeds_.size()])) return false;
      ++published_;
    }
    return true;
  }

  /// False: the host is full.
  [[nodiscard]] bool try_publish(Feed& feed) {
    write(feed);
    if (publish(feed.topic, payload_) == PublishResult::kBusy) return false;
    ++feed.number;
    return true;
  }

  /// The host writes topic and seq in front: with them it is payload_bytes long, as long as its
  /// numbers are ours.
  void write(const Feed& feed) {
    std::array<char, 20> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), feed.number + 1).ptr;
    const auto number_bytes = static_cast<std::size_t>(end - digits.data());
    payload_.assign(R"({"type":"bench","t":)");
    payload_ += std::to_string(mono_ns());
    payload_.append(R"(,"bseq":)").append(digits.data(), number_bytes).append(R"(,"pad":")");
    const std::size_t in_front =
        std::string_view(R"("topic":"","seq":,)").size() + feed.topic.size() + number_bytes;
    const std::size_t used = in_front + payload_.size() + 2;
    const std::size_t pad = payload_bytes_ > used ? payload_bytes_ - used : 0;
    payload_.append(pad_, feed.number % kPadStarts, pad);
    payload_ += "\"}";
  }

  static constexpr std::size_t kPadStarts = 1024;

  bool publishes_at_once_ = true;
  double rate_ = 0;
  std::chrono::nanoseconds tick_{};
  std::size_t payload_bytes_ = 0;
  std::vector<Feed> feeds_;
  std::string pad_;
  std::string payload_;
  std::int64_t begin_ns_ = 0;
  std::uint64_t published_ = 0;  // by all topics since the start
};

}  // namespace broadcast

// One library has one name and its topics: the second feed of a host is another.
#ifdef BENCH_OTHER_FEED
#define BENCH_FEED_NAME "bench_other"
#define BENCH_FEED_TOPICS R"({"pattern":"other:{name}","delivery":"all"})"
#else
#define BENCH_FEED_NAME "bench_feed"
#define BENCH_FEED_TOPICS                                            \
  R"({"pattern":"bench","delivery":"latest"},)"                      \
  R"({"pattern":"bench:{name}","delivery":"latest"},)"               \
  R"({"pattern":"t{number}","match":"[0-9]+","delivery":"latest"},)" \
  R"({"pattern":"idle","delivery":"latest"},)"                       \
  R"({"pattern":"idle:{name}","delivery":"latest"},)"                \
  R"({"pattern":"benchall","delivery":"all"},)"                      \
  R"({"pattern":"benchall:{name}","delivery":"all"})"
#endif

BROADCAST_PLUGIN(broadcast::BenchFeed, BENCH_FEED_NAME, "1.0.0",
                 R"("topics":[)" BENCH_FEED_TOPICS R"(],
"config":{"type":"object","additionalProperties":false,"properties":{
"topics":{"type":"array","items":{"type":"string"},"default":["bench"],"description":"that publish"},
"topic_count":{"type":"integer","minimum":0,"maximum":20000,"default":0,
"description":"and so many more: topic_prefix with a number from 0"},
"topic_prefix":{"type":"string","default":"t"},
"rate":{"type":"number","minimum":0,"maximum":1000000,"default":100,
"description":"messages a second of each topic; 0: none but the first"},
"publish_at_start":{"type":"boolean","default":true,"description":"one message on each topic"},
"tick":{"type":"string","format":"duration","default":"0ms",
"description":"what is due is published together so often; 0ms: each at its own time"},
"payload_bytes":{"type":"integer","minimum":128,"maximum":262144,"default":300,
"description":"of a message's text, with the topic and the number that the host writes"}}})")

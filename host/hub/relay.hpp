#pragma once
// The owner of the topics under `relay:`: what producers send there is published as it came. An
// object loses `topic` and `seq`, which the host writes, and gets "type":"relay" if it has no type;
// a list becomes {"type":"relay","data":[..]}. Owned by app/server; [any].

#include <functional>
#include <string>
#include <string_view>

#include "host/hub/publisher.hpp"
#include "host/hub/sequencer.hpp"

namespace broadcast {

/// "news:*" and "news:krx": what is relayed, as a pattern of topics. Throws std::invalid_argument
/// that says what is wrong.
[[nodiscard]] TopicPattern relay_pattern(std::string_view text, Delivery delivery);

/// What is published for `json`; empty: neither an object nor a list. REQUIRES: valid JSON.
[[nodiscard]] std::string relayed(std::string_view json);

class Relay final : public TopicOwner {
 public:
  /// As it is called among the broadcasters, where no other may be called so.
  static constexpr std::string_view kName = "relay";

  /// Both outlive the relay.
  Relay(Publisher& publisher, Sequencer& sequencer)
      : publisher_(publisher), sequencer_(sequencer) {}

  [[nodiscard]] std::string_view owner_name() const override { return kName; }
  /// Publishes at once, on the calling thread.
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override;
  void post_demand(std::string_view, std::int64_t) override {}

 private:
  Publisher& publisher_;
  Sequencer& sequencer_;
};

}  // namespace broadcast

#pragma once
// Every message that is published comes through here, whoever publishes it: it is checked, its
// topic is found or made, and its owner must be the one who publishes; then the Sequencer numbers
// it. What is refused is counted. Owned by TopicHub; [any].

#include <string_view>

#include "host/base/counters.hpp"
#include "host/base/limits.hpp"
#include "host/hub/json_checker.hpp"
#include "host/hub/sequencer.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

class Publisher {
 public:
  /// `strict`: plugins.strict. All of them outlive the publisher.
  Publisher(const LiveLimits& limits, bool strict, Counters& counters, TopicTable& topics,
            Sequencer& sequencer);
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Publishes `payload` on a topic that `owner` owns. The text is copied. Never blocks. `position`
  /// is committed together with the message, if positions are kept.
  [[nodiscard]] Published publish(const TopicOwner& owner, std::string_view topic,
                                  std::string_view payload, StreamPosition position = {});
  /// Publishes what the host itself has made on a topic of its own.
  void publish_own(const TopicPtr& topic, std::string_view payload);

 private:
  [[nodiscard]] Published publish_checked(const TopicOwner& owner, std::string_view topic,
                                          std::string_view payload, StreamPosition position);
  void count(const Published& published);

  const LiveLimits& limits_;
  const JsonChecker::Type type_;
  Counters& counters_;
  TopicTable& topics_;
  Sequencer& sequencer_;
  JsonChecker checker_;
};

}  // namespace broadcast

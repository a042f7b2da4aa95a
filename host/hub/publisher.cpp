#include "host/hub/publisher.hpp"

#include <utility>

namespace broadcast {

namespace {

constexpr std::string_view kTableFull = "limits.topics is reached";
constexpr std::string_view kShareFull = "limits.topics_per_broadcaster is reached";

}  // namespace

Publisher::Publisher(const LiveLimits& limits, bool strict, Counters& counters, TopicTable& topics,
                     Sequencer& sequencer)
    : limits_(limits),
      type_(strict ? JsonChecker::Type::kRequired : JsonChecker::Type::kOptional),
      counters_(counters),
      topics_(topics),
      sequencer_(sequencer) {}

Published Publisher::publish(const TopicOwner& owner, std::string_view topic,
                             std::string_view payload, StreamPosition position) {
  const Published published = publish_checked(owner, topic, payload, std::move(position));
  count(published);
  return published;
}

void Publisher::publish_own(const TopicPtr& topic, std::string_view payload) {
  count(sequencer_.sequence(topic, payload, {}));
}

Published Publisher::publish_checked(const TopicOwner& owner, std::string_view topic,
                                     std::string_view payload, StreamPosition position) {
  // Too large is said first, for what a look at the text would cost.
  if (payload.size() > limits_->publish_bytes) return kTooLargeToPublish;
  if (const auto fault = checker_.fault_of_payload(payload, type_)) {
    return {.status = PublishStatus::kInvalid, .problem = words_of(*fault)};
  }
  TopicPtr found = topics_.find(topic);
  if (!found && topics_.owner_of(topic) == &owner) {  // nobody makes topics that another owns
    SubscribeError error{};
    found = topics_.find_or_create(topic, error);
    const bool is_share_full = error == SubscribeError::kTooManyOfOwner;
    if (!found && (is_share_full || error == SubscribeError::kTooManyTopics)) {
      return {.status = PublishStatus::kFull, .problem = is_share_full ? kShareFull : kTableFull};
    }
  }
  if (!found || found->owner != &owner) return {.status = PublishStatus::kDenied};
  return sequencer_.sequence(found, payload, std::move(position));
}

void Publisher::count(const Published& published) {
  if (published.is_too_large) counters_.add(Counter::kLimitPublish);
  switch (published.status) {
    case PublishStatus::kOk:
      return counters_.add(Counter::kMessagesPublished);
    case PublishStatus::kInvalid:
      return counters_.add(Counter::kPublishInvalid);
    case PublishStatus::kBusy:
      return counters_.add(Counter::kPublishBusy);
    case PublishStatus::kFull:
      return counters_.add(Counter::kPublishFull);
    case PublishStatus::kDenied:
      return counters_.add(Counter::kPublishDenied);
  }
}

}  // namespace broadcast

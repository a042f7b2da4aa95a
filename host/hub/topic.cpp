#include "host/hub/topic.hpp"

#include <utility>

namespace broadcast {

void post_new_demand(const Topic& topic, Topic::State& state) {
  if (state.demanded || !state.is_wanted()) return;
  state.demanded = true;
  if (TopicOwner* const owner = topic.owner) owner->post_demand(topic.name, state.subscribers);
}

void end_demand(Topic::State& state) {
  state.demanded = false;
  if (const auto account = std::exchange(state.account, nullptr)) account->give_back_topic();
}

}  // namespace broadcast

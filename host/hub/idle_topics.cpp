#include "host/hub/idle_topics.hpp"

#include <utility>

namespace broadcast {

std::size_t IdleTopics::topics_of(const TopicOwner* owner) const {
  const auto found = shares_.find(owner);
  return found == shares_.end() ? 0 : found->second.topics;
}

std::vector<const TopicOwner*> IdleTopics::owners() const {
  std::vector<const TopicOwner*> owners;
  for (const auto& [owner, share] : shares_) {
    if (owner != nullptr) owners.push_back(owner);
  }
  return owners;
}

void IdleTopics::put(Topic& topic) {
  remove(topic);
  topic.idle_seq = topic.state.with_lock([](const Topic::State& state) { return state.seq; });
  topic.idle_number = ++last_;
  all_.emplace(topic.idle_number, &topic);
  shares_[topic.owner].idle.emplace(topic.idle_number, &topic);
}

void IdleTopics::remove(Topic& topic) {
  const std::uint64_t number = std::exchange(topic.idle_number, 0);
  if (number == 0) return;
  all_.erase(number);
  shares_[topic.owner].idle.erase(number);
}

bool IdleTopics::try_confirm_idle(Topic& topic) {
  bool is_demanded = false;
  std::uint64_t seq = 0;
  topic.state.with_lock([&](const Topic::State& state) {
    is_demanded = state.demanded;
    seq = state.seq;
  });
  if (is_demanded || !topic.evictable) {
    remove(topic);  // and idle again once that is over
    return false;
  }
  if (seq == topic.idle_seq) return true;
  put(topic);
  return false;
}

void IdleTopics::move(Topic& topic, const TopicOwner* from, const TopicOwner* to) {
  Share& before = shares_[from];
  Share& after = shares_[to];
  if (!topic.fixed) {
    --before.topics;
    ++after.topics;
  }
  if (auto idle = before.idle.extract(topic.idle_number)) after.idle.insert(std::move(idle));
}

const IdleTopics::InOrder& IdleTopics::of(const TopicOwner* owner) {
  return owner == nullptr ? all_ : shares_[owner].idle;
}

}  // namespace broadcast

// TopicHub: which topics patterns stand for, and which are given up.

#include <utility>

#include "host/hub/topic_hub.hpp"

namespace broadcast {

std::vector<TopicPtr> TopicHub::next_lot(InOrder Table::*topics, std::string_view prefix,
                                         std::string_view after) const {
  std::vector<TopicPtr> lot;
  table_.with_lock([&](const Table& table) {
    const InOrder& all = table.*topics;
    auto next = after.empty() ? all.lower_bound(prefix) : all.upper_bound(after);
    for (; next != all.end() && lot.size() < kLot; ++next) {
      if (!next->first.starts_with(prefix)) return;
      lot.push_back(*next->second);
    }
  });
  return lot;
}

/// Before the first message on it, which so comes behind its announcement.
void TopicHub::begin(const TopicPtr& topic) {
  table_.with_lock([&](Table& table) {
    topic->state.with_lock([&](Topic::State& state) {
      if (topic->begun.exchange(true)) return;
      if (state.seq == 0 && !state.demanded) state.offered = true;
      if (!topic->listed) list(table, topic, state);
      tell_demand(*topic, state);
    });
  });
}

void TopicHub::list(Table& table, const TopicPtr& topic, Topic::State& state) {
  topic->listed = true;
  table.listed.emplace(topic->name, &table.topics.find(topic->name)->second);
  ShardSet watching;
  any_branch(topic->name, [&](std::string_view prefix) {
    const auto watch = table.watches.find(prefix);
    if (watch != table.watches.end()) watching |= watch->second;
    return false;
  });
  announce_to(watching, *topic, state);
  tell_demand(*topic, state);
}

/// Those who are subscribed by a pattern leave it; should it be published on again, it is announced
/// to them again.
void TopicHub::unlist(Table& table, const TopicPtr& topic) {
  topic->state.with_lock([&](Topic::State& state) {
    if (topic->listed.exchange(false)) table.listed.erase(topic->name);
    topic->begun = false;
    announce_to(shards_of(state), *topic, state);
  });
}

/// It is idle from now on, or will be once its demand is over.
void TopicHub::put_idle(Table& table, Topic& topic) {
  if (topic.idle_number != 0) table.idle.erase(topic.idle_number);
  topic.idle_number = ++table.last_idle;
  table.idle.emplace(topic.idle_number, &topic);
}

/// Gives up the `most` that have been idle for longest; says how many are gone. One that a shard
/// still has, because of a pattern or for a moment, is gone the next time.
std::size_t TopicHub::give_up_idle(Table& table, std::size_t most) {
  std::size_t gone = 0;
  std::size_t given_up = 0;
  auto next = table.idle.begin();
  for (std::size_t i = 0; i < kLot && next != table.idle.end() && given_up < most; ++i) {
    Topic& topic = *next->second;
    const bool is_demanded =
        topic.state.with_lock([](const Topic::State& state) { return state.demanded; });
    if (is_demanded || !topic.evictable) {
      topic.idle_number = 0;  // and idle again once that is over
      next = table.idle.erase(next);
      continue;
    }
    ++next;
    ++given_up;
    const TopicPtr& shared = table.topics.find(topic.name)->second;
    unlist(table, shared);
    // 1: only the table knows it, and copies are only made of others', or under this lock.
    if (shared.use_count() > 1) continue;
    erase(table, topic);
    ++gone;
  }
  return gone;
}

void TopicHub::erase(Table& table, Topic& topic) {
  table.idle.erase(topic.idle_number);
  table.in_order.erase(topic.name);
  table.listed.erase(topic.name);
  table.topics.erase(table.topics.find(topic.name));
}

}  // namespace broadcast

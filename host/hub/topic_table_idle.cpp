// TopicTable: how many topics there may be, and which are given up.

#include <utility>

#include <broadcast/topic_matcher.hpp>

#include "host/hub/topic_table.hpp"

namespace broadcast {

/// Somebody besides the table has it. Copies are only made of others', or under the table's lock.
bool TopicTable::is_held(const Table& table, const Topic& topic) {
  return table.topics.find(topic.name)->second.use_count() > 1;
}

void TopicTable::put_idle(std::span<const TopicPtr> topics) {
  table_.with_lock([&](Table& table) {
    for (const TopicPtr& topic : topics) {
      if (topic->evictable) table.idle.put(*topic);
    }
  });
}

/// One that nobody has, not even by a pattern.
bool TopicTable::try_give_up_one(Table& table, const IdleTopics::InOrder& idle) {
  for (std::size_t i = 0; i < 4 * kLot && !idle.empty(); ++i) {
    Topic& topic = *idle.begin()->second;
    if (!table.idle.try_confirm_idle(topic)) continue;
    if (!is_held(table, topic)) {
      erase(table, topic);
      return true;
    }
    table.idle.put(topic);  // so that the next call comes to those behind it
  }
  return false;
}

/// Down to nine tenths of what there may be: in all, and of each owner.
void TopicTable::give_up_idle() {
  std::vector<Sweep> sweeps(1);
  table_.with_lock([&](Table& table) {
    ++table.give_ups;
    for (const TopicOwner* const owner : table.idle.owners()) sweeps.push_back({.owner = owner});
    // What one of them puts behind all others is not seen by the next.
    for (Sweep& sweep : sweeps) sweep.end = table.idle.last();
  });
  for (Sweep& sweep : sweeps) {
    table_.with_lock([&](Table& table) { begin_sweep(table, sweep); });
    while (sweep.left > 0) {
      table_.with_lock([&](Table& table) { give_up_lot(table, sweep); });
    }
  }
}

void TopicTable::begin_sweep(Table& table, Sweep& sweep) const {
  const TopicOwner* const owner = sweep.owner;
  const std::size_t topics = owner != nullptr ? table.idle.topics_of(owner) : table.counted();
  const std::size_t most = owner != nullptr ? most_of(table, *owner) : limits_->topics;
  const std::size_t wanted = most - most / 10;
  if (topics >= wanted) sweep.left = topics - wanted + 1;
}

/// One that a shard still has, because of a pattern or for a moment, is gone the next time.
void TopicTable::give_up_lot(Table& table, Sweep& sweep) {
  const IdleTopics::InOrder& idle = table.idle.of(sweep.owner);
  for (std::size_t i = 0; i < kLot && sweep.left > 0; ++i) {
    const auto next = idle.upper_bound(sweep.reached);
    if (next == idle.end() || next->first > sweep.end) {
      sweep.left = 0;
      return;
    }
    Topic& topic = *next->second;
    sweep.reached = next->first;
    if (!table.idle.try_confirm_idle(topic)) continue;
    if (!is_held(table, topic)) {
      erase(table, topic);
      --sweep.left;
      continue;
    }
    if (topic.listed) {
      unlist(table, table.topics.find(topic.name)->second);
      topic.given_up = table.give_ups;
    }
    if (topic.given_up == table.give_ups) --sweep.left;  // by this sweep or the one before
  }
}

std::size_t TopicTable::most_of(const Table& table, const TopicOwner& owner) const {
  const auto own = table.topics_of.find(owner.owner_name());
  if (own != table.topics_of.end()) return own->second;
  const std::size_t topics = limits_->topics;
  const std::size_t most = limits_->topics_per_broadcaster;
  if (most > 0) return most;
  return table.claims.has_others_with_placeholder(owner) ? (topics + 1) / 2 : topics;
}

/// For one more of `owner`, or of nobody. What it says is counted.
std::optional<SubscribeError> TopicTable::try_make_room(Table& table, const TopicOwner* owner) {
  const bool is_table_full = table.counted() >= limits_->topics;
  const bool is_share_full =
      owner != nullptr && table.idle.topics_of(owner) >= most_of(table, *owner);
  if (!is_table_full && !is_share_full) return std::nullopt;
  if (try_give_up_one(table, table.idle.of(is_share_full ? owner : nullptr))) return std::nullopt;
  counters_.add(is_table_full ? Counter::kLimitTopics : Counter::kLimitTopicsPerBroadcaster);
  return is_table_full ? SubscribeError::kTooManyTopics : SubscribeError::kTooManyOfOwner;
}

TopicTable::Forgotten TopicTable::forget(std::string_view name) {
  std::vector<std::string> names;
  if (name.ends_with('*')) {
    name.remove_suffix(1);
    for_each(name, [&](const TopicPtr& topic) {
      names.push_back(topic->name);
      return true;
    });
  } else if (find(name)) {
    names.emplace_back(name);
  }
  Forgotten forgotten;
  for (std::string& each : names) {
    std::string why = table_.with_lock([&](Table& table) { return try_forget(table, each); });
    if (why.empty()) {
      ++forgotten.topics;
    } else {
      forgotten.kept.push_back({std::move(each), std::move(why)});
    }
  }
  return forgotten;
}

/// Says why not; empty: it is gone, or will be by finish_forgetting().
std::string TopicTable::try_forget(Table& table, std::string_view name) {
  const auto found = table.topics.find(name);
  if (found == table.topics.end()) return {};  // meanwhile
  const TopicPtr& topic = found->second;
  if (name.starts_with(kStatusPrefix)) return "it is the host's own";
  if (const TopicOwner* const owner = topic->owner) {
    return "it belongs to " + std::string(owner->owner_name());
  }
  std::string why = topic->state.with_lock([](Topic::State& state) -> std::string {
    if (state.named > 0) {
      return "somebody is subscribed to it by name (" + std::to_string(state.named) + ")";
    }
    if (state.lingering) return "somebody was subscribed to it a moment ago; try again in a minute";
    state.offered = false;  // so that those who leave its pattern are no demand that lingers
    end_demand(state);
    return {};
  });
  if (!why.empty()) return why;
  unlist(table, topic);
  if (is_held(table, *topic)) {
    table.forgotten.emplace_back(name);
  } else {
    erase(table, *topic);
  }
  return {};
}

/// A topic is forgotten once nobody has it: no shard that still drops those by a pattern, and no
/// message on its way.
void TopicTable::finish_forgetting(Table& table) {
  std::erase_if(table.forgotten, [&](const std::string& name) {
    const auto found = table.topics.find(name);
    if (found == table.topics.end()) return true;
    const bool is_owned = found->second->owner != nullptr;
    const bool stays = found->second->state.with_lock([&](Topic::State& state) {
      const bool is_wanted = state.named > 0 || state.lingering;
      if (is_owned && !state.was_named) state.offered = true;  // as before it was forgotten
      return is_owned || is_wanted;
    });
    if (stays) return true;
    if (is_held(table, *found->second)) return false;
    erase(table, *found->second);
    return true;
  });
}

/// Of an `all` topic its numbers stay behind, for when it comes back.
void TopicTable::erase(Table& table, Topic& topic) {
  topic.state.with_lock([&](const Topic::State& state) {
    if (topic.delivery != Delivery::kAll || state.seq == 0) return;
    if (store_ != nullptr) store_->post_forgotten(topic.name);
    table.restorable.insert_or_assign(topic.name, StoredTopic{.name = topic.name,
                                                              .epoch = topic.epoch(),
                                                              .delivery = Delivery::kAll,
                                                              .seq = state.seq,
                                                              .messages = {}});
  });
  table.idle.remove(topic);
  if (topic.fixed) {
    --table.fixed;
  } else {
    table.idle.count_one_less(topic.owner);
  }
  table.in_order.erase(topic.name);
  table.listed.erase(topic.name);
  table.topics.erase(table.topics.find(topic.name));
}

}  // namespace broadcast

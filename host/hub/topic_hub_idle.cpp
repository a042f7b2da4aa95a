// TopicHub: which topics patterns stand for, how many there may be, and which are given up.

#include <algorithm>
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
      if (state.seq == 0 && !state.was_named) state.offered = true;
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
  end_idle(table, topic);
  topic.idle_seq = topic.state.with_lock([](const Topic::State& state) { return state.seq; });
  topic.idle_number = ++table.last_idle;
  table.idle.emplace(topic.idle_number, &topic);
  table.shares[topic.owner].idle.emplace(topic.idle_number, &topic);
}

void TopicHub::end_idle(Table& table, Topic& topic) {
  const std::uint64_t number = std::exchange(topic.idle_number, 0);
  if (number == 0) return;
  table.idle.erase(number);
  table.shares[topic.owner].idle.erase(number);
}

/// Whether an idle topic may be given up now. One that is in demand is idle no more, and one that
/// was published on since it became idle stands behind all others.
bool TopicHub::is_worn_out(Table& table, Topic& topic) {
  bool is_demanded = false;
  std::uint64_t seq = 0;
  topic.state.with_lock([&](const Topic::State& state) {
    is_demanded = state.demanded;
    seq = state.seq;
  });
  if (is_demanded || !topic.evictable) {
    end_idle(table, topic);  // and idle again once that is over
    return false;
  }
  if (seq == topic.idle_seq) return true;
  put_idle(table, topic);
  return false;
}

/// Nobody but the table has it. Copies are only made of others', or under the table's lock.
bool TopicHub::is_held(const Table& table, const Topic& topic) {
  return table.topics.find(topic.name)->second.use_count() > 1;
}

/// One that nobody has, not even by a pattern.
bool TopicHub::try_give_up_one(Table& table, Idle& idle) {
  for (std::size_t i = 0; i < 4 * kLot && !idle.empty(); ++i) {
    Topic& topic = *idle.begin()->second;
    if (!is_worn_out(table, topic)) continue;
    if (!is_held(table, topic)) {
      erase(table, topic);
      return true;
    }
    put_idle(table, topic);  // so that the next call comes to those behind it
  }
  return false;
}

/// Down to nine tenths of what there may be: in all, and of each owner.
void TopicHub::give_up_idle() {
  std::vector<Sweep> sweeps(1);
  table_.with_lock([&](Table& table) {
    ++table.give_ups;
    for (const auto& [owner, share] : table.shares) {
      if (owner != nullptr) sweeps.push_back({.owner = owner});
    }
    // What one of them puts behind all others is not seen by the next.
    for (Sweep& sweep : sweeps) sweep.end = table.last_idle;
  });
  for (Sweep& sweep : sweeps) {
    table_.with_lock([&](Table& table) { begin_sweep(table, sweep); });
    while (sweep.left > 0) {
      table_.with_lock([&](Table& table) { give_up_lot(table, sweep); });
    }
  }
}

void TopicHub::begin_sweep(Table& table, Sweep& sweep) const {
  const TopicOwner* const owner = sweep.owner;
  const std::size_t topics = owner != nullptr ? table.shares[owner].topics : table.counted();
  const std::size_t most = owner != nullptr ? most_of(table, *owner) : limits_.topics.load();
  const std::size_t wanted = most - most / 10;
  if (topics >= wanted) sweep.left = topics - wanted + 1;
}

/// One that a shard still has, because of a pattern or for a moment, is gone the next time.
void TopicHub::give_up_lot(Table& table, Sweep& sweep) {
  Idle& idle = sweep.owner ? table.shares[sweep.owner].idle : table.idle;
  for (std::size_t i = 0; i < kLot && sweep.left > 0; ++i) {
    const auto next = idle.upper_bound(sweep.reached);
    if (next == idle.end() || next->first > sweep.end) {
      sweep.left = 0;
      return;
    }
    Topic& topic = *next->second;
    sweep.reached = next->first;
    if (!is_worn_out(table, topic)) continue;
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

std::size_t TopicHub::most_of(const Table& table, const TopicOwner& owner) const {
  const auto own = table.topics_of.find(owner.owner_name());
  if (own != table.topics_of.end()) return own->second;
  const std::size_t topics = limits_.topics;
  const std::size_t most = limits_.topics_per_owner;
  if (most > 0) return most;
  const bool has_others = std::ranges::any_of(table.claims, [&](const Claim& claim) {
    return claim.owner != &owner && claim.pattern.has_placeholder();
  });
  return has_others ? (topics + 1) / 2 : topics;
}

/// For one more of `owner`, or of nobody. What it says is counted.
std::optional<TopicHub::JoinError> TopicHub::try_make_room(Table& table, const TopicOwner* owner) {
  const bool is_table_full = table.counted() >= limits_.topics;
  Share& share = table.shares[owner];
  const bool is_share_full = owner != nullptr && share.topics >= most_of(table, *owner);
  if (!is_table_full && !is_share_full) return std::nullopt;
  if (try_give_up_one(table, is_share_full ? share.idle : table.idle)) return std::nullopt;
  counters_.add(is_table_full ? Counter::kLimitTopics : Counter::kLimitTopicsPerBroadcaster);
  return is_table_full ? JoinError::kTooManyTopics : JoinError::kTooManyOfOwner;
}

void TopicHub::set_owner(Table& table, Topic& topic, TopicOwner* owner) {
  TopicOwner* const before = topic.owner.exchange(owner);
  if (before == owner) return;
  Share& from = table.shares[before];
  Share& to = table.shares[owner];
  if (!topic.fixed) {
    --from.topics;
    ++to.topics;
  }
  if (auto idle = from.idle.extract(topic.idle_number)) to.idle.insert(std::move(idle));
}

TopicHub::Forgotten TopicHub::forget(std::string_view name) {
  std::vector<std::string> names;
  if (name.ends_with('*')) {
    name.remove_suffix(1);
    for_each_topic(&Table::in_order, name, [&](const TopicPtr& topic) {
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
std::string TopicHub::try_forget(Table& table, std::string_view name) {
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
void TopicHub::finish_forgetting(Table& table) {
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
void TopicHub::erase(Table& table, Topic& topic) {
  topic.state.with_lock([&](const Topic::State& state) {
    if (topic.delivery != Delivery::kAll || state.seq == 0) return;
    if (store_ != nullptr) store_->post_forgotten(topic.name);
    table.restorable.insert_or_assign(topic.name, StoredTopic{.name = topic.name,
                                                              .epoch = topic.epoch(),
                                                              .delivery = Delivery::kAll,
                                                              .seq = state.seq,
                                                              .messages = {}});
  });
  end_idle(table, topic);
  --(topic.fixed ? table.fixed : table.shares[topic.owner].topics);
  table.in_order.erase(topic.name);
  table.listed.erase(topic.name);
  table.topics.erase(table.topics.find(topic.name));
}

}  // namespace broadcast

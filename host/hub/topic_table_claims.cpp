// TopicTable: who owns which topic, and what follows from that for its delivery.

#include <utility>

#include <broadcast/topic_matcher.hpp>

#include "host/hub/topic_table.hpp"

namespace broadcast {

namespace {

bool has_numbers(const Topic& topic) {
  return topic.state.with_lock(
      [](const Topic::State& state) { return state.seq > 0 || state.last != nullptr; });
}

}  // namespace

std::optional<ClaimConflict> TopicTable::try_claim(TopicOwner& owner, std::string_view library,
                                                   const std::vector<TopicPattern>& patterns) {
  return table_.with_lock([&](Table& table) -> std::optional<ClaimConflict> {
    if (table.claims.try_renew(owner, library, patterns)) return std::nullopt;
    if (auto conflict = conflict_of(table, owner, patterns)) return conflict;
    table.claims.set(owner, library, patterns);
    assign_owners(table, owner);
    for (const TopicPattern& pattern : patterns) {
      restore_claimed(table, pattern, owner);
      // There from the start, so that clients cannot fill the table before a broadcaster publishes.
      if (pattern.has_placeholder() || table.topics.contains(pattern.text())) continue;
      insert(table, pattern.text(), pattern.delivery(), &owner, false);
    }
    const std::string status = std::string(kStatusPrefix) + std::string(owner.owner_name());
    if (!table.topics.contains(status)) insert(table, status, Delivery::kLatest, nullptr, false);
    return std::nullopt;
  });
}

std::optional<ClaimConflict> TopicTable::conflict_of(const Table& table, const TopicOwner& owner,
                                                     const std::vector<TopicPattern>& patterns) {
  if (auto conflict = table.claims.conflict_of(owner, patterns)) return conflict;
  for (const auto& [name, topic] : table.topics) {
    const bool is_free = topic->owner == nullptr || topic->owner == &owner;
    if (!is_free || name.starts_with(kStatusPrefix)) continue;
    const TopicPattern* best = nullptr;
    for (const TopicPattern& pattern : patterns) {
      if (!pattern.accepts(name)) continue;
      if (best == nullptr || pattern.rank() > best->rank()) best = &pattern;
    }
    if (best != nullptr && best->delivery() != topic->delivery && has_numbers(*topic)) {
      return ClaimConflict{best->text(), "", "", name};
    }
  }
  return std::nullopt;
}

/// Topics that nobody owns, or `owner` does, go to whoever claims them now.
void TopicTable::assign_owners(Table& table, const TopicOwner& owner) {
  for (const auto& entry : table.topics) {
    const TopicPtr& topic = entry.second;
    if (topic->owner != nullptr && topic->owner != &owner) continue;
    const Claim* claim = table.claims.claim_of(topic->name);
    // One that has numbers waits for an owner that delivers it as before.
    const bool fits =
        claim != nullptr && (claim->pattern.delivery() == topic->delivery || !has_numbers(*topic));
    if (fits) set_delivery(*topic, claim->pattern.delivery());  // before it can be published on
    set_owner(table, *topic, fits ? claim->owner : nullptr);
    if (!fits) continue;
    if (claim->pattern.has_placeholder()) continue;
    topic->evictable = false;
    if (std::exchange(topic->fixed, true)) continue;
    ++table.fixed;
    table.idle.count_one_less(topic->owner);
    topic->state.with_lock([&](Topic::State& state) {
      state.offered = true;
      if (const auto account = std::exchange(state.account, nullptr)) account->give_back_topic();
      if (!topic->listed) list_for_patterns(table, topic, state);
      post_new_demand(*topic, state);
    });
  }
}

/// Of a topic that somebody serves from now on: what it is delivered by, and what follows from that
/// for its epoch. Its subscribers are told before its first message.
void TopicTable::set_delivery(Topic& topic, Delivery delivery) {
  const bool keeps_epoch = delivery == Delivery::kAll;
  if (topic.delivery == delivery && topic.keeps_epoch == keeps_epoch) return;
  topic.state.with_lock([&](Topic::State& state) {
    // With numbers, or a last value, its delivery stays, and so does its epoch.
    if (state.seq > 0 || state.last) return;
    topic.delivery = delivery;
    if (topic.keeps_epoch.exchange(keeps_epoch) == keeps_epoch) return;
    fanout_.announce(Fanout::subscribed(state), topic, state);
  });
}

void TopicTable::set_owner(Table& table, Topic& topic, TopicOwner* owner) {
  TopicOwner* const before = topic.owner.exchange(owner);
  if (before != owner) table.idle.move(topic, before, owner);
}

}  // namespace broadcast

#include "host/hub/topic_table.hpp"

#include <random>
#include <utility>

#include <broadcast/topic_matcher.hpp>

#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

std::uint64_t random_word() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

/// Eight letters and digits.
std::string epoch_of(std::uint64_t word) {
  static constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string epoch(8, '0');
  for (char& c : epoch) {
    c = kAlphabet[word % kAlphabet.size()];
    word /= kAlphabet.size();
  }
  return epoch;
}

/// It says: these numbers continue nothing.
std::string new_epoch() { return epoch_of(random_word()); }

std::string head_of(std::string_view topic) {
  std::string head = R"({"topic":)";
  append_quoted(head, topic);
  head += R"(,"seq":)";
  return head;
}

}  // namespace

SubscribeError error_of(Account::Refusal refusal) {
  return refusal == Account::Refusal::kConnection ? SubscribeError::kTooManyOfConnection
                                                  : SubscribeError::kTooManyOfAddress;
}

TopicTable::TopicTable(const HubOptions& options, const LiveLimits& limits, Counters& counters,
                       Fanout& fanout)
    : options_(options),
      limits_(limits),
      counters_(counters),
      fanout_(fanout),
      epoch_key_{random_word(), random_word()} {
  set_options(options);
}

void TopicTable::set_options(const HubOptions& options) {
  table_.with_lock([&](Table& table) {
    table.topics_of = options.topics_of;
    table.accept_unknown = options.accept_unknown;
  });
}

TopicPtr TopicTable::find(std::string_view name) const {
  return table_.with_lock([&](const Table& table) {
    const auto found = table.topics.find(name);
    return found == table.topics.end() ? TopicPtr() : found->second;
  });
}

TopicPtr TopicTable::find_or_create(std::string_view name, SubscribeError& error,
                                    const Asker& asker) {
  return table_.with_lock([&](Table& table) -> TopicPtr {
    const auto found = table.topics.find(name);
    if (found != table.topics.end()) {
      error = SubscribeError::kRateOfAll;
      return asker.wants_latest && found->second->delivery == Delivery::kAll ? nullptr
                                                                             : found->second;
    }
    if (!is_topic_name(name, limits_->topic_name_bytes)) {
      error = SubscribeError::kInvalidName;
      return nullptr;
    }
    const Claim* const claim = table.claims.claim_of(name);
    if (claim == nullptr && (!table.accept_unknown || name.starts_with(kStatusPrefix))) {
      error = SubscribeError::kUnknownTopic;
      return nullptr;
    }
    if (asker.wants_latest && claim != nullptr && claim->pattern.delivery() == Delivery::kAll) {
      error = SubscribeError::kRateOfAll;
      return nullptr;
    }
    if (asker.account != nullptr) {
      if (const auto refused = (*asker.account)->refusal()) {
        error = error_of(*refused);
        return nullptr;
      }
    }
    if (const auto refused = try_make_room(table, claim == nullptr ? nullptr : claim->owner)) {
      error = *refused;
      return nullptr;
    }
    if (claim == nullptr) {
      // Its owner may come again: stored numbers go on as they were.
      const auto stored = table.restorable.find(name);
      const bool is_stored = stored != table.restorable.end();
      return insert(table, name, is_stored ? stored->second.delivery : Delivery::kLatest, nullptr,
                    true);
    }
    // Of a pattern with a placeholder: the others are there since they were claimed.
    return insert(table, name, claim->pattern.delivery(), claim->owner, true);
  });
}

TopicPtr TopicTable::find_or_create_own(std::string_view name) {
  return table_.with_lock([&](Table& table) {
    const auto found = table.topics.find(name);
    if (found != table.topics.end()) return found->second;
    return insert(table, name, Delivery::kLatest, nullptr, false);
  });
}

TopicOwner* TopicTable::owner_of(std::string_view name) const {
  return table_.with_lock([&](const Table& table) -> TopicOwner* {
    const auto found = table.topics.find(name);
    if (found != table.topics.end()) return found->second->owner;
    if (!is_topic_name(name, limits_->topic_name_bytes)) return nullptr;
    const Claim* const claim = table.claims.claim_of(name);
    return claim == nullptr ? nullptr : claim->owner;
  });
}

std::string TopicTable::derived_epoch(std::string_view topic) const {
  return epoch_of(siphash(epoch_key_, topic));
}

TopicPtr TopicTable::insert(Table& table, std::string_view name, Delivery delivery,
                            TopicOwner* owner, bool evictable) {
  const auto known = table.restorable.find(name);
  const bool is_known = known != table.restorable.end();
  const StoredTopic* const stored =
      is_known && known->second.delivery == delivery ? &known->second : nullptr;
  // Numbers of `all` topics go on; those of `latest` ones were not all kept.
  const bool goes_on = stored != nullptr && delivery == Delivery::kAll;
  const bool is_unserved = owner == nullptr && evictable;
  // What the store knows of it may have used up the epoch that is derived from its name alone.
  std::string kept = goes_on    ? stored->epoch
                     : is_known ? derived_epoch(std::string(name) + '\n' + known->second.epoch)
                                : derived_epoch(name);
  TopicPtr topic(new Topic{.id = ++table.last_id,
                           .name = std::string(name),
                           .head = head_of(name),
                           .epochs = {.kept = std::move(kept), .passing = new_epoch()},
                           .delivery = delivery,
                           .owner = owner,
                           .evictable = evictable && !goes_on,
                           .fixed = !evictable,
                           .keeps_epoch = delivery == Delivery::kAll || (is_unserved && !stored)});
  const auto entry = table.topics.emplace(topic->name, topic).first;
  table.in_order.emplace(topic->name, &entry->second);
  topic->state.with_lock([&](Topic::State& state) {
    state.shards.resize(fanout_.shards());
    if (stored != nullptr) restore(*topic, state, *stored);
    state.offered = topic->fixed || goes_on;
    if (state.offered || state.last) list_for_patterns(table, topic, state);
  });
  if (stored != nullptr) table.restorable.erase(known);
  if (topic->fixed) {
    ++table.fixed;
  } else {
    table.idle.count_one_more(owner);
  }
  if (topic->evictable) table.idle.put(*topic);
  return topic;
}

bool TopicTable::try_watch(std::string_view prefix, std::size_t shard) {
  return table_.with_lock([&](Table& table) {
    const auto first = table.in_order.lower_bound(prefix);
    const bool is_served = table.accept_unknown ||
                           (first != table.in_order.end() && first->first.starts_with(prefix)) ||
                           table.claims.may_begin_with(prefix);
    if (is_served) table.watches[std::string(prefix)].set(shard);
    return is_served;
  });
}

void TopicTable::unwatch(std::string_view prefix, std::size_t shard) {
  table_.with_lock([&](Table& table) {
    const auto found = table.watches.find(prefix);
    if (found != table.watches.end() && found->second.reset(shard).none()) {
      table.watches.erase(found);
    }
  });
}

void TopicTable::begin(const TopicPtr& topic) {
  table_.with_lock([&](Table& table) {
    topic->state.with_lock([&](Topic::State& state) {
      if (topic->begun.exchange(true)) return;
      if (state.seq == 0 && !state.was_named) state.offered = true;
      if (!topic->listed) list_for_patterns(table, topic, state);
      post_new_demand(*topic, state);
    });
  });
}

void TopicTable::list_for_patterns(Table& table, const TopicPtr& topic, Topic::State& state) {
  topic->listed = true;
  table.listed.emplace(topic->name, &table.topics.find(topic->name)->second);
  ShardSet watching;
  any_branch(topic->name, [&](std::string_view prefix) {
    const auto watch = table.watches.find(prefix);
    if (watch != table.watches.end()) watching |= watch->second;
    return false;
  });
  fanout_.announce(watching, *topic, state);
  post_new_demand(*topic, state);
}

/// Those who are subscribed by a pattern leave it; should it be published on again, it is announced
/// to them again.
void TopicTable::unlist(Table& table, const TopicPtr& topic) {
  topic->state.with_lock([&](Topic::State& state) {
    if (topic->listed.exchange(false)) table.listed.erase(topic->name);
    topic->begun = false;
    fanout_.announce(Fanout::subscribed(state), *topic, state);
  });
}

std::vector<TopicPtr> TopicTable::next_lot(InOrder Table::*topics, std::string_view prefix,
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

std::vector<TopicTable::View> TopicTable::list() const {
  std::vector<View> views;
  for_each("", [&](const TopicPtr& topic) {
    const TopicOwner* const owner = topic->owner;
    View& view =
        views.emplace_back(View{.name = topic->name,
                                .owner = owner == nullptr ? "" : std::string(owner->owner_name()),
                                .delivery = topic->delivery,
                                .epoch = topic->epoch()});
    topic->state.with_lock([&](const Topic::State& state) {
      view.seq = state.delivered_seq;
      view.subscribers = state.subscribers;
    });
    return true;
  });
  return views;
}

void TopicTable::on_tick() {
  table_.with_lock([&](Table& table) { finish_forgetting(table); });
  give_up_idle();
}

}  // namespace broadcast

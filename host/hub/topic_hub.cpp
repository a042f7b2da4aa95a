#include "host/hub/topic_hub.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <broadcast/topic_matcher.hpp>

#include "host/base/assert.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kTooLarge = "it is larger than limits.publish";
constexpr std::string_view kTableFull = "limits.topics is reached";
constexpr std::string_view kShareFull = "limits.topics_per_broadcaster is reached";

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

TopicHub::TopicHub(const Options& options, Counters& counters)
    : options_(options), counters_(counters), epoch_key_{random_word(), random_word()} {
  set_limits(options);
}

TopicHub::~TopicHub() {
  if (store_ != nullptr) store_->stop();  // its thread must not tell who is gone
}

void TopicHub::set_limits(const Options& options) {
  limits_.publish_bytes = options.publish_bytes;
  limits_.topics = options.topics;
  limits_.topics_per_owner = options.topics_per_owner;
  table_.with_lock([&](Table& table) { table.topics_of = options.topics_of; });
  limits_.topic_name_bytes = options.topic_name_bytes;
  limits_.accept_unknown = options.accept_unknown;
}

std::size_t TopicHub::add_shard(Inbox& inbox) {
  BROADCAST_ASSERT(inboxes_.size() < kMaxShards, "more shards than the hub can address");
  inboxes_.push_back(&inbox);
  return inboxes_.size() - 1;
}

std::string TopicHub::Conflict::text() const {
  if (delivered.empty()) {
    return "topic \"" + pattern + "\" is already owned by " + owner + " (" + owner_library + ")";
  }
  return "topic \"" + pattern + "\" would change the delivery of \"" + delivered +
         "\", which already has numbers";
}

std::optional<TopicHub::Conflict> TopicHub::conflict_of(const Table& table, const TopicOwner& owner,
                                                        const std::vector<TopicPattern>& patterns) {
  for (const TopicPattern& pattern : patterns) {
    if (pattern.text().starts_with(kStatusPrefix)) {
      return Conflict{pattern.text(), "the host", "built in", ""};
    }
    for (const Claim& claim : table.claims) {
      if (claim.owner == &owner || !pattern.overlaps(claim.pattern)) continue;
      return Conflict{pattern.text(), std::string(claim.owner->owner_name()), claim.library, ""};
    }
  }
  for (const auto& [name, topic] : table.topics) {
    const bool is_free = topic->owner == nullptr || topic->owner == &owner;
    if (!is_free || name.starts_with(kStatusPrefix)) continue;
    const TopicPattern* best = nullptr;
    for (const TopicPattern& pattern : patterns) {
      if (!pattern.accepts(name)) continue;
      if (best == nullptr || pattern.rank() > best->rank()) best = &pattern;
    }
    if (best != nullptr && best->delivery() != topic->delivery && has_numbers(*topic)) {
      return Conflict{best->text(), "", "", name};
    }
  }
  return std::nullopt;
}

bool TopicHub::has_numbers(const Topic& topic) {
  return topic.state.with_lock(
      [](const Topic::State& state) { return state.seq > 0 || state.last != nullptr; });
}

std::optional<TopicHub::Conflict> TopicHub::try_claim(TopicOwner& owner, std::string_view library,
                                                      const std::vector<TopicPattern>& patterns) {
  return table_.with_lock([&](Table& table) -> std::optional<Conflict> {
    std::vector<TopicPattern> had;
    for (const Claim& claim : table.claims) {
      if (claim.owner == &owner) had.push_back(claim.pattern);
    }
    if (!had.empty() && had == patterns) {
      for (Claim& claim : table.claims) {
        if (claim.owner == &owner) claim.library = library;
      }
      return std::nullopt;
    }
    if (auto conflict = conflict_of(table, owner, patterns)) return conflict;
    std::erase_if(table.claims, [&](const Claim& claim) { return claim.owner == &owner; });
    for (const TopicPattern& pattern : patterns) {
      table.claims.push_back({pattern, &owner, std::string(library)});
    }
    hand_out(table, owner);
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

TopicPtr TopicHub::find(std::string_view topic) const {
  return table_.with_lock([&](const Table& table) {
    const auto found = table.topics.find(topic);
    return found == table.topics.end() ? TopicPtr() : found->second;
  });
}

const TopicHub::Claim* TopicHub::claim_of(const Table& table, std::string_view topic) {
  if (topic.starts_with(kStatusPrefix)) return nullptr;  // also if a claimed "st{x}" accepts it
  const Claim* best = nullptr;
  for (const Claim& claim : table.claims) {
    if (!claim.pattern.accepts(topic)) continue;
    if (best == nullptr || claim.pattern.rank() > best->pattern.rank()) best = &claim;
  }
  return best;
}

void TopicHub::hand_out(Table& table, const TopicOwner& owner) {
  for (const auto& entry : table.topics) {
    const TopicPtr& topic = entry.second;
    if (topic->owner != nullptr && topic->owner != &owner) continue;
    const Claim* claim = claim_of(table, topic->name);
    // One that has numbers waits for somebody who delivers it as before.
    const bool fits =
        claim != nullptr && (claim->pattern.delivery() == topic->delivery || !has_numbers(*topic));
    if (fits) set_delivery(*topic, claim->pattern.delivery());  // before it can be published on
    set_owner(table, *topic, fits ? claim->owner : nullptr);
    if (!fits) continue;
    if (claim->pattern.has_placeholder()) continue;
    topic->evictable = false;
    if (std::exchange(topic->fixed, true)) continue;
    ++table.fixed;
    --table.shares[topic->owner].topics;
    topic->state.with_lock([&](Topic::State& state) {
      state.offered = true;
      if (const auto account = std::exchange(state.account, nullptr)) account->give_back_topic();
      if (!topic->listed) list(table, topic, state);
      tell_demand(*topic, state);
    });
  }
}

/// Of a topic that somebody serves from now on: what it is delivered by, and what follows from that
/// for its epoch. Those who listen are told before its first message.
void TopicHub::set_delivery(Topic& topic, Delivery delivery) {
  const bool keeps_epoch = delivery == Delivery::kAll;
  if (topic.delivery == delivery && topic.keeps_epoch == keeps_epoch) return;
  topic.state.with_lock([&](Topic::State& state) {
    // With numbers, or a last value, its delivery stays, and so does its epoch.
    if (state.seq > 0 || state.last) return;
    topic.delivery = delivery;
    if (topic.keeps_epoch.exchange(keeps_epoch) == keeps_epoch) return;
    announce_to(shards_of(state), topic, state);
  });
}

std::string TopicHub::derived_epoch(std::string_view topic) const {
  return epoch_of(siphash(epoch_key_, topic));
}

TopicPtr TopicHub::insert(Table& table, std::string_view name, Delivery delivery, TopicOwner* owner,
                          bool evictable) {
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
    state.shards.resize(inboxes_.size());
    if (stored != nullptr) restore(*topic, state, *stored);
    state.offered = topic->fixed || goes_on;
    if (state.offered || state.last) list(table, topic, state);
  });
  if (stored != nullptr) table.restorable.erase(known);
  ++(topic->fixed ? table.fixed : table.shares[owner].topics);
  if (topic->evictable) put_idle(table, *topic);
  return topic;
}

TopicPtr TopicHub::find_or_create(std::string_view name, JoinError& error, const Asker& asker) {
  return table_.with_lock([&](Table& table) -> TopicPtr {
    const auto found = table.topics.find(name);
    if (found != table.topics.end()) {
      error = JoinError::kNotLatest;
      return asker.wants_latest && found->second->delivery == Delivery::kAll ? nullptr
                                                                             : found->second;
    }
    if (!is_topic_name(name, limits_.topic_name_bytes)) {
      error = JoinError::kInvalidName;
      return nullptr;
    }
    const Claim* const claim = claim_of(table, name);
    if (claim == nullptr && (!limits_.accept_unknown || name.starts_with(kStatusPrefix))) {
      error = JoinError::kUnknownTopic;
      return nullptr;
    }
    if (asker.wants_latest && claim != nullptr && claim->pattern.delivery() == Delivery::kAll) {
      error = JoinError::kNotLatest;
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

Published TopicHub::publish(const TopicOwner& owner, std::string_view topic,
                            std::string_view payload, StreamPosition position) {
  Published result;
  result.problem = problem_of(payload);
  if (!result.problem.empty()) {
    result.is_too_large = payload.size() > limits_.publish_bytes;
    counters_.add(Counter::kPublishInvalid);
    return result;
  }
  TopicPtr found = find(topic);
  if (!found && owner_of(topic) == &owner) {  // nobody makes topics that another owns
    JoinError error{};
    found = find_or_create(topic, error);
    const bool is_share_full = error == JoinError::kTooManyOfOwner;
    if (!found && (is_share_full || error == JoinError::kTooManyTopics)) {
      counters_.add(Counter::kPublishFull);
      result.status = PublishStatus::kFull;
      result.problem = is_share_full ? kShareFull : kTableFull;
      return result;
    }
  }
  if (!found || found->owner != &owner) {
    counters_.add(Counter::kPublishDenied);
    result.status = PublishStatus::kDenied;
    return result;
  }
  publish_to(found, payload, std::move(position), result);
  return result;
}

/// Empty: nothing. Too large is said first, for what that costs.
std::string_view TopicHub::problem_of(std::string_view payload) {
  if (payload.size() > limits_.publish_bytes) {
    counters_.add(Counter::kLimitPublish);
    return kTooLarge;
  }
  using enum JsonChecker::Type;
  const auto fault = checker_.fault_of_payload(payload, options_.strict ? kRequired : kOptional);
  return fault ? words_of(*fault) : "";
}

void TopicHub::publish_to(const TopicPtr& topic, std::string_view payload, StreamPosition position,
                          Published& result) {
  ShardSet to_wake;
  std::optional<PublishStatus> status;
  while (!status) {
    if (!topic->begun) begin(topic);
    status = topic->state.with_lock([&](Topic::State& state) -> std::optional<PublishStatus> {
      if (!topic->begun) return std::nullopt;  // it was given up meanwhile
      return number(topic, state, payload, position, result, to_wake);
    });
  }
  result.status = *status;
  wake(to_wake);
  if (result.status == PublishStatus::kOk) counters_.add(Counter::kMessagesPublished);
  if (result.status == PublishStatus::kBusy) counters_.add(Counter::kPublishBusy);
  if (result.status == PublishStatus::kInvalid) counters_.add(Counter::kPublishInvalid);
}

/// Under the topic's lock: numbering and hand-over are one step.
PublishStatus TopicHub::number(const TopicPtr& topic, Topic::State& state, std::string_view payload,
                               StreamPosition& position, Published& result, ShardSet& to_wake) {
  const std::uint64_t seq = state.seq + 1;
  const Delivery delivery = topic->delivery;
  const std::size_t text_bytes = Message::publication_bytes(seq, topic->head, payload);
  if (text_bytes > limits_.publish_bytes) {
    counters_.add(Counter::kLimitPublish);
    result.problem = kTooLarge;
    result.is_too_large = true;
    return PublishStatus::kInvalid;
  }
  const bool durable = is_durable(*topic);
  // Who joins before the commit must find a place as well.
  const ShardSet wanted = durable ? all_shards() : shards_of(state);
  const std::size_t frame_bytes = Message::frame_bytes(text_bytes);
  if (delivery == Delivery::kAll && !try_reserve(wanted, frame_bytes)) return PublishStatus::kBusy;
  MessagePtr message =
      Message::publication(topic->id, delivery, seq, topic->head, payload,
                           state.deflating > 0 ? options_.compressor : Compressor());
  const std::int64_t wall_ns = wall_ns_.load(std::memory_order_relaxed);
  if (durable) {
    result.commit = store_->try_append({.topic = topic,
                                        .message = std::move(message),
                                        .published_ns = wall_ns,
                                        .position = std::move(position)});
    if (result.commit == 0) {
      cancel(wanted, frame_bytes);
      return PublishStatus::kBusy;
    }
  } else {
    deliver(state, std::move(message), wall_ns, to_wake);
    if (store_ != nullptr && topic->owner != nullptr && !position.stream.empty()) {
      // With its value, which it must not overtake.
      store_->post_latest({{.topic = topic,
                            .message = state.last,
                            .published_ns = wall_ns,
                            .position = std::move(position)}});
      state.kept_seq = seq;
    }
  }
  if (delivery == Delivery::kAll) topic->evictable = false;  // its numbers must go on
  state.seq = seq;
  result.durable = durable;
  result.seq = seq;
  result.subscribers = state.subscribers;
  return PublishStatus::kOk;
}

/// Under the topic's lock. An `all` message has its places.
void TopicHub::deliver(Topic::State& state, MessagePtr message, std::int64_t published_ns,
                       ShardSet& to_wake) {
  const bool is_all = message->delivery() == Delivery::kAll;
  for (std::size_t shard = 0; shard < state.shards.size(); ++shard) {
    Topic::PerShard& there = state.shards[shard];
    if (there.subscribers == 0) continue;
    const Inbox::Push push = is_all ? inboxes_[shard]->push_reserved(message)
                                    : inboxes_[shard]->push_latest(message, there.place);
    if (push == Inbox::Push::kWake) to_wake.set(shard);
    if (push == Inbox::Push::kReplaced) counters_.add(Counter::kInboxConflated);
  }
  if (is_all) {
    if (!state.history) state.history = std::make_unique<History>();
    state.history->push(message, published_ns, options_.history);
  }
  state.delivered_seq = message->seq();
  state.last = std::move(message);
}

void TopicHub::wake(const ShardSet& shards) const {
  for (std::size_t shard = 0; shards.any() && shard < inboxes_.size(); ++shard) {
    if (shards.test(shard)) inboxes_[shard]->wake();
  }
}

bool TopicHub::try_reserve(const ShardSet& wanted, std::size_t bytes) {
  ShardSet reserved;
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) {
    if (!wanted.test(shard)) continue;
    if (!inboxes_[shard]->try_reserve(bytes)) {
      cancel(reserved, bytes);
      return false;
    }
    reserved.set(shard);
  }
  return true;
}

void TopicHub::cancel(const ShardSet& reserved, std::size_t bytes) {
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) {
    if (reserved.test(shard)) inboxes_[shard]->cancel(bytes);
  }
}

TopicHub::ShardSet TopicHub::shards_of(const Topic::State& state) const {
  ShardSet shards;
  for (std::size_t shard = 0; shard < state.shards.size(); ++shard) {
    if (state.shards[shard].subscribers > 0) shards.set(shard);
  }
  return shards;
}

TopicHub::ShardSet TopicHub::all_shards() const {
  ShardSet shards;
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) shards.set(shard);
  return shards;
}

std::vector<TopicHub::TopicView> TopicHub::topics() const {
  std::vector<TopicView> views;
  for_each_topic(&Table::in_order, "", [&](const TopicPtr& topic) {
    const TopicOwner* const owner = topic->owner;
    TopicView& view = views.emplace_back(
        TopicView{.name = topic->name,
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

TopicOwner* TopicHub::owner_of(std::string_view topic) const {
  return table_.with_lock([&](const Table& table) -> TopicOwner* {
    const auto found = table.topics.find(topic);
    if (found != table.topics.end()) return found->second->owner;
    if (!is_topic_name(topic, limits_.topic_name_bytes)) return nullptr;
    const Claim* const claim = claim_of(table, topic);
    return claim == nullptr ? nullptr : claim->owner;
  });
}

void TopicHub::on_tick(MonoTime now, std::int64_t wall_ns) {
  wall_ns_.store(wall_ns, std::memory_order_relaxed);
  expire_demand(now);
  table_.with_lock([&](Table& table) { finish_forgetting(table); });
  give_up_idle();
  if (store_ != nullptr) keep_last_values();  // the store has those topics for a while
}

}  // namespace broadcast

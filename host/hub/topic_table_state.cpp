// TopicTable: topics come back after a restart with what a store has kept of them.

#include <utility>

#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

namespace {

/// What was published: the text without the envelope that the host has written in front.
std::string payload_of(std::string_view text, std::string_view head) {
  if (!text.starts_with(head)) return {};
  const std::size_t comma = text.find(',', head.size());
  if (comma == std::string_view::npos) return {};
  std::string payload(text.substr(comma));
  payload.front() = '{';
  return payload;
}

}  // namespace

void TopicTable::open_store(StateStore& store) {
  std::vector<StoredTopic> stored = store.load();
  epoch_key_ = store.epoch_key();
  table_.with_lock([&](Table& table) {
    BROADCAST_ASSERT(table.claims.empty(), "the store is opened before topics are claimed");
    for (StoredTopic& topic : stored) {
      std::string name = topic.name;
      table.restorable.insert_or_assign(std::move(name), std::move(topic));
    }
  });
  store_ = &store;
}

/// Those under a pattern are there again at once, so that whoever subscribes to `price:*` finds
/// them.
void TopicTable::restore_claimed(Table& table, const TopicPattern& pattern, TopicOwner& owner) {
  if (!pattern.has_placeholder()) return;
  std::vector<std::string> names;
  for (const auto& [name, stored] : table.restorable) {
    // One that has numbers alone waits until somebody asks for it: an operator may have given it
    // up.
    if (stored.delivery == pattern.delivery() && pattern.accepts(name) &&
        !stored.messages.empty() && !table.topics.contains(name)) {
      names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    // The others come when somebody asks for them.
    if (table.idle.topics_of(&owner) >= most_of(table, owner)) return;
    if (table.counted() >= limits_->topics) return;
    insert(table, name, pattern.delivery(), &owner, true);
  }
}

void TopicTable::restore(Topic& topic, Topic::State& state, const StoredTopic& stored) const {
  const bool goes_on = stored.delivery == Delivery::kAll;
  if (goes_on) state.seq = state.delivered_seq = stored.seq;
  for (const StoredMessage& kept : stored.messages) {
    const std::string payload = payload_of(kept.text, topic.head);
    if (payload.empty()) {
      spdlog::error("state: message {} of {} is malformed and is left out", kept.seq, topic.name);
      state.history.reset();  // what stands before it would not be whole
      continue;
    }
    // A restored last value is a snapshot in the new epoch: below its first number.
    state.last = Message::publication(topic.id, stored.delivery, goes_on ? kept.seq : 0, topic.head,
                                      payload);
    if (!goes_on) continue;
    if (!state.history) state.history = std::make_unique<History>();
    state.history->push(state.last, kept.published_ns, options_.history);
  }
}

TopicPtr TopicTable::recall(StoredTopic& stored) const {
  return table_.with_lock([&](const Table& table) -> TopicPtr {
    const auto found = table.topics.find(stored.name);
    if (found != table.topics.end() && found->second->delivery == stored.delivery) {
      return found->second;
    }
    const auto kept = table.restorable.find(stored.name);
    if (kept != table.restorable.end() && kept->second.epoch == stored.epoch) {
      stored.messages = kept->second.messages;
    }
    return nullptr;
  });
}

}  // namespace broadcast

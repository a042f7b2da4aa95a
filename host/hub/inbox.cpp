#include "host/hub/inbox.hpp"

#include <utility>

#include "host/base/assert.hpp"

namespace broadcast {

Inbox::Inbox(std::function<void()> wake) : wake_(std::move(wake)) {}

bool Inbox::try_reserve(std::size_t bytes) {
  return state_.with_lock([&](State& state) {
    if (state.waiting.size() + state.reserved >= bounds_.messages) return false;
    if (state.bytes + bytes > bounds_.bytes) return false;
    ++state.reserved;
    state.bytes += bytes;
    return true;
  });
}

void Inbox::cancel(std::size_t bytes) {
  state_.with_lock([&](State& state) {
    BROADCAST_ASSERT(state.reserved > 0, "a place in the inbox was given back twice");
    --state.reserved;
    state.bytes -= bytes;
  });
}

Inbox::Push Inbox::append(State& state, MessagePtr message) {
  state.waiting.push_back(std::move(message));
  return std::exchange(state.woken, true) ? Push::kQueued : Push::kWake;
}

Inbox::Push Inbox::push_reserved(MessagePtr message) {
  return state_.with_lock([&](State& state) {
    BROADCAST_ASSERT(state.reserved > 0, "a message has no place in the inbox");
    --state.reserved;
    return append(state, std::move(message));
  });
}

Inbox::Push Inbox::push_latest(MessagePtr message, Place& place) {
  const std::size_t bytes = message->frame().size();
  return state_.with_lock([&](State& state) {
    const bool full = state.waiting.size() + state.reserved >= bounds_.messages ||
                      state.bytes + bytes > bounds_.bytes;
    state.bytes += bytes;
    if (full && place.round == state.round) {
      MessagePtr& older = state.waiting[place.index];
      state.bytes -= older->frame().size();
      older = std::move(message);
      return Push::kReplaced;
    }
    place = {.round = state.round, .index = state.waiting.size()};
    return append(state, std::move(message));
  });
}

Inbox::Push Inbox::push_always(MessagePtr message) {
  return state_.with_lock([&](State& state) {
    state.bytes += message->frame().size();
    return append(state, std::move(message));
  });
}

void Inbox::take(std::vector<MessagePtr>& messages) {
  state_.with_lock([&](State& state) {
    std::swap(state.waiting, messages);
    // Reserved places keep their bytes until they are pushed or cancelled.
    for (const MessagePtr& message : messages) state.bytes -= message->frame().size();
    ++state.round;
    state.woken = false;
  });
}

}  // namespace broadcast

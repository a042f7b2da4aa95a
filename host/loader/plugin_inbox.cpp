#include "host/loader/plugin_inbox.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace broadcast {

namespace {

constexpr std::size_t kKinds = std::variant_size_v<PluginInbox::Item>;

std::size_t bytes_of(const ProducerMessage& message) {
  return message.topic.size() + message.source.size() + message.payload.size();
}

Verdict unavailable(std::string text) {
  return {.outcome = Verdict::Outcome::kUnavailable, .text = std::move(text), .last = {}};
}

}  // namespace

std::string in_seconds(std::chrono::nanoseconds wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return std::to_string(std::max<std::int64_t>(seconds, 1)) + " s";
}

PluginInbox::PluginInbox(std::string name, const Bounds& bounds)
    : name_(std::move(name)), bounds_(bounds) {}

std::optional<Verdict> PluginInbox::try_post_message(Message& message) {
  auto refused = state_.with_lock([&](State& state) { return try_queue(state, message); });
  if (!refused) wake_.set();
  return refused;
}

std::optional<Verdict> PluginInbox::try_queue(State& state, Message& message) const {
  if (!state.takes_messages) return refusal(state);
  const std::size_t bytes = bytes_of(message.message);
  if (state.messages.size() >= bounds_.messages ||
      state.message_bytes + bytes > bounds_.message_bytes) {
    return unavailable(name_ + " has " + std::to_string(state.messages.size()) +
                       " messages waiting and takes no more; try again later");
  }
  state.message_bytes += bytes;
  state.messages.push_back(std::move(message));
  return std::nullopt;
}

Verdict PluginInbox::refusal(const State& state) const {
  Verdict verdict = unavailable(name_ + " " + state.closed.why);
  verdict.has_given_up = state.closed.has_given_up;
  if (!state.closed.retry_at) return verdict;
  const auto wait = *state.closed.retry_at - mono_now();
  verdict.text += "; try again in " + in_seconds(wait);
  verdict.retry_after =
      std::max(std::chrono::ceil<std::chrono::milliseconds>(wait), std::chrono::milliseconds(1));
  return verdict;
}

void PluginInbox::post_demand(std::string_view topic, std::int64_t subscribers) {
  const bool queued = state_.with_lock([&](State& state) {
    if (!state.takes_demand) return false;
    const auto [entry, is_new] = state.demand.try_emplace(std::string(topic));
    entry->second = {std::string(topic), subscribers, mono_now()};
    if (is_new) state.demand_order.emplace_back(topic);
    return true;
  });
  if (queued) wake_.set();
}

bc_status PluginInbox::try_post(std::uint64_t id, void* ptr) {
  const bc_status status = state_.with_lock([&](State& state) -> bc_status {
    if (!state.takes_posts) return BC_E_REVOKED;
    if (state.posts.size() >= bounds_.posts) return BC_E_BUSY;
    state.posts.push_back({id, ptr, mono_now()});
    return BC_OK;
  });
  if (status == BC_OK) wake_.set();
  return status;
}

void PluginInbox::request_stop(MonoTime deadline) {
  close({.why = "is stopped"}, deadline);
  wake_.set();
}

MonoTime PluginInbox::stop_deadline() const {
  return state_.with_lock([](const State& state) { return state.stop_deadline; });
}

void PluginInbox::open() {
  state_.with_lock([&](State& state) {
    state.takes_messages = !is_stopping();
    state.takes_posts = true;  // until close_posts(): whatever is accepted is delivered
  });
}

std::deque<PluginInbox::Message> PluginInbox::take_messages() {
  return state_.with_lock([](State& state) {
    state.takes_messages = false;
    state.message_bytes = 0;
    return std::exchange(state.messages, {});
  });
}

void PluginInbox::close_messages(const std::string& why, std::optional<MonoTime> retry_at) {
  close({.why = why, .retry_at = retry_at}, std::nullopt);
}

void PluginInbox::give_up(const std::string& why) {
  close({.why = why, .has_given_up = true}, std::nullopt);
}

void PluginInbox::close(Closed closed, std::optional<MonoTime> stop) {
  std::deque<Message> refused;
  Verdict verdict;
  state_.with_lock([&](State& state) {
    if (is_stopping()) return;  // the last word was spoken
    if (stop) {
      state.stop_deadline = *stop;
      is_stopping_.store(true, std::memory_order_release);
    }
    state.takes_messages = false;
    state.closed = std::move(closed);
    state.message_bytes = 0;
    refused.swap(state.messages);
    verdict = refusal(state);
  });
  for (const Message& message : refused) message.done(verdict);
}

void PluginInbox::open_demand() {
  state_.with_lock([](State& state) {
    state.takes_demand = true;
    state.demand.clear();
    state.demand_order.clear();
  });
}

void PluginInbox::close_demand() {
  state_.with_lock([](State& state) { state.takes_demand = false; });
}

void PluginInbox::close_posts() {
  state_.with_lock([](State& state) { state.takes_posts = false; });
}

std::optional<PluginInbox::Post> PluginInbox::take_post() {
  return state_.with_lock([](State& state) { return take_post_from(state); });
}

std::optional<PluginInbox::Item> PluginInbox::take() {
  return state_.with_lock([](State& state) -> std::optional<Item> {
    for (std::size_t i = 0; i < kKinds; ++i) {
      const std::size_t kind = state.turn++ % kKinds;
      if (auto item = take_kind(state, kind)) return item;
    }
    return std::nullopt;
  });
}

std::optional<PluginInbox::Item> PluginInbox::take_kind(State& state, std::size_t kind) {
  if (kind == 0) {
    if (state.messages.empty()) return std::nullopt;
    Message message = std::move(state.messages.front());
    state.messages.pop_front();
    state.message_bytes -= bytes_of(message.message);
    return message;
  }
  if (kind == 1) {
    if (state.demand_order.empty()) return std::nullopt;
    auto demand = state.demand.extract(state.demand_order.front());
    state.demand_order.pop_front();
    return std::move(demand.mapped());
  }
  return take_post_from(state);
}

std::optional<PluginInbox::Post> PluginInbox::take_post_from(State& state) {
  if (state.posts.empty()) return std::nullopt;
  const Post post = state.posts.front();
  state.posts.pop_front();
  return post;
}

}  // namespace broadcast

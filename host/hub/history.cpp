#include "host/hub/history.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

void History::push(MessagePtr message, std::int64_t published_ns, const Limits& limits) {
  bytes_ += message->bytes_in_all();
  kept_.push_back({std::move(message), published_ns});
  while (!kept_.empty() && (kept_.size() > limits.messages || bytes_ > limits.bytes)) pop();
  drop_older_than(published_ns - limits.age.count());
}

std::optional<std::vector<MessagePtr>> History::after(std::uint64_t seq,
                                                      std::uint64_t newest) const {
  if (seq > newest) return std::nullopt;
  const std::uint64_t missing = newest - seq;
  if (missing > kept_.size()) return std::nullopt;
  std::vector<MessagePtr> messages;
  messages.reserve(static_cast<std::size_t>(missing));
  for (std::size_t i = kept_.size() - static_cast<std::size_t>(missing); i < kept_.size(); ++i) {
    messages.push_back(kept_[i].message);
  }
  return messages;
}

MessagePtr History::newest_up_to(std::uint64_t seq) const {
  const auto found = std::find_if(kept_.rbegin(), kept_.rend(),
                                  [&](const Kept& kept) { return kept.message->seq() <= seq; });
  return found == kept_.rend() ? nullptr : found->message;
}

void History::drop_older_than(std::int64_t published_ns) {
  while (!kept_.empty() && kept_.front().published_ns < published_ns) pop();
}

void History::pop() {
  bytes_ -= kept_.front().message->bytes_in_all();
  kept_.pop_front();
}

}  // namespace broadcast

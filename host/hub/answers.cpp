#include "host/hub/answers.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

namespace {

/// Smaller ones are not worth to be compared.
constexpr std::size_t kLarge = 2048;
constexpr std::size_t kKept = 8;

}  // namespace

MessagePtr Answers::make(std::string_view text) {
  const bool is_large = text.size() >= kLarge;
  if (is_large) {
    const auto same = std::ranges::find_if(
        lately_, [&](const MessagePtr& answer) { return answer->payload() == text; });
    if (same != lately_.end()) return *same;
  }
  MessagePtr answer = Message::answer(text);
  bytes_ += cost_of_reply(*answer);
  if (!is_large) return answer;
  if (lately_.size() == kKept) {
    let_go(lately_.front());
    lately_.erase(lately_.begin());
  }
  lately_.push_back(answer);
  return answer;
}

void Answers::let_go(MessagePtr& answer) {
  if (answer->is_unshared()) bytes_ -= cost_of_reply(*answer);
  answer.reset();
}

void Answers::forget_the_old() {
  for (MessagePtr& answer : lately_) {
    if (answer->is_unshared()) let_go(answer);
  }
  std::erase(lately_, nullptr);
}

}  // namespace broadcast

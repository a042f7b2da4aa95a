#pragma once
// The answers that wait in the outboxes of one shard: large ones that are the same are one Message,
// and the memory of all is counted, each once. [shard]

#include <cstddef>
#include <string_view>
#include <vector>

#include "host/hub/message.hpp"

namespace broadcast {

/// A reply is a client's own: its header, its allocation, its place in the queue.
inline constexpr std::size_t kReplyOverhead = 64;
/// What a reply costs its client.
[[nodiscard]] inline std::size_t cost_of_reply(const Message& reply) {
  return reply.frame().size() + kReplyOverhead;
}

class Answers {
 public:
  Answers() = default;
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  /// `text` as a message, maybe one that others have been given. Goes back by let_go().
  [[nodiscard]] MessagePtr make(std::string_view text);
  /// REQUIRES: made here. Null afterwards.
  void let_go(MessagePtr& answer);
  /// Now and then: those that nobody waits for need not be kept for others.
  void forget_the_old();
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::vector<MessagePtr> lately_;  // the large ones, oldest first
  std::size_t bytes_ = 0;
};

}  // namespace broadcast

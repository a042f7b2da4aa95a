#pragma once
// The newest messages of one `all` topic, for who comes back: bounded by count, age and bytes. Part
// of a Topic, under its lock. And what who comes back says.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/hub/message.hpp"

namespace broadcast {

/// How far a client had come in a topic before its connection broke.
struct Since {
  std::string epoch;
  std::uint64_t seq = 0;
};
using SinceByTopic = std::unordered_map<std::string, Since>;

class History {
 public:
  struct Limits {
    std::size_t messages = 256;
    std::chrono::nanoseconds age = std::chrono::hours(24);
    std::size_t bytes = 8 * 1024 * 1024;
  };

  /// `published_ns`: since 1970 UTC. REQUIRES: one number above the newest.
  void push(MessagePtr message, std::int64_t published_ns, const Limits& limits);
  /// Every message after `seq`, oldest first; nothing if one of them is gone. `newest` is the
  /// topic's number.
  [[nodiscard]] std::optional<std::vector<MessagePtr>> after(std::uint64_t seq,
                                                             std::uint64_t newest) const;
  /// The newest message up to number `seq`; null: gone.
  [[nodiscard]] MessagePtr newest_up_to(std::uint64_t seq) const;
  void drop_older_than(std::int64_t published_ns);
  /// `use(message, published_ns)`, oldest first.
  template <class Use>
  void for_each(const Use& use) const {
    for (const Kept& kept : kept_) use(kept.message, kept.published_ns);
  }

 private:
  struct Kept {
    MessagePtr message;
    std::int64_t published_ns;
  };
  void pop();

  std::deque<Kept> kept_;
  std::size_t bytes_ = 0;
};

}  // namespace broadcast

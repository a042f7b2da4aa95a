#pragma once
// A topic that nobody asks for may be given up when a client needs its place: the one that has been
// idle for longest first, of all owners or of the one that has too many. Counts, too, how many
// topics each owner has. Plain data under the lock of TopicTable; topics leave it before they go.

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "host/hub/topic.hpp"

namespace broadcast {

class IdleTopics {
 public:
  /// Idle topics, the one that has been idle for longest in front.
  using InOrder = std::map<std::uint64_t, Topic*>;

  /// One more topic, or one less, of `owner`; null: of nobody.
  void count_one_more(const TopicOwner* owner) { ++shares_[owner].topics; }
  void count_one_less(const TopicOwner* owner) { --shares_[owner].topics; }
  [[nodiscard]] std::size_t topics_of(const TopicOwner* owner) const;
  /// Owners that have, or had, topics.
  [[nodiscard]] std::vector<const TopicOwner*> owners() const;

  /// Puts `topic` behind all that are idle. REQUIRES: its lock is not held.
  void put(Topic& topic);
  /// It is idle no more.
  void remove(Topic& topic);
  /// True: it may be given up now. False: it is in demand, and is idle no more; or it was published
  /// on since it became idle, and stands behind all others now.
  [[nodiscard]] bool try_confirm_idle(Topic& topic);
  /// It belongs to `to` from now on, and is counted there unless it is fixed.
  void move(Topic& topic, const TopicOwner* from, const TopicOwner* to);

  /// Those of `owner`; null: of everybody.
  [[nodiscard]] const InOrder& of(const TopicOwner* owner);
  /// The number that was given last: what is put from now on stands behind it.
  [[nodiscard]] std::uint64_t last() const { return last_; }

 private:
  struct Share {
    std::size_t topics = 0;
    InOrder idle;
  };
  InOrder all_;
  std::unordered_map<const TopicOwner*, Share> shares_;
  std::uint64_t last_ = 0;
};

}  // namespace broadcast

#pragma once
// Where the parked entries of each topic stand in `<stream>:parked`, in the order in which they
// were parked: whose turn it is, and which one goes when there is no room. Kept in memory; the
// entries are Redis's. Pure, time is an argument; its owner's thread.

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/clock.hpp"
#include "host/ingest/stream_position.hpp"

namespace broadcast {

class ParkedIndex {
 public:
  struct Place {
    std::string topic;
    StreamId id;  ///< in `<stream>:parked`
  };

  /// REQUIRES: `id` is greater than all that were added.
  void add(std::string_view topic, const StreamId& id);
  void erase(const Place& place);
  void clear();
  [[nodiscard]] bool has(std::string_view topic) const { return topics_.contains(topic); }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// How many topics have parked entries, and the first of them by name; "": none.
  [[nodiscard]] std::size_t topics() const { return topics_.size(); }
  [[nodiscard]] std::string_view first_topic() const;

  /// Looks at every topic that is not put off: is it served?
  void refresh(const std::function<bool(std::string_view)>& is_served, MonoTime now);
  /// The topic is not served before `until`, whatever refresh() is told.
  void put_off(std::string_view topic, MonoTime until);
  /// The one that was parked first, of those whose topic is served.
  [[nodiscard]] std::optional<Place> next() const;
  /// The oldest one of the topic that has the most, so that a flood of one topic costs that topic.
  [[nodiscard]] std::optional<Place> victim() const;

 private:
  struct Topic {
    std::deque<StreamId> ids;
    bool is_served = false;
    MonoTime put_off_until{};
  };
  std::map<std::string, Topic, std::less<>> topics_;
  std::size_t size_ = 0;
  std::size_t served_ = 0;  // topics
};

}  // namespace broadcast

#pragma once
// Which topics a broadcaster owns, and how they are delivered. Immutable values; pure functions;
// [any].

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <broadcast/topic_matcher.hpp>

#include "host/hub/topic_owner.hpp"

namespace broadcast {

/// Calls `use(prefix)` for every branch that `name` is under, the widest first: "a:" and "a:b:" for
/// "a:b:c". True: `use` said so of one, and the rest was left out.
template <class F>
bool any_branch(std::string_view name, F use) {
  for (std::size_t colon = name.find(':'); colon != std::string_view::npos;
       colon = name.find(':', colon + 1)) {
    if (use(name.substr(0, colon + 1))) return true;
  }
  return false;
}

class TopicPattern {
 public:
  /// `pattern` and `match` as in a manifest. Throws what TopicMatcher does.
  TopicPattern(std::string pattern, std::string_view match, Delivery delivery)
      : matcher_(std::move(pattern), match), delivery_(delivery) {}

  [[nodiscard]] const std::string& text() const { return matcher_.text(); }
  [[nodiscard]] Delivery delivery() const { return delivery_; }
  [[nodiscard]] bool has_placeholder() const { return matcher_.has_placeholder(); }
  /// Is `topic` one of mine?
  [[nodiscard]] bool accepts(std::string_view topic) const { return matcher_.accepts(topic); }
  /// Could one of mine begin with `prefix`?
  [[nodiscard]] bool may_begin_with(std::string_view prefix) const;
  /// Could a topic belong to both?
  [[nodiscard]] bool overlaps(const TopicPattern& other) const;
  /// Of several that accept a topic, the one with the highest rank owns it.
  [[nodiscard]] std::size_t rank() const { return matcher_.rank(); }
  /// The same text, match and delivery.
  bool operator==(const TopicPattern& other) const = default;

 private:
  TopicMatcher matcher_;
  Delivery delivery_;
};

}  // namespace broadcast

#pragma once
// Which topics a broadcaster owns: a literal, or a literal prefix that ends in one {placeholder}
// whose text must match a regular expression. Immutable values; pure functions; [any].

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "host/hub/topic_owner.hpp"

namespace broadcast {

/// Letters, digits and _ - . : / ; 1 to `max_bytes` bytes. What a topic may be called.
[[nodiscard]] bool is_topic_name(std::string_view name, std::size_t max_bytes);

/// What a client subscribes to a whole branch with: "price:*" gives "price:"; empty for anything
/// that does not end in ":*" behind a topic's characters.
[[nodiscard]] std::string_view prefix_of_pattern(std::string_view name, std::size_t max_bytes);

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
  /// `pattern` as in a manifest ("price:{ticker}"), `match` an ECMAScript regex without
  /// back-references, at most 255 bytes, for the placeholder's whole text (empty: any). Throws
  /// std::invalid_argument that says what is wrong.
  TopicPattern(std::string pattern, std::string_view match, Delivery delivery);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] Delivery delivery() const { return delivery_; }
  [[nodiscard]] bool has_placeholder() const { return has_placeholder_; }
  /// Is `topic` one of mine?
  [[nodiscard]] bool accepts(std::string_view topic) const;
  /// Could one of mine begin with `prefix`?
  [[nodiscard]] bool may_begin_with(std::string_view prefix) const;
  /// Could a topic belong to both?
  [[nodiscard]] bool overlaps(const TopicPattern& other) const;
  /// Of two that accept a topic, whose it is: the larger one's. A literal has the largest.
  [[nodiscard]] std::size_t rank() const {
    return has_placeholder_ ? prefix_.size() : std::string::npos;
  }
  /// The same text, match and delivery.
  bool operator==(const TopicPattern& other) const;

 private:
  std::string text_;
  std::string prefix_;
  std::string match_text_;
  std::shared_ptr<const std::regex> match_;
  Delivery delivery_;
  bool has_placeholder_ = false;
};

}  // namespace broadcast

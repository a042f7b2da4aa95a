#pragma once
// What clients call topics by: the name of one, or a pattern for all topics under a prefix. A text
// from outside is parsed once, by parse_topic(); from then on its type says which of them it is,
// and that it is well-formed. Immutable values; pure functions; [any].

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <broadcast/topic_matcher.hpp>

namespace broadcast {

class TopicName;
class Pattern;
class NotATopic;
using AskedTopic = std::variant<TopicName, Pattern, NotATopic>;

/// What `text` is: a topic where is_topic_name() says so. A pattern's prefix may have `max_bytes`
/// bytes, too.
[[nodiscard]] AskedTopic parse_topic(std::string text, std::size_t max_bytes);

/// "price:005930"
class TopicName {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }
  bool operator==(const TopicName&) const = default;

 private:
  friend AskedTopic parse_topic(std::string text, std::size_t max_bytes);
  explicit TopicName(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

/// "price:*", for every topic under "price:". Not what a broadcaster claims: that is TopicPattern.
class Pattern {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }
  /// Ends in a colon.
  [[nodiscard]] std::string_view prefix() const {
    return std::string_view(text_).substr(0, text_.size() - 1);
  }
  bool operator==(const Pattern&) const = default;

 private:
  friend AskedTopic parse_topic(std::string text, std::size_t max_bytes);
  explicit Pattern(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

/// Neither, and maybe not even UTF-8.
class NotATopic {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }
  /// It was meant as a pattern.
  [[nodiscard]] bool ends_like_pattern() const { return text_.ends_with('*'); }
  bool operator==(const NotATopic&) const = default;

 private:
  friend AskedTopic parse_topic(std::string text, std::size_t max_bytes);
  explicit NotATopic(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

/// As it was asked for.
[[nodiscard]] inline const std::string& text_of(const AskedTopic& topic) {
  return std::visit([](const auto& one) -> const std::string& { return one.text(); }, topic);
}

/// It is a pattern, or was meant as one.
[[nodiscard]] inline bool asks_for_pattern(const AskedTopic& topic) {
  const auto* const neither = std::get_if<NotATopic>(&topic);
  return neither != nullptr ? neither->ends_like_pattern() : std::holds_alternative<Pattern>(topic);
}

}  // namespace broadcast

#include "host/hub/topic_pattern.hpp"

#include <algorithm>
#include <stdexcept>

#include <broadcast/schema.hpp>

namespace broadcast {

namespace {

constexpr std::size_t kMaxPatternBytes = 255;
constexpr std::size_t kMaxMatchBytes = 255;  // std::regex recurses at every bracket

// Clients choose what is matched, and a shard waits for it under the lock of all topics. By
// backtracking "(a*)*b" would take hours over thirty letters; this takes microseconds (and refuses
// back-references).
constexpr auto kLinear = std::regex::ECMAScript | std::regex_constants::__polynomial;

bool is_topic_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/';
}

bool is_placeholder(std::string_view text) {
  return text.size() > 2 && text.front() == '{' && text.back() == '}' &&
         std::all_of(text.begin() + 1, text.end() - 1,
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

}  // namespace

bool is_topic_name(std::string_view name, std::size_t max_bytes) {
  return !name.empty() && name.size() <= max_bytes && std::ranges::all_of(name, is_topic_char);
}

std::string_view prefix_of_pattern(std::string_view name, std::size_t max_bytes) {
  if (!name.ends_with(":*")) return {};
  const std::string_view prefix = name.substr(0, name.size() - 1);
  return is_topic_name(prefix, max_bytes) ? prefix : std::string_view();
}

TopicPattern::TopicPattern(std::string pattern, std::string_view match, Delivery delivery)
    : text_(std::move(pattern)), match_text_(match), delivery_(delivery) {
  const std::size_t brace = text_.find('{');
  prefix_ = text_.substr(0, brace);
  if (!is_topic_name(prefix_, kMaxPatternBytes)) {
    throw std::invalid_argument(
        "topic pattern \"" + text_ +
        "\": expected letters, digits and _ - . : / before a {placeholder}");
  }
  has_placeholder_ = brace != std::string::npos;
  if (has_placeholder_ && !is_placeholder(std::string_view(text_).substr(brace))) {
    throw std::invalid_argument(
        "topic pattern \"" + text_ +
        "\": may end in one {name} of lower-case letters, nothing after it");
  }
  if (match.empty()) return;
  if (!has_placeholder_) {
    throw std::invalid_argument("topic pattern \"" + text_ + "\": \"match\" needs a {placeholder}");
  }
  if (match.size() > kMaxMatchBytes) {
    throw std::invalid_argument("topic pattern \"" + text_ + "\": \"match\" has " +
                                std::to_string(match.size()) + " bytes, at most " +
                                std::to_string(kMaxMatchBytes) + " are allowed");
  }
  if (has_large_repeat(match)) {
    throw std::invalid_argument("topic pattern \"" + text_ +
                                "\": \"match\" repeats something more than 999 times");
  }
  try {
    match_ = std::make_shared<const std::regex>(match.begin(), match.end(), kLinear);
  } catch (const std::regex_error& error) {
    throw std::invalid_argument("topic pattern \"" + text_ +
                                "\": \"match\" is not a regex: " + error.what());
  }
}

bool TopicPattern::accepts(std::string_view topic) const {
  if (!has_placeholder_) return topic == text_;
  if (topic.size() <= prefix_.size() || !topic.starts_with(prefix_)) return false;
  const std::string_view rest = topic.substr(prefix_.size());
  return !match_ || std::regex_match(rest.begin(), rest.end(), *match_);
}

bool TopicPattern::may_begin_with(std::string_view prefix) const {
  if (prefix_.starts_with(prefix)) return true;
  return has_placeholder_ && prefix.starts_with(prefix_);
}

bool TopicPattern::overlaps(const TopicPattern& other) const {
  if (!has_placeholder_) return other.accepts(text_);
  if (!other.has_placeholder_) return accepts(other.text_);
  return prefix_ == other.prefix_;
}

bool TopicPattern::operator==(const TopicPattern& other) const {
  return text_ == other.text_ && match_text_ == other.match_text_ && delivery_ == other.delivery_;
}

}  // namespace broadcast

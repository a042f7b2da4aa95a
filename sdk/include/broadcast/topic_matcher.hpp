#pragma once
// Which topics an entry of a manifest's `topics` stands for. Host and FakeHost read manifests by
// the same rules, which are here. Values and pure functions; [any]. Needs nothing but the standard
// library.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <broadcast/host_rules.hpp>

namespace broadcast {

/// The most that any host lets a topic's name have; limits.topic_name may be less.
inline constexpr std::size_t kMaxTopicNameBytes = 255;
/// Topics that begin so are the host's own: nobody owns them.
inline constexpr std::string_view kStatusPrefix = "status:";

/// What a topic may be called: 1 to `max_bytes` letters, digits and _ - . : /
[[nodiscard]] inline bool is_topic_name(std::string_view name, std::size_t max_bytes) {
  return !name.empty() && name.size() <= max_bytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || c == '/';
  });
}

/// A topic, such as "market:kospi", or a prefix with one {placeholder} at its end, such as
/// "price:{ticker}", which stands for all topics that begin so and whose rest matches a regular
/// expression. Immutable, cheap to copy.
class TopicMatcher {
 public:
  /// `pattern` is one of the two. `match` is an ECMAScript regular expression for the whole text in
  /// the placeholder's place: at most 255 bytes, without back-references; empty: any text. Throws
  /// std::invalid_argument that says what is wrong.
  TopicMatcher(std::string pattern, std::string_view match)
      : text_(std::move(pattern)), match_text_(match) {
    const std::size_t brace = text_.find('{');
    prefix_ = text_.substr(0, brace);
    has_placeholder_ = brace != std::string::npos;
    if (!is_topic_name(prefix_, kMaxTopicNameBytes)) {
      refuse("expected letters, digits and _ - . : / before a {placeholder}");
    }
    if (has_placeholder_ && !is_placeholder(std::string_view(text_).substr(brace))) {
      refuse("may end in one {name} of lower-case letters, nothing after it");
    }
    if (!match.empty()) compile(match);
  }

  /// The pattern as it was given.
  [[nodiscard]] const std::string& text() const { return text_; }
  /// What stands before the placeholder; the whole pattern if there is none.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  [[nodiscard]] bool has_placeholder() const { return has_placeholder_; }
  /// Does this stand for `topic`? The time is linear in its length. That `topic` may be called so,
  /// see is_topic_name(), is not asked.
  [[nodiscard]] bool accepts(std::string_view topic) const {
    if (!has_placeholder_) return topic == text_;
    if (topic.size() <= prefix_.size() || !topic.starts_with(prefix_)) return false;
    const std::string_view rest = topic.substr(prefix_.size());
    return !match_ || std::regex_match(rest.begin(), rest.end(), *match_);
  }
  /// Where several stand for a topic, the one with the highest rank owns it: the topic itself goes
  /// before prefixes, and a longer prefix before a shorter one.
  [[nodiscard]] std::size_t rank() const {
    return has_placeholder_ ? prefix_.size() : std::string::npos;
  }
  /// The same pattern and match.
  bool operator==(const TopicMatcher& other) const {
    return text_ == other.text_ && match_text_ == other.match_text_;
  }

 private:
  static constexpr std::size_t kMaxMatchBytes = 255;  // std::regex recurses at every bracket
  // Clients choose what is matched, and the host waits for it under a lock. By backtracking
  // "(a*)*b" would take hours over thirty letters; this takes microseconds (and refuses
  // back-references). Only libstdc++ has it, which is what a host is built with.
#ifdef __GLIBCXX__
  static constexpr auto kLinear = std::regex::ECMAScript | std::regex_constants::__polynomial;
#else
  static constexpr auto kLinear = std::regex::ECMAScript;
#endif

  [[noreturn]] void refuse(const std::string& what) const {
    throw std::invalid_argument("topic pattern \"" + text_ + "\": " + what);
  }
  static bool is_placeholder(std::string_view text) {
    return text.size() > 2 && text.front() == '{' && text.back() == '}' &&
           std::all_of(text.begin() + 1, text.end() - 1,
                       [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  }
  void compile(std::string_view match) {
    if (!has_placeholder_) refuse("\"match\" needs a {placeholder}");
    if (match.size() > kMaxMatchBytes) {
      refuse("\"match\" has " + std::to_string(match.size()) + " bytes, at most " +
             std::to_string(kMaxMatchBytes) + " are allowed");
    }
    if (has_large_repeat(match)) refuse("\"match\" repeats something more than 999 times");
    try {
      match_ = std::make_shared<const std::regex>(match.begin(), match.end(), kLinear);
    } catch (const std::regex_error& error) {
      refuse(std::string("\"match\" is not a regex: ") + error.what());
    }
  }

  std::string text_;
  std::string prefix_;
  std::string match_text_;
  std::shared_ptr<const std::regex> match_;
  bool has_placeholder_ = false;
};

}  // namespace broadcast

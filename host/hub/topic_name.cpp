#include "host/hub/topic_name.hpp"

#include <utility>

namespace broadcast {

AskedTopic parse_topic(std::string text, std::size_t max_bytes) {
  if (is_topic_name(text, max_bytes)) return TopicName(std::move(text));
  const std::string_view all = text;
  const bool is_pattern =
      all.ends_with(":*") && is_topic_name(all.substr(0, all.size() - 1), max_bytes);
  if (is_pattern) return Pattern(std::move(text));
  return NotATopic(std::move(text));
}

}  // namespace broadcast

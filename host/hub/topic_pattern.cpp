#include "host/hub/topic_pattern.hpp"

namespace broadcast {

bool TopicPattern::may_begin_with(std::string_view prefix) const {
  const std::string_view mine = matcher_.prefix();
  if (mine.starts_with(prefix)) return true;
  return has_placeholder() && prefix.starts_with(mine);
}

bool TopicPattern::overlaps(const TopicPattern& other) const {
  if (!has_placeholder()) return other.accepts(text());
  if (!other.has_placeholder()) return accepts(other.text());
  return matcher_.prefix() == other.matcher_.prefix();
}

}  // namespace broadcast

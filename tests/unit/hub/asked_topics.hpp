#pragma once
// What a client asks for, from texts that are known to be well-formed.

#include <string>
#include <string_view>
#include <variant>

#include "host/hub/topic_name.hpp"

namespace broadcast {

inline TopicName topic_named(std::string_view name) {
  return std::get<TopicName>(parse_topic(std::string(name), 255));
}
/// "price:*" for "price:".
inline Pattern all_under(std::string_view prefix) {
  return std::get<Pattern>(parse_topic(std::string(prefix) + '*', 255));
}

}  // namespace broadcast

#pragma once
// What the hub's parts are built with.

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "host/base/limits.hpp"
#include "host/hub/history.hpp"
#include "host/hub/message.hpp"

namespace broadcast {

struct HubOptions {
  Limits limits;
  /// By owner, instead of limits.topics_per_broadcaster.
  std::map<std::string, std::size_t, std::less<>> topics_of = {};
  bool accept_unknown = false;  ///< topics.unknown: accept
  bool strict = false;          ///< plugins.strict: what is published has a `type`
  std::chrono::nanoseconds demand_linger = std::chrono::seconds(30);
  Compressor compressor;  ///< called under the topic's lock; null: nothing is deflated
  History::Limits history;
};

}  // namespace broadcast

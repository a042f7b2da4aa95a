#pragma once
// What the hub's parts are built with, and the limits that a reload changes while they work.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "host/hub/history.hpp"
#include "host/hub/message.hpp"

namespace broadcast {

struct HubOptions {
  std::size_t publish_bytes = 256 * 1024;  ///< largest message text, envelope included
  std::size_t topics = 20'000;             ///< topics alive at once
  /// Of them, what one owner may have; 0: half of them while others claim patterns, else all.
  std::size_t topics_per_owner = 0;
  std::map<std::string, std::size_t, std::less<>> topics_of = {};  ///< by owner, instead of that
  std::size_t topic_name_bytes = 255;
  bool accept_unknown = false;  ///< topics.unknown: accept
  bool strict = false;          ///< plugins.strict: what is published has a `type`
  std::chrono::nanoseconds demand_linger = std::chrono::seconds(30);
  Compressor compressor;  ///< called under the topic's lock; null: nothing is deflated
  History::Limits history;
};

/// Of the options, those that change while others read them. [any]
struct LiveLimits {
  std::atomic<std::size_t> publish_bytes;
  std::atomic<std::size_t> topics;
  std::atomic<std::size_t> topics_per_owner;
  std::atomic<std::size_t> topic_name_bytes;
  std::atomic<bool> accept_unknown;

  explicit LiveLimits(const HubOptions& options) { set(options); }
  void set(const HubOptions& options) {
    publish_bytes = options.publish_bytes;
    topics = options.topics;
    topics_per_owner = options.topics_per_owner;
    topic_name_bytes = options.topic_name_bytes;
    accept_unknown = options.accept_unknown;
  }
};

}  // namespace broadcast

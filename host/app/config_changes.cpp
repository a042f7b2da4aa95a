#include "host/app/config_changes.hpp"

namespace broadcast {

namespace {

enum class Holds { kAtOnce, kAfterRestart };

/// Calls `use(key, when, value_of)` for every key; `value_of(config)` is the value.
template <class Use>
void for_each_setting(Use use) {
  constexpr Holds kAtOnce = Holds::kAtOnce;
  constexpr Holds kLater = Holds::kAfterRestart;
  use(
      "server.listen", kLater, [](auto& c) -> auto& { return c.server.listen; });
  use(
      "server.path", kLater, [](auto& c) -> auto& { return c.server.path; });
  use(
      "server.threads", kLater, [](auto& c) -> auto& { return c.server.threads; });
  use(
      "server.flush", kLater, [](auto& c) -> auto& { return c.server.flush; });
  use(
      "server.origins", kAtOnce, [](auto& c) -> auto& { return c.server.origins; });
  use(
      "server.hosts", kAtOnce, [](auto& c) -> auto& { return c.server.hosts; });
  use(
      "server.demo_page", kLater, [](auto& c) -> auto& { return c.server.demo_page; });
  use(
      "server.drain", kAtOnce, [](auto& c) -> auto& { return c.server.drain; });
  use(
      "admin.listen", kLater, [](auto& c) -> auto& { return c.admin.listen; });
  use(
      "admin.tokens", kAtOnce, [](auto& c) -> auto& { return c.admin.tokens; });
  use(
      "admin.connections", kAtOnce, [](auto& c) -> auto& { return c.admin.connections; });
  use(
      "limits.message", kAtOnce, [](auto& c) -> auto& { return c.limits.message_bytes; });
  use(
      "limits.outbox", kAtOnce, [](auto& c) -> auto& { return c.limits.outbox_bytes; });
  use(
      "limits.publish", kAtOnce, [](auto& c) -> auto& { return c.limits.publish_bytes; });
  use(
      "limits.write_stall", kAtOnce, [](auto& c) -> auto& { return c.limits.write_stall; });
  use(
      "limits.handshake", kAtOnce, [](auto& c) -> auto& { return c.limits.handshake; });
  use(
      "limits.topics", kAtOnce, [](auto& c) -> auto& { return c.limits.topics; });
  use(
      "limits.topics_per_broadcaster", kAtOnce,
      [](auto& c) -> auto& { return c.limits.topics_per_broadcaster; });
  use(
      "limits.topics_per_connection", kAtOnce,
      [](auto& c) -> auto& { return c.limits.topics_per_connection; });
  use(
      "limits.topics_per_address", kAtOnce,
      [](auto& c) -> auto& { return c.limits.topics_per_address; });
  use(
      "limits.topics_per_request", kAtOnce,
      [](auto& c) -> auto& { return c.limits.topics_per_request; });
  use(
      "limits.topic_name", kAtOnce, [](auto& c) -> auto& { return c.limits.topic_name_bytes; });
  use(
      "limits.commands_per_second", kAtOnce,
      [](auto& c) -> auto& { return c.limits.commands_per_second; });
  use(
      "limits.work_per_address", kAtOnce,
      [](auto& c) -> auto& { return c.limits.work_per_address; });
  use(
      "limits.control_frames_per_second", kAtOnce,
      [](auto& c) -> auto& { return c.limits.control_frames_per_second; });
  use(
      "limits.connections", kAtOnce, [](auto& c) -> auto& { return c.limits.connections; });
  use(
      "limits.connections_per_address", kAtOnce,
      [](auto& c) -> auto& { return c.limits.connections_per_address; });
  use(
      "limits.accepts_per_second", kAtOnce,
      [](auto& c) -> auto& { return c.limits.accepts_per_second; });
  use(
      "limits.handshakes", kAtOnce, [](auto& c) -> auto& { return c.limits.handshakes; });
  use(
      "limits.descriptors_reserve", kAtOnce,
      [](auto& c) -> auto& { return c.limits.descriptors_reserve; });
  use(
      "limits.memory", kAtOnce, [](auto& c) -> auto& { return c.limits.memory_bytes; });
  use(
      "topics.unknown", kAtOnce, [](auto& c) -> auto& { return c.topics.accept_unknown; });
  use(
      "relay", kAtOnce, [](auto& c) -> auto& { return c.relay; });
  use(
      "log.level", kAtOnce, [](auto& c) -> auto& { return c.log.level; });
  use(
      "log.format", kLater, [](auto& c) -> auto& { return c.log.format; });
  use(
      "deflate.enabled", kLater, [](auto& c) -> auto& { return c.deflate.enabled; });
  use(
      "deflate.min_bytes", kLater, [](auto& c) -> auto& { return c.deflate.min_bytes; });
  use(
      "deflate.level", kLater, [](auto& c) -> auto& { return c.deflate.level; });
  use(
      "history", kLater, [](auto& c) -> auto& { return c.history; });
  use(
      "state", kLater, [](auto& c) -> auto& { return c.state; });
  use(
      "redis", kLater, [](auto& c) -> auto& { return c.redis; });
  use(
      "plugins.directory", kAtOnce, [](auto& c) -> auto& { return c.plugins.directory; });
  use(
      "plugins.runtime_directory", kLater,
      [](auto& c) -> auto& { return c.plugins.runtime_directory; });
  use(
      "plugins.strict", kLater, [](auto& c) -> auto& { return c.plugins.strict; });
}

}  // namespace

ConfigChanges changes_between(const Config& running, const Config& next) {
  ConfigChanges changes;
  for_each_setting([&](const char* key, Holds holds, auto value_of) {
    if (value_of(running) == value_of(next)) return;
    (holds == Holds::kAtOnce ? changes.live : changes.restart).emplace_back(key);
  });
  for (const auto& [name, broadcaster] : next.broadcasters) {
    const auto before = running.broadcasters.find(name);
    if (before == running.broadcasters.end() || before->second.topics == broadcaster.topics)
      continue;
    changes.live.push_back("broadcasters." + name + ".topics");
  }
  const bool is_published_larger = running.limits.publish_bytes != next.limits.publish_bytes;
  if (is_published_larger && !running.redis.url.empty()) {
    changes.restart.emplace_back("limits.publish, of what comes through Redis");
  }
  return changes;
}

std::vector<std::string> setting_keys() {
  std::vector<std::string> keys;
  for_each_setting([&](const char* key, Holds, auto) { keys.emplace_back(key); });
  return keys;
}

void take_live(Config& running, const Config& next) {
  for_each_setting([&](const char*, Holds holds, auto value_of) {
    if (holds == Holds::kAtOnce) value_of(running) = value_of(next);
  });
}

}  // namespace broadcast

#include "host/app/config_warnings.hpp"

#include <algorithm>

#include "host/ingest/redis_url.hpp"

namespace broadcast {

std::vector<std::string> warnings_of(const Config& config) {
  constexpr const char* kNoUrl = "there is no redis.url, CELERY_BROKER_URL or REDIS_URL";
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& path, const std::string& what) {
    warnings.push_back(config.file + ": " + path + ": " + what);
  };
  const RedisConfig& redis = config.redis;
  const bool has_redis = !redis.url.empty();
  if (!redis.stream.empty() && !has_redis) warn("redis.stream", std::string("not read: ") + kNoUrl);
  if (!redis.ca.empty() && !has_redis) warn("redis.ca", std::string("not used: ") + kNoUrl);
  if (!redis.ca.empty() && has_redis &&
      parse_redis_url(redis.url).transport != RedisUrl::Transport::kTls) {
    warn("redis.ca", "not used: the connection is not encrypted, as it is with rediss://");
  }
  for (const auto& [name, broadcaster] : config.broadcasters) {
    const bool may_drop =
        std::ranges::find(broadcaster.permissions, "cache") != broadcaster.permissions.end();
    if (!broadcaster.enabled || !may_drop || has_redis) continue;
    warn("broadcasters." + name + ".permissions", std::string("cache: not used: ") + kNoUrl);
  }
  return warnings;
}

}  // namespace broadcast

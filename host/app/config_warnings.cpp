#include "host/app/config_warnings.hpp"

#include <algorithm>
#include <functional>

#include "host/ingest/redis_url.hpp"

namespace broadcast {

namespace {

using Warn = std::function<void(const std::string& path, const std::string& what)>;

void warn_of_url(const RedisConfig& redis, const Warn& warn) {
  constexpr const char* kPlain =
      "not used: the connection is not encrypted, as it is with rediss://";
  const RedisUrl url = parse_redis_url(redis.url);
  const bool is_tls = url.transport == RedisUrl::Transport::kTls;
  for (const std::string& part : unused_parts(redis.url)) {
    const bool is_plain = !is_tls && part.starts_with("ssl_");
    warn("redis.url", part + ": " + (is_plain ? kPlain : "not used: it is for other clients"));
  }
  if (url.tls.verify == RedisUrl::Tls::Verify::kNothing) {
    warn("redis.url",
         "ssl_cert_reqs: the server's certificate is not checked, so whoever stands in between can "
         "read and change everything");
  }
  if (redis.ca.empty()) return;
  if (!is_tls) warn("redis.ca", kPlain);
  if (url.tls.verify == RedisUrl::Tls::Verify::kNothing) {
    warn("redis.ca", "not used: ssl_cert_reqs of redis.url says that nothing is checked");
  }
  if (!url.tls.ca.empty() && url.tls.ca != redis.ca) {
    warn("redis.url", "ssl_ca_certs: not used: redis.ca is");
  }
}

}  // namespace

std::vector<std::string> warnings_of(const Config& config) {
  constexpr const char* kNoUrl = "there is no redis.url, CELERY_BROKER_URL or REDIS_URL";
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& path, const std::string& what) {
    warnings.push_back(config.file + ": " + path + ": " + what);
  };
  for (const std::string& line : config.passed_over) warnings.push_back(config.file + ": " + line);
  const RedisConfig& redis = config.redis;
  const bool has_redis = !redis.url.empty();
  if (!redis.stream.empty() && !has_redis) warn("redis.stream", std::string("not read: ") + kNoUrl);
  if (!redis.ca.empty() && !has_redis) warn("redis.ca", std::string("not used: ") + kNoUrl);
  if (has_redis) warn_of_url(redis, warn);
  for (const auto& [name, broadcaster] : config.broadcasters) {
    const bool may_drop =
        std::ranges::find(broadcaster.permissions, "cache") != broadcaster.permissions.end();
    if (!broadcaster.enabled || !may_drop || has_redis) continue;
    warn("broadcasters." + name + ".permissions", std::string("cache: not used: ") + kNoUrl);
  }
  return warnings;
}

}  // namespace broadcast

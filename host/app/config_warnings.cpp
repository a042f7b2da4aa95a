#include "host/app/config_warnings.hpp"

#include <algorithm>
#include <functional>

#include "host/ingest/redis_url.hpp"

namespace broadcast {

namespace {

constexpr const char* kNoUrl = "there is no redis.url, CELERY_BROKER_URL or REDIS_URL";
constexpr const char* kPlain = "not used: the connection is not encrypted; rediss:// is";

using Warn = std::function<void(const std::string& path, const std::string& what)>;

bool is_tls(const RedisUrl& url) { return url.transport == RedisUrl::Transport::kTls; }

/// `path` is the key that `text` stands at, `ca` what redis.ca says. REQUIRES: not empty.
void warn_of_url(const std::string& path, const std::string& text, const std::string& ca,
                 const Warn& warn) {
  const RedisUrl url = parse_redis_url(text);
  for (const std::string& part : unused_parts(text)) {
    const bool is_plain = !is_tls(url) && part.starts_with("ssl_");
    warn(path, part + ": " + (is_plain ? kPlain : "not used: it is for other clients"));
  }
  if (url.tls.verify == RedisUrl::Tls::Verify::kNothing) {
    warn(path,
         "ssl_cert_reqs: the server's certificate is not checked, so anyone in between can read "
         "and change everything");
    if (!ca.empty()) {
      warn("redis.ca", "not used: ssl_cert_reqs in " + path + " switches the check off");
    }
  }
  if (!ca.empty() && !url.tls.ca.empty() && url.tls.ca != ca) {
    warn(path, "ssl_ca_certs: not used, because redis.ca is set");
  }
}

void warn_of_redis(const Config& config, const Warn& warn) {
  const RedisConfig& redis = config.redis;
  if (!redis.stream.empty() && redis.url.empty()) {
    warn("redis.stream", std::string("not read: ") + kNoUrl);
  } else if (!redis.stream.empty() && config.state.path.empty()) {
    warn("redis.stream",
         "without state.path the host does not keep its position: a start begins with the entries "
         "added from then on, and entries added while the host is down are not read");
  }
  bool has_tls = false;
  for (const auto& [path, text] :
       {std::pair("redis.url", redis.url), std::pair("redis.cache", redis.cache)}) {
    if (text.empty()) continue;
    warn_of_url(path, text, redis.ca, warn);
    has_tls = has_tls || is_tls(parse_redis_url(text));
  }
  if (redis.ca.empty() || has_tls) return;
  const bool is_there = !redis.cache_url().empty();
  warn("redis.ca", is_there ? std::string(kPlain) : std::string("not used: ") + kNoUrl);
}

}  // namespace

std::vector<std::string> warnings_of(const Config& config) {
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& path, const std::string& what) {
    warnings.push_back(config.file + ": " + path + ": " + what);
  };
  for (const std::string& line : config.passed_over) warnings.push_back(config.file + ": " + line);
  warn_of_redis(config, warn);
  const bool has_cache = !config.redis.cache_url().empty();
  for (const auto& [name, broadcaster] : config.broadcasters) {
    const bool may_drop =
        std::ranges::find(broadcaster.permissions, "cache") != broadcaster.permissions.end();
    if (!broadcaster.enabled || !may_drop || has_cache) continue;
    warn("broadcasters." + name + ".permissions", std::string("cache: not used: ") + kNoUrl);
  }
  return warnings;
}

}  // namespace broadcast

#include "host/app/config_warnings.hpp"

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ConfigWarningsTest, NameWhatIsNotUsedWithoutRedis) {
  const Config config = configured(
      "redis: {url: \"\", stream: s, ca: /x.pem}\n"
      "broadcasters:\n"
      "  a: {permissions: [clients, cache]}\n"
      "  b: {permissions: [cache], enabled: false}\n");
  const std::string why = "there is no redis.url, CELERY_BROKER_URL or REDIS_URL";
  EXPECT_THAT(
      warnings_of(config),
      ElementsAre("f.yaml: redis.stream: not read: " + why, "f.yaml: redis.ca: not used: " + why,
                  "f.yaml: broadcasters.a.permissions: cache: not used: " + why));
}

TEST(ConfigWarningsTest, NameAStreamWhosePositionIsNotKept) {
  const std::string redis = "redis: {url: \"redis://h\", stream: s}\n";
  EXPECT_THAT(warnings_of(configured(redis)),
              ElementsAre("f.yaml: redis.stream: without state.path the host does not keep its "
                          "position: a start begins with the entries added from then on, and "
                          "entries added while the host is down are not read"));
  EXPECT_THAT(warnings_of(configured(redis + "state: {path: /var/lib/x/state.db}")), IsEmpty());
}

TEST(ConfigWarningsTest, NameACaThatEncryptsNothing) {
  for (const char* url : {"redis://u:s3cret@h", "unix:///x"}) {
    EXPECT_THAT(
        warnings_of(configured("redis: {ca: /x.pem, url: \"" + std::string(url) + "\"}")),
        ElementsAre("f.yaml: redis.ca: not used: the connection is not encrypted; rediss:// is"));
  }
}

TEST(ConfigWarningsTest, NameTheVariableThatWasPassedOver) {
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "CELERY_BROKER_URL") return "amqp://u:s3cret@broker//";
    return name == "REDIS_URL" ? std::optional<std::string>("redis://r") : std::nullopt;
  };
  for (const char* text :
       {"", "redis: {url: auto}", "redis: {url: \"${CELERY_BROKER_URL:-${REDIS_URL:-}}\"}"}) {
    const Config config = parse_config(text, "f.yaml", environment);
    EXPECT_EQ(config.redis.url, "redis://r");
    EXPECT_THAT(warnings_of(config),
                ElementsAre("f.yaml: redis.url: CELERY_BROKER_URL from the environment is not a "
                            "Redis URL and is skipped; REDIS_URL is read"));
  }
}

TEST(ConfigWarningsTest, NameThePartsOfTheUrlThatHaveNoEffect) {
  EXPECT_THAT(warnings_of(configured("redis: {url: \"redis://h?ssl_cert_reqs=none&protocol=3\"}")),
              ElementsAre("f.yaml: redis.url: ssl_cert_reqs: not used: the connection is not "
                          "encrypted; rediss:// is",
                          "f.yaml: redis.url: protocol: not used: it is for other clients"));
}

TEST(ConfigWarningsTest, NameACertificateThatIsNotChecked) {
  EXPECT_THAT(
      warnings_of(configured("redis: {ca: /x.pem, url: \"rediss://h?ssl_cert_reqs=none\"}")),
      ElementsAre(testing::StartsWith("f.yaml: redis.url: ssl_cert_reqs: the server's certificate "
                                      "is not checked"),
                  "f.yaml: redis.ca: not used: ssl_cert_reqs in redis.url switches the check off"));
  EXPECT_THAT(
      warnings_of(configured("redis: {ca: /x.pem, url: \"rediss://h?ssl_ca_certs=/y.pem\"}")),
      ElementsAre("f.yaml: redis.url: ssl_ca_certs: not used, because redis.ca is set"));
}

TEST(ConfigWarningsTest, ACacheOfItsOwnIsEnoughForWhatOnlyTheCacheNeeds) {
  EXPECT_THAT(warnings_of(configured("redis: {url: \"\", cache: \"rediss://h/1\", ca: /x.pem}\n"
                                     "broadcasters: {a: {permissions: [cache]}}")),
              IsEmpty());
}

TEST(ConfigWarningsTest, AreNoneWhereAllIsUsed) {
  EXPECT_THAT(warnings_of(configured("")), IsEmpty());
  EXPECT_THAT(warnings_of(configured("redis: {url: \"rediss://h\", stream: s, ca: /x.pem}\n"
                                     "state: {path: /var/lib/x/state.db}\n"
                                     "broadcasters: {a: {permissions: [cache]}}")),
              IsEmpty());
}

}  // namespace
}  // namespace broadcast

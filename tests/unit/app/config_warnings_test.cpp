#include "host/app/config_warnings.hpp"

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

TEST(ConfigWarningsTest, NameACaThatEncryptsNothing) {
  for (const char* url : {"redis://u:s3cret@h", "unix:///x"}) {
    EXPECT_THAT(warnings_of(configured("redis: {ca: /x.pem, url: \"" + std::string(url) + "\"}")),
                ElementsAre("f.yaml: redis.ca: not used: the connection is not encrypted, as it is "
                            "with rediss://"));
  }
}

TEST(ConfigWarningsTest, AreNoneWhereAllIsUsed) {
  EXPECT_THAT(warnings_of(configured("")), IsEmpty());
  EXPECT_THAT(warnings_of(configured("redis: {url: \"rediss://h\", stream: s, ca: /x.pem}\n"
                                     "broadcasters: {a: {permissions: [cache]}}")),
              IsEmpty());
}

}  // namespace
}  // namespace broadcast

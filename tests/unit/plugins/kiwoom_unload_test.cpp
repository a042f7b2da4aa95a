// The price broadcaster's library after it has spoken TLS: nothing of it stays mapped, and the
// process's OpenSSL is as it was.

#include <cstdio>
#include <fstream>

#include <openssl/conf.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/kiwoom_play.hpp"
#include "tests/unit/plugins/plugin_path.hpp"

namespace broadcast::test {
namespace {

bool is_mapped(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(library)) return true;
  }
  return false;
}

/// A part of OpenSSL's configuration that notes when it is applied.
class ConfigurationProbe {
 public:
  ConfigurationProbe() { CONF_module_add("probe", &ConfigurationProbe::on_apply, nullptr); }
  ~ConfigurationProbe() { CONF_modules_unload(1); }
  ConfigurationProbe(const ConfigurationProbe&) = delete;
  ConfigurationProbe& operator=(const ConfigurationProbe&) = delete;

  [[nodiscard]] static bool is_there() {
    applied_ = 0;
    const std::string text = "probe_app = all\n[all]\nprobe = x\n";
    BIO* const bio = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    CONF* const config = NCONF_new(nullptr);
    long line = 0;
    NCONF_load_bio(config, bio, &line);
    CONF_modules_load(config, "probe_app", CONF_MFLAGS_IGNORE_ERRORS);
    NCONF_free(config);
    BIO_free(bio);
    return applied_ == 1;
  }

 private:
  static int on_apply(CONF_IMODULE*, const CONF*) { return ++applied_; }
  static inline int applied_ = 0;
};

class KiwoomUnloadTest : public KiwoomPlay {
 protected:
  [[nodiscard]] json source(const char* type) const {
    const KiwoomOptions how = options();
    return {{"type", type}, {"app_key", kKey},          {"secret_key", kSecret},
            {"ca", how.ca}, {"rest_url", how.rest_url}, {"ws_url", how.ws_url}};
  }
  /// A life of the broadcaster, until it has published what Kiwoom says.
  void live() {
    const std::int64_t before = stat("logins");
    const json config = {{"tickers", {"005930"}},
                         {"sources", json::array({source("kiwoom_rest"), source("kiwoom_ws")})}};
    FakeHost host(plugin_path("price"), config.dump());
    ASSERT_EQ(host.start(), BC_OK);
    ASSERT_TRUE(host.run_posts_until([&] {
      host.advance(100ms);
      return !host.published("price:005930").empty() && stat("logins") > before;
    }));
    EXPECT_EQ(host.last("price:005930").at("source"), "kiwoom_rest");
    for (const FakeHost::LogLine& line : host.logs()) expect_no_secret(line.text);
    EXPECT_TRUE(host.misuse().empty());
  }
};

TEST_F(KiwoomUnloadTest, LeavesNothingMappedAndTlsInOrder) {
  set("limit", 0);
  const ConfigurationProbe probe;
  ASSERT_TRUE(ConfigurationProbe::is_there());
  for (int life = 0; life < 10; ++life) {
    live();
    ASSERT_FALSE(is_mapped("/libprice.so")) << life;
  }
  EXPECT_TRUE(ConfigurationProbe::is_there()) << "it is the process's, not the library's to end";
  KiwoomRestSource after(1h, session());
  after.want(tickers({"000660"}));
  after.start(heard_.events());
  EXPECT_TRUE(run_until([&] { return !heard_.quotes.empty(); }));
}

}  // namespace
}  // namespace broadcast::test

// The broadcasters of this tree, as the host loads them.

#include <gtest/gtest.h>

#include <broadcast/schema.hpp>

#include "host/seams/client_control.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using test::kPatience;
using test::mappings_of;

class NoClients final : public ClientControl {
 public:
  [[nodiscard]] std::size_t client_count() const override { return 0; }
  [[nodiscard]] bool try_send_all(std::string_view) override { return true; }
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds, std::uint16_t,
                                    std::string_view) override {
    return true;
  }
};

class ShippedPluginTest : public testing::TestWithParam<const char*> {};

TEST_P(ShippedPluginTest, LeavesNothingMappedAfter200Lives) {
  const std::string name = GetParam();
  const auto file = PluginFile::read(SHIPPED_PLUGIN_DIRECTORY "/lib" + name + ".so",
                                     Broadcasters::offer("1.3.2"));
  const std::string config =
      with_defaults(file->manifest().config_schema, nlohmann::json::object()).dump();
  NoClients clients;
  for (int life = 0; life < 200; ++life) {
    test::ListeningHub listening;
    auto surroundings = listening.surroundings();
    surroundings.clients = &clients;
    const auto runner = PluginRunner::make(
        file, {.name = name, .config = config, .permissions = {"clients"}}, surroundings);
    ASSERT_FALSE(listening.hub().topics().try_claim(*runner, name, file->manifest().topics));
    runner->start();
    const Verdict verdict = test::ask(*runner, "[]");
    ASSERT_NE(verdict.outcome, Verdict::Outcome::kUnavailable) << verdict.text;
    ASSERT_TRUE(runner->stop_within(kPatience));
    ASSERT_EQ(runner->libraries_left(), 0U) << life;
  }
  EXPECT_EQ(mappings_of(name), 0U);
}

INSTANTIATE_TEST_SUITE_P(Plugins, ShippedPluginTest,
                         testing::Values("price", "market_gate", "vcp_signal", "daytrading_signal",
                                         "heartbeat"),
                         [](const auto& plugin) { return std::string(plugin.param); });

}  // namespace
}  // namespace broadcast

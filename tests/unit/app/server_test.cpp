#include "host/app/server.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "tests/unit/app/plan_fixture.hpp"
#include "tests/unit/base/captured_log.hpp"

namespace broadcast {
namespace {

constexpr const char* kBroken = R"("broadcasters": {
    "gone": {"library": "nowhere.so"},
    "incomplete": {"library": "undefined_symbol.so"},
    "probe": {"library": "probe.so", "config": {"in": "START", "do": "refuse"}},
    "whole": {"library": "minimal.so"}})";

TEST(ServerTest, StrictEndsOnceEveryBroadcasterHasBeenHeard) {
  const test::CapturedLog log;
  const Config config = with_test_plugins(kBroken, true);
  Server server(config, plan_broadcasters(config), {});
  const Server::End end = server.run();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_FALSE(end.is_stuck);
  EXPECT_EQ(log.count_of("error gone is not started: "), 1) << log.text();
  EXPECT_EQ(log.count_of("error incomplete is not started: undefined_symbol.so: undefined symbol: "
                         "function_that_nobody_defines\n"),
            1);
  EXPECT_EQ(log.count_of("error probe is not started: START failed (status -1): "
                         "signals[0].ticker is missing\n"),
            1);
  EXPECT_EQ(
      log.count_of("error plugins.strict: the host ends; broadcasters that did not start: 3\n"), 1);
  EXPECT_EQ(log.count_of("whole is not started"), 0);
  EXPECT_EQ(log.count_of("listening"), 0);
}

TEST(ServerTest, StrictServesWhenAllHaveStarted) {
  const test::CapturedLog log;
  const Config config =
      with_test_plugins(R"("broadcasters": {"whole": {"library": "minimal.so"}})", true);
  Server server(config, plan_broadcasters(config), {});
  std::raise(SIGTERM);
  EXPECT_EQ(server.run().exit_code, 0);
  EXPECT_EQ(log.count_of("listening"), 1);
}

TEST(ServerTest, WithoutStrictItServesWithWhatIsWhole) {
  const test::CapturedLog log;
  const Config config = with_test_plugins(kBroken);
  Server server(config, plan_broadcasters(config), {});
  std::raise(SIGTERM);
  EXPECT_EQ(server.run().exit_code, 0);
  EXPECT_EQ(log.count_of("listening"), 1);
  EXPECT_EQ(log.count_of("error gone is not started: "), 1);
}

}  // namespace
}  // namespace broadcast

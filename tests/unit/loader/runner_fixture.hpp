#pragma once
// What the tests of PluginRunner share: a runner of the probe, told by its config and its messages
// what to do, and a gate that lets a stuck one go on.

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/loader/plugin_runner.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast::test {

/// One byte on it lets a stuck probe go on.
class Gate {
 public:
  Gate() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  [[nodiscard]] std::string order(const std::string& what = "stuck") const {
    return R"({"do":")" + what + R"(","fd":)" + std::to_string(ends_[0]) + "}";
  }
  void open() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }

 private:
  std::array<int, 2> ends_{};
};

class PluginRunnerTest : public testing::Test {
 protected:
  ~PluginRunnerTest() override {
    if (runner != nullptr) {
      EXPECT_TRUE(runner->stop_within(kPatience));
    }
  }

  static PluginRunner::Options options(const std::string& config = "{}") {
    return {.name = "probe",
            .config = config,
            .permissions = {},
            .host_version = "1.3.2",
            .copies = {},
            .restart = {.first = std::chrono::milliseconds(1),
                        .longest = std::chrono::milliseconds(4),
                        .healthy = std::chrono::seconds(60)},
            .inbox = {}};
  }

  /// Of a name of its own, because what stays mapped stays for good.
  static PluginRunner::Options rude(const std::string& config = "{}") {
    auto result = options(config);
    result.name = "rude";
    return result;
  }

  void make(const PluginRunner::Options& with, const std::string& plugin = "probe") {
    runner = PluginRunner::make(read_plugin(plugin), with, listening.surroundings());
    EXPECT_EQ(runner->try_claim(), std::nullopt);
    listening.subscribe("probe:log");
    listening.subscribe_status(with.name);
  }
  void start(const PluginRunner::Options& with = options(), const std::string& plugin = "probe") {
    make(with, plugin);
    runner->start();
  }
  [[nodiscard]] std::uint64_t count(Counter counter) { return runner->counters().get(counter); }

  ListeningHub listening;
  std::shared_ptr<PluginRunner> runner;
};

}  // namespace broadcast::test

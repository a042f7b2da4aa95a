#include <array>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/plugins/plugin_path.hpp"

namespace broadcast {
namespace {

/// `nm -D --defined-only` of a library: the exported names.
std::vector<std::string> exports_of(const std::string& path) {
  const std::string command = std::string(NM) + " -D --defined-only " + path;
  const auto close = [](std::FILE* file) { ::pclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> pipe(::popen(command.c_str(), "r"), close);
  std::vector<std::string> names;
  std::array<char, 4096> line{};
  while (std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
    std::istringstream words(line.data());
    std::string address, kind, name;
    words >> address >> kind >> name;
    names.push_back(name);
  }
  return names;
}

TEST(ExportsTest, EveryBroadcasterExportsOneSymbol) {
  for (const char* name :
       {"price", "market_gate", "vcp_signal", "daytrading_signal", "heartbeat"}) {
    EXPECT_THAT(exports_of(plugin_path(name)), ::testing::ElementsAre("bc_plugin_entry")) << name;
  }
}

}  // namespace
}  // namespace broadcast

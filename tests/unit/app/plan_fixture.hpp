#pragma once
// A configuration whose broadcasters are the loader's test plugins, and what is planned for it.

#include <string>

#include "host/app/broadcaster_plan.hpp"
#include "tests/unit/app/config_fixture.hpp"

namespace broadcast {

/// `sections` as JSON, which is YAML: R"("broadcasters": {"probe": {"library": "probe.so"}})"
inline Config with_test_plugins(const std::string& sections, bool is_strict = false) {
  return configured(R"({"server": {"listen": "127.0.0.1:0", "threads": 1},)"
                    R"("admin": {"listen": "127.0.0.1:0"},)"
                    R"("plugins": {"directory": ")" TEST_PLUGIN_DIRECTORY R"(", "strict": )" +
                    std::string(is_strict ? "true" : "false") + "}," + sections + "}");
}

}  // namespace broadcast

// What scanners post: the daytrading broadcaster, the stricter of the two that share
// SignalBroadcaster.

#include <string>

#include <broadcast/testing.hpp>

#include "tests/fuzz/fuzz.hpp"

extern "C" const bc_entry bc_plugin_entry;

namespace broadcast {
namespace {

using fuzz::require;
using fuzz::require_equal;
using nlohmann::json;

constexpr const char* kTopic = "signal:daytrading";

void check_update(const FakeHost& host) {
  require_equal(host.published().size(), 1U, "what is taken is published once");
  const json update = host.last(kTopic);
  require_equal(update.value("type", ""), "signal_update", "it is an update");
  const json& data = update.at("data");
  require_equal(data.at("signal_type"), "DAYTRADING", "of its own type");
  require_equal(data.at("count"), data.at("signals").size(), "whose signals are counted");
  require(data.at("timestamp").is_string(), "and which has a time");
  for (const json& signal : data.at("signals")) {
    require(!signal.at("ticker").get<std::string>().empty(), "a signal has a ticker");
    require(!signal.at("name").get<std::string>().empty(), "a signal has a name");
    for (const json& check : signal.at("checks")) {
      require(check.at("points").is_number(), "a check has points");
    }
  }
}

/// An update that is posted again is the same update.
void check_again(FakeHost& host) {
  const std::string first = host.published().back().payload;
  require_equal(host.message(kTopic, first).status, bc_status{BC_OK}, "what it says, it takes");
  require_equal(host.published().back().payload, first, "and says again");
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  FakeHost host(bc_plugin_entry, "{}");
  host.start();
  const FakeHost::Answer answer = host.message(kTopic, fuzz::text_of(data, size));
  if (answer.status == BC_OK) {
    check_update(host);
    check_again(host);
  } else {
    require_equal(answer.status, bc_status{BC_E_INVALID},
                  "what is refused is the producer's fault");
    require(!answer.text.empty() && is_utf8(answer.text), "a refusal says why");
    require(host.published().empty(), "what is refused is not published");
  }
  require(host.misuse().empty() && host.errors().empty(), "the host is used as it should be");
  return 0;
}

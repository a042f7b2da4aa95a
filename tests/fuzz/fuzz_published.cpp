// What broadcasters publish: a text that is let through is JSON to another parser as well, and
// FakeHost lets through the same.

#include <broadcast/testing/rules.hpp>

#include "host/hub/json_checker.hpp"
#include "host/hub/json_text.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string text(fuzz::text_of(data, size));
  static JsonChecker checker;
  const bool is_sent = !checker.fault_of_text(text);
  const bool is_published = !checker.fault_of_payload(text, JsonChecker::Type::kRequired);
  fuzz::require(is_sent || !is_published, "what is published may be sent to all");
  fuzz::require(!is_sent || is_json(text), "what goes to clients is JSON");
  fuzz::require(is_sent == fake::text_problem(text).empty(), "FakeHost sends the same");
  fuzz::require(is_published == fake::payload_problem("t", text).empty(),
                "FakeHost publishes the same");
  return 0;
}

// What producers send to relayed topics: whatever JSON it is, what is published of it is JSON that
// broadcasters might have published, with the members that were sent and none that the host writes.

#include "host/hub/json_checker.hpp"
#include "host/hub/json_text.hpp"
#include "host/hub/relay.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  using nlohmann::json;
  const std::string text(fuzz::text_of(data, size));
  if (!is_json(text) || is_nested_deeper(text, kMaxNesting)) return 0;
  const json sent = json::parse(text);
  const std::string relayed_text = relayed(text);
  fuzz::require(relayed_text.empty() == !(sent.is_object() || sent.is_array()),
                "objects and lists are relayed, and nothing else");
  if (relayed_text.empty()) return 0;

  fuzz::require(is_json(relayed_text), "what is relayed is JSON: " + relayed_text);
  static JsonChecker checker;
  const auto fault = checker.fault_of_payload(relayed_text, JsonChecker::Type::kRequired);
  fuzz::require(!fault || fault == JsonFault::kNumber,
                "nothing but a number keeps it from being published: " + relayed_text);

  const auto without_hosts = [](json object) {
    for (const char* const key : {"topic", "seq", "type"}) object.erase(key);
    return object;
  };
  const json published = json::parse(relayed_text);
  const json type = sent.is_object() ? sent.value("type", json()) : json();
  const bool may_be_twice = text.find("null") != std::string::npos;  // a type, and one that is null
  fuzz::require(may_be_twice || published.at("type") == (type.is_null() ? json("relay") : type),
                "the type is the sender's, or relay where there is none");
  const json wanted = sent.is_object() ? without_hosts(sent) : json{{"data", sent}};
  fuzz::require_equal(without_hosts(published), wanted, "the members are those that were sent");
  return 0;
}

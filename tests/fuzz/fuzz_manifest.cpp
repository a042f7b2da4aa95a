// A plugin's manifest, and the schema in it applied to what an operator may have written: the
// manifest, a zero byte, the config as JSON.

#include <optional>
#include <string>

#include <broadcast/schema.hpp>

#include "host/loader/manifest.hpp"
#include "host/loader/plugin_refused.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

using fuzz::require;
using nlohmann::json;

void check_topics(const Manifest& manifest) {
  for (const TopicPattern& pattern : manifest.topics) {
    require(pattern.overlaps(pattern), "a pattern overlaps itself");
    for (const char* topic : {"price:005930", "a", "signal:vcp"}) {
      require(!pattern.accepts(topic) || pattern.has_placeholder() || pattern.text() == topic,
              "a literal is itself only");
    }
  }
}

void check_config(const json& schema, const json& config) {
  require(check_schema(schema).empty(), "a manifest's schema may be used");
  const std::vector<SchemaError> errors = check_value(schema, config);
  for (const SchemaError& error : errors) {
    require(!error.text.empty() && is_utf8(error.text), "an error says what is wrong");
    require(error.pointer.empty() || error.pointer.front() == '/', "an error has its place");
  }
  if (!errors.empty()) return;
  const json full = with_defaults(schema, config);
  require(with_defaults(schema, full) == full, "defaults are filled in at once");
}

std::optional<Manifest> parsed(std::string_view text) {
  try {
    return parse_manifest("fuzz.so", text);
  } catch (const PluginRefused& refused) {
    require(std::string_view(refused.what()).starts_with("fuzz.so: ") ||
                std::string_view(refused.what()).find("(fuzz.so): ") != std::string_view::npos,
            "a refusal names the file");
    require(is_utf8(refused.what()), "a refusal is UTF-8");
    return std::nullopt;
  }
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string_view input = fuzz::text_of(data, size);
  const std::size_t end = input.find('\0');
  const std::optional<Manifest> manifest = parsed(input.substr(0, end));
  if (!manifest) return 0;
  require(!manifest->name.empty() && manifest->name.size() <= 64, "a broadcaster has a name");
  check_topics(*manifest);
  check_config(manifest->config_schema, json::object());
  if (end == std::string_view::npos) return 0;
  const json config = json::parse(input.substr(end + 1), nullptr, /*allow_exceptions=*/false);
  if (!config.is_discarded()) check_config(manifest->config_schema, config);
  return 0;
}

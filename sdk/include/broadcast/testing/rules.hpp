#pragma once
// What a host lets a broadcaster do, where FakeHost has to judge it: topics that the manifest owns,
// payloads, names of metrics, configurations. Pure but for a cache; any thread, one at a time.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/abi.h>
#include <broadcast/schema.hpp>
#include <broadcast/testing/json_rules.hpp>

namespace broadcast::fake {

inline constexpr std::size_t kMaxPayloadBytes = 256 * 1024;  // limits.publish
inline constexpr std::size_t kMaxSendAllBytes = 64 * 1024;
inline constexpr std::size_t kMaxReasonBytes = 123;
inline constexpr std::chrono::milliseconds kShortestHeartbeat{100};
inline constexpr std::size_t kMaxMetrics = 64;

/// The topics of a manifest, each with its delivery.
class OwnedTopics {
 public:
  explicit OwnedTopics(const nlohmann::json& manifest) {
    for (const auto& topic : manifest.value("topics", nlohmann::json::array())) {
      const auto pattern = topic.at("pattern").get<std::string>();
      owned_.push_back(
          {pattern.substr(0, pattern.find('{')), pattern.find('{') != std::string::npos,
           std::regex(topic.value("match", ".*")), topic.at("delivery").get<std::string>()});
    }
  }
  /// "latest" or "all"; nothing if the topic is not owned.
  [[nodiscard]] std::optional<std::string> delivery_of(const std::string& topic) {
    const auto known = known_.find(topic);
    return known != known_.end() ? known->second : known_[topic] = look_up(topic);
  }

 private:
  struct Owned {
    std::string prefix;
    bool has_placeholder;
    std::regex match;
    std::string delivery;
  };

  [[nodiscard]] std::optional<std::string> look_up(const std::string& topic) const {
    for (const Owned& owned : owned_) {
      if (!owned.has_placeholder && topic != owned.prefix) continue;
      if (owned.has_placeholder &&
          (topic.size() <= owned.prefix.size() || !topic.starts_with(owned.prefix) ||
           !std::regex_match(topic.substr(owned.prefix.size()), owned.match))) {
        continue;
      }
      return owned.delivery;
    }
    return std::nullopt;
  }

  std::vector<Owned> owned_;
  std::map<std::string, std::optional<std::string>> known_;
};

/// What is wrong with a payload; empty: nothing.
inline std::string payload_problem(const std::string& topic, const std::string& payload) {
  if (payload.size() > kMaxPayloadBytes) {
    return "larger than " + std::to_string(kMaxPayloadBytes) + " bytes: on " + topic;
  }
  JsonRules rules;
  const std::string_view fault = rules.fault_of(payload);
  const bool is_bare = payload.starts_with('{') && payload.ends_with('}');
  if (fault.empty() && is_bare && rules.has_type()) return {};
  return "not a JSON object with `type` and without `topic` and `seq`" +
         (fault.empty() ? "" : " (" + std::string(fault) + ')') + ": " + payload;
}

/// What is wrong with a text for every client; empty: nothing.
inline std::string text_problem(const std::string& json) {
  if (json.size() > kMaxSendAllBytes) return "send_all of what is too large";
  const std::string_view fault = JsonRules().fault_of(json);
  return fault.empty() ? "" : "send_all of what no client may get: " + std::string(fault);
}

inline bool is_metric_name(std::string_view name, std::int32_t kind) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto fits = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  const bool is_name = !name.empty() && name.size() <= 64 && is_letter(name.front()) &&
                       std::all_of(name.begin(), name.end(), fits);
  if (!is_name || kind < BC_COUNTER || kind > BC_HISTOGRAM) return false;
  // Samples of counters and histograms end so; a counter may say its own.
  const auto ends = [&](std::string_view end) { return name.ends_with(end); };
  return kind == BC_COUNTER ||
         !(ends("_total") || ends("_bucket") || ends("_count") || ends("_sum"));
}

inline bool is_close_code(std::uint16_t code) {
  return code == 1000 || code == 1001 || code == 1008 || code == 1011 ||
         (code >= 3000 && code <= 4999);
}

inline bool is_cache_pattern(std::string_view pattern) {
  return !pattern.empty() && pattern.size() <= 256 &&
         std::string_view("*?[\\").find(pattern.front()) == std::string_view::npos;
}

/// `config`, checked against the manifest's schema, defaults filled in, as the host does it before
/// it loads the library. Throws std::runtime_error with everything that is wrong, a line each:
/// "config.interval: 20ms is below the minimum 100ms".
inline std::string checked_config(const nlohmann::json& manifest, std::string_view config) {
  const auto schema = manifest.value("config", nlohmann::json::object());
  std::string lines;
  const auto add = [&](const std::string& root, const std::vector<SchemaError>& errors) {
    for (const SchemaError& error : errors) {
      std::string path = root + error.pointer;
      std::replace(path.begin(), path.end(), '/', '.');
      lines += (lines.empty() ? "" : "\n") + path + ": " + error.text;
    }
  };
  add("manifest.config", check_schema(schema));
  const auto value = nlohmann::json::parse(config);
  if (lines.empty()) add("config", check_value(schema, value));
  if (!lines.empty()) throw std::runtime_error(lines);
  return with_defaults(schema, value).dump();
}

}  // namespace broadcast::fake

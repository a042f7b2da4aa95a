#pragma once
// What a host lets a broadcaster do, as FakeHost judges it: topics that the manifest owns,
// payloads, metrics, configurations. The rules themselves, where a host shares them, are in
// <broadcast/host_rules.hpp>, topic_matcher.hpp and schema.hpp. Used by FakeHost. Pure but for a
// cache; any thread, one at a time. Needs nlohmann/json.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/abi.h>
#include <broadcast/host_rules.hpp>
#include <broadcast/schema.hpp>
#include <broadcast/testing/json_rules.hpp>
#include <broadcast/topic_matcher.hpp>

namespace broadcast::fake {

inline constexpr std::size_t kMaxPayloadBytes =
    256 * 1024;  ///< limits.publish of a host by default

/// The topics of a manifest, each with its delivery.
class OwnedTopics {
 public:
  /// Throws std::runtime_error: a host would refuse the manifest because of its topics.
  explicit OwnedTopics(const nlohmann::json& manifest) {
    for (const auto& topic : manifest.value("topics", nlohmann::json::array())) {
      try {
        owned_.push_back(owned(topic));
      } catch (const std::invalid_argument& error) {
        throw std::runtime_error("manifest.topics." + std::to_string(owned_.size()) + ": " +
                                 error.what());
      } catch (const nlohmann::json::exception& error) {
        throw std::runtime_error("manifest.topics." + std::to_string(owned_.size()) + ": " +
                                 error.what());
      }
    }
  }
  /// "latest" or "all"; nothing if the topic is not owned.
  [[nodiscard]] std::optional<std::string> delivery_of(const std::string& topic) {
    const auto known = known_.find(topic);
    return known != known_.end() ? known->second : known_[topic] = look_up(topic);
  }

 private:
  struct Owned {
    TopicMatcher topics;
    std::string delivery;
  };

  static Owned owned(const nlohmann::json& topic) {
    const auto delivery = topic.value("delivery", std::string());
    if (delivery != "latest" && delivery != "all") {
      throw std::invalid_argument("\"delivery\": expected \"latest\" or \"all\"");
    }
    TopicMatcher topics(topic.value("pattern", std::string()), topic.value("match", std::string()));
    if (topics.text().starts_with(kStatusPrefix)) {
      throw std::invalid_argument("topic pattern \"" + topics.text() + "\": it is the host's own");
    }
    return {std::move(topics), delivery};
  }
  [[nodiscard]] std::optional<std::string> look_up(const std::string& topic) const {
    if (!is_topic_name(topic, kMaxTopicNameBytes) || topic.starts_with(kStatusPrefix)) return {};
    const Owned* best = nullptr;
    for (const Owned& one : owned_) {
      if (!one.topics.accepts(topic)) continue;
      if (best == nullptr || one.topics.rank() > best->topics.rank()) best = &one;
    }
    return best == nullptr ? std::nullopt : std::optional(best->delivery);
  }

  std::vector<Owned> owned_;
  std::map<std::string, std::optional<std::string>> known_;
};

/// What is wrong with `payload` as a message on `topic`; empty: nothing.
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
  if (json.size() > kMaxSendAllBytes) return "send_all of a text that is too large";
  const std::string_view fault = JsonRules().fault_of(json);
  return fault.empty() ? "" : "send_all of a text that no client may get: " + std::string(fault);
}

/// May a metric of `kind`, BC_COUNTER and so on, be called so?
inline bool is_metric(std::string_view name, std::int32_t kind) {
  const bool is_kind = kind >= BC_COUNTER && kind <= BC_HISTOGRAM;
  return is_kind && is_metric_name(name) && (kind == BC_COUNTER || !ends_as_a_sample(name));
}

/// `config`, checked against the manifest's schema, defaults filled in, as the host does it before
/// it loads the library. Throws std::runtime_error with everything that is wrong, a line each:
/// "config.interval: 20ms is below the minimum 100ms".
inline std::string checked_config(const nlohmann::json& manifest, std::string_view config) {
  const nlohmann::json schema = config_schema_of(manifest);
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

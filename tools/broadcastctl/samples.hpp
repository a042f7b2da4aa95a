#pragma once
// What the checks feed a plugin with: topics of its manifest, configs within and outside its
// schema, and messages of any shape. The same seed gives the same ones. Pure but for the generator;
// [main].

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/hub/topic_pattern.hpp"

namespace broadcast {

using Random = std::mt19937_64;

/// A topic that `pattern` accepts; nothing if none was found by trying.
[[nodiscard]] std::optional<std::string> sample_topic(const TopicPattern& pattern, Random& random);

/// Objects, lists and values of any kind, some of them huge or odd; texts are UTF-8.
[[nodiscard]] nlohmann::json random_json(Random& random, int depth);

/// A value that `schema` may or may not allow: most of it does.
[[nodiscard]] nlohmann::json random_config(const nlohmann::json& schema, Random& random);

/// The text of a message: JSON mostly, broken or not UTF-8 sometimes, and mutations of `good`.
[[nodiscard]] std::string random_message(const std::vector<std::string>& good, Random& random);

}  // namespace broadcast

#pragma once
// The subset of JSON Schema that a manifest may describe its config with: type, properties,
// required, additionalProperties, enum, minimum, maximum, minLength, maxLength, pattern, items,
// minItems, default, description, format (duration, size). With a format, values and limits are
// texts such as "5s" or "64KiB". Pure functions over values; positions are JSON pointers, which the
// caller turns into lines of YAML. [any]

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace broadcast {

struct SchemaError {
  std::string pointer;  ///< "/sources/0/type"; "" is the whole value
  std::string text;     ///< "20ms is below the minimum 100ms"
};

/// Everything that is wrong with the schema itself, unknown keywords included; empty: it may be
/// used.
[[nodiscard]] std::vector<SchemaError> check_schema(const nlohmann::json& schema);

/// Everything in `value` that `schema` forbids. REQUIRES: check_schema(schema) is empty.
[[nodiscard]] std::vector<SchemaError> check_value(const nlohmann::json& schema,
                                                   const nlohmann::json& value);

/// `value` with each absent key that has a default. REQUIRES: check_value(schema, value) is empty.
[[nodiscard]] nlohmann::json with_defaults(const nlohmann::json& schema, nlohmann::json value);

}  // namespace broadcast

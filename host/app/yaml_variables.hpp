#pragma once
// Environment variables in a text: ${NAME} must be set, ${NAME:-default} need not be (unset or
// empty: the default, which may hold further ones), $$ is a dollar. Pure: the environment is a
// function. [any]

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

/// The value of a variable; nothing if it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct ExpandedText {
  std::string text;
  std::vector<std::string> problems;  ///< not empty: `text` means nothing
};

[[nodiscard]] ExpandedText expand_variables(std::string_view text, const Environment& environment);

}  // namespace broadcast

#pragma once
// What reading a YAML file finds: everything that is wrong with it, each with its place, and the
// keys that were asked for. Filled by yaml_document and yaml_reader, thrown as one ConfigError by
// config. [main]

#include <compare>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

/// Counted from 1, as editors do.
struct YamlPosition {
  int line = 1;
  int column = 1;
  auto operator<=>(const YamlPosition&) const = default;
};

/// All that is wrong with a configuration; what() has one a line.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(std::vector<std::string> problems);
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  std::vector<std::string> problems_;
};

class YamlFindings {
 public:
  /// `path` as in "limits.outbox"; empty: the file itself.
  void add(YamlPosition at, std::string path, std::string text);
  /// The reader knows the key `path`.
  void know(std::string path) { known_.insert(std::move(path)); }

  [[nodiscard]] const std::set<std::string>& known() const { return known_; }
  /// Throws ConfigError if anything was added, in the order of the file.
  void throw_if_any(const std::string& file) const;

 private:
  struct Problem {
    YamlPosition at;
    std::string path;
    std::string text;
  };
  std::vector<Problem> problems_;
  std::set<std::string> known_;
};

/// `text` fit for a line of the terminal: no control characters, cut when long.
[[nodiscard]] std::string shown(std::string_view text);

/// "limits" and "outbox" -> "limits.outbox"
[[nodiscard]] std::string key_path(const std::string& parent, std::string_view key);
/// "tokens" and 2 -> "tokens[2]"
[[nodiscard]] std::string item_path(const std::string& parent, std::size_t index);

}  // namespace broadcast

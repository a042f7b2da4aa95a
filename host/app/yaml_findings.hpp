#pragma once
// What reading a YAML file finds: everything that is wrong with it, each with its place, the keys
// that were asked for, and on request what each of them may be. Filled by yaml_document and
// yaml_reader, thrown as one ConfigError by config. [main]

#include <compare>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

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

struct DescribedKey {
  nlohmann::json schema;
  std::string text;
  nlohmann::json default_value;  ///< null: none
};

class YamlFindings {
 public:
  /// With kDescribe, readers also say what each key may be, whether it is there or not.
  enum class Mode { kRead, kDescribe };
  explicit YamlFindings(Mode mode = Mode::kRead) : mode_(mode) {}

  /// `path` as in "limits.outbox"; empty: the file itself.
  void add(YamlPosition at, std::string path, std::string text);
  /// The reader knows the key `path`.
  void know(std::string path) { known_.insert(std::move(path)); }

  [[nodiscard]] const std::set<std::string>& known() const { return known_; }

  [[nodiscard]] bool describes() const { return mode_ == Mode::kDescribe; }
  /// `schema`: JSON Schema of the value alone. What stands in a list is under "tokens[].token",
  /// what stands under any name under "broadcasters.*.enabled".
  void describe(const std::string& path, nlohmann::json schema) {
    if (describes()) described_[path].schema = std::move(schema);
  }
  /// What the key `path` is for, and its default. REQUIRES: describes().
  void explain(const std::string& path, std::string text, nlohmann::json default_value) {
    described_[path].text = std::move(text);
    described_[path].default_value = std::move(default_value);
  }
  [[nodiscard]] const std::map<std::string, DescribedKey>& described() const { return described_; }
  /// Throws ConfigError if anything was added, in the order of the file.
  void throw_if_any(const std::string& file) const;

 private:
  struct Problem {
    YamlPosition at;
    std::string path;
    std::string text;
  };
  const Mode mode_;
  std::vector<Problem> problems_;
  std::set<std::string> known_;
  std::map<std::string, DescribedKey> described_;
};

/// `text` fit for a line of the terminal: no control characters, cut when long.
[[nodiscard]] std::string shown(std::string_view text);

/// "limits" and "outbox" -> "limits.outbox"
[[nodiscard]] std::string key_path(const std::string& parent, std::string_view key);
/// "tokens" and 2 -> "tokens[2]"
[[nodiscard]] std::string item_path(const std::string& parent, std::size_t index);

}  // namespace broadcast

#pragma once
// Reads one map of a YAML document, key by key: each call names a key and what its value must be,
// fills the variable if the key is there, and adds a problem if the value is not that. A quoted
// number is a number here: values with ${...} have to be quoted in flow maps. Keys that nobody
// asked for are problems, too. On the stack of whoever reads.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/app/yaml_document.hpp"

namespace broadcast {

/// Both ends included.
template <class T>
struct YamlRange {
  T least;
  T most;
};

class YamlReader {
 public:
  /// Says what was expected if it refuses the text, and nothing if it took it.
  using Take = std::function<std::string(const std::string& text)>;
  using ReadMap = std::function<void(YamlReader& map)>;
  using ReadNamedMap = std::function<void(const std::string& name, YamlReader& map)>;

  /// Reads `node` with `read_map`, then adds a problem for each key that it did not ask for. A null
  /// node is an empty map. `findings` outlives the call only.
  static void read(const YamlNode& node, const std::string& path, YamlFindings& findings,
                   const ReadMap& read_map);

  void flag(std::string_view key, bool& value);
  void text(std::string_view key, std::string& value);
  void size(std::string_view key, std::size_t& value, YamlRange<std::size_t> range);
  /// The same, and `auto`, which is 0.
  void size_or_auto(std::string_view key, std::size_t& value, YamlRange<std::size_t> range);
  void duration(std::string_view key, std::chrono::nanoseconds& value,
                YamlRange<std::chrono::nanoseconds> range);
  template <std::unsigned_integral Number>
  void count(std::string_view key, Number& value, YamlRange<std::uint64_t> range) {
    std::uint64_t number = value;
    range.most = std::min<std::uint64_t>(range.most, std::numeric_limits<Number>::max());
    take(key, [&](const std::string& text) { return take_count(text, number, range); });
    describe(key, {{"type", {"integer", "string"}},
                   {"minimum", range.least},
                   {"maximum", range.most},
                   {"pattern", "^[0-9]+$"}});
    value = static_cast<Number>(number);
  }
  /// The same, and `auto`, which is 0.
  void count_or_auto(std::string_view key, std::size_t& value, YamlRange<std::uint64_t> range);
  template <class Value>
  void choice(std::string_view key, Value& value,
              std::initializer_list<std::pair<std::string_view, Value>> choices) {
    nlohmann::json words = nlohmann::json::array();
    for (const auto& [word, meaning] : choices) words.push_back(word);
    describe(key, {{"enum", std::move(words)}});
    take(key, [&](const std::string& text) {
      std::string expected;
      for (const auto& [word, meaning] : choices) {
        if (word == text) return value = meaning, std::string();
        expected += (expected.empty() ? "one of " : ", ") + std::string(word);
      }
      return expected;
    });
  }
  /// Any other value written as one text.
  void scalar(std::string_view key, const Take& take);
  /// A list of such values; `take` is called once for each.
  void scalars(std::string_view key, const Take& take);

  void section(std::string_view key, const ReadMap& read_map);
  void list_of_maps(std::string_view key, const ReadMap& read_map);
  /// A list in which either may stand.
  void scalars_or_maps(std::string_view key, const Take& take, const ReadMap& read_map);
  /// Keys are names, values maps; `take` refuses or accepts a name.
  void named_maps(std::string_view key, const Take& take, const ReadNamedMap& read_map);

  /// The value as it stands, or null. The reader then checks nothing but that the key is known.
  [[nodiscard]] const YamlNode* node(std::string_view key);
  /// The same, if it is a map; null without a problem if it is absent or empty.
  [[nodiscard]] const YamlNode* map(std::string_view key);

  /// Adds a problem to the first of `keys` that is given, or to the first one, where the map
  /// stands.
  void fail(std::initializer_list<std::string_view> keys, const std::string& problem);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] YamlPosition at() const { return map_.at; }

 private:
  YamlReader(const YamlNode& map, std::string path, YamlFindings& findings)
      : map_(map), path_(std::move(path)), findings_(findings) {}

  static std::string take_count(const std::string& text, std::uint64_t& value,
                                YamlRange<std::uint64_t> range);
  [[nodiscard]] const YamlNode* given(std::string_view key) const;
  [[nodiscard]] const YamlNode* given(std::string_view key, YamlNode::Kind kind,
                                      std::string_view expected);
  /// As scalar(), which describes it as any single value.
  void take(std::string_view key, const Take& take);
  void describe(std::string_view key, nlohmann::json schema);
  /// Reads an entry that is not there, so that its keys are described.
  void describe_below(std::string_view key, std::string_view which, const ReadMap& read_map);
  void take_scalar(const YamlNode& node, const std::string& path, const Take& take);
  void expect(const YamlNode& node, const std::string& path, std::string_view expected);
  void report_unknown();

  const YamlNode& map_;
  const std::string path_;
  YamlFindings& findings_;
  std::vector<std::string> known_;
};

/// `64KiB`, `30s`: as YAML has it, in the largest unit that fits.
[[nodiscard]] std::string size_text(std::size_t bytes);
[[nodiscard]] std::string duration_text(std::chrono::nanoseconds duration);

}  // namespace broadcast

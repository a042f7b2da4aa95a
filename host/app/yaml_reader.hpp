#pragma once
// Reads one map of a YAML document, key by key: each call names a key and what its value must be,
// fills the variable if the key is there, and adds a problem if the value is not that. A quoted
// number is a number here: values with ${...} have to be quoted in flow maps. Keys that nobody
// asked for are problems, too. On the stack of whoever reads.

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/app/yaml_document.hpp"

namespace broadcast {

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

  /// A single value; what it may be is one of the kinds in setting.hpp.
  template <class Value, class Kind>
  void value(std::string_view key, Value& value, const Kind& kind) {
    if (describes()) describe(key, kind.schema());
    take(key, [&](const std::string& text) { return kind.take(text, value); });
  }
  /// A list of single values; `take` is called once for each.
  void scalars(std::string_view key, const Take& take);

  void section(std::string_view key, const ReadMap& read_map);
  void list_of_maps(std::string_view key, const ReadMap& read_map);
  /// Either of them.
  void map_or_list_of_maps(std::string_view key, const ReadMap& read_map, const ReadMap& read_item);
  /// A list in which either may stand.
  void scalars_or_maps(std::string_view key, const Take& take, const ReadMap& read_map);
  /// Keys are names, values maps; `take` refuses or accepts a name.
  void named_maps(std::string_view key, const Take& take, const ReadNamedMap& read_map);

  /// The map as it stands; null without a problem if it is absent or empty.
  [[nodiscard]] const YamlNode* map(std::string_view key);
  /// The value as it stands, or null; of a key that another call reads.
  [[nodiscard]] const YamlNode* given(std::string_view key) const;

  /// Whether what each key may be is wanted, too.
  [[nodiscard]] bool describes() const { return findings_.describes(); }
  /// Adds what a key is for, and its default, to what it may be; null: none that could be written.
  /// REQUIRES: the key was read.
  void explain(std::string_view key, std::string text, nlohmann::json default_value);

  /// Adds a problem to the first of `keys` that is given, or to the first one, where the map
  /// stands.
  void fail(std::initializer_list<std::string_view> keys, const std::string& problem);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] YamlPosition at() const { return map_.at; }

 private:
  YamlReader(const YamlNode& map, std::string path, YamlFindings& findings)
      : map_(map), path_(std::move(path)), findings_(findings) {}

  /// As given(), and the key is known.
  [[nodiscard]] const YamlNode* node(std::string_view key);
  [[nodiscard]] const YamlNode* given(std::string_view key, YamlNode::Kind kind,
                                      std::string_view expected);
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

}  // namespace broadcast

#include "host/app/yaml_reader.hpp"

#include <algorithm>

#include <broadcast/words.hpp>

#include "host/app/setting.hpp"

namespace broadcast {

namespace {

/// What stands there, for "expected ..., found ...".
std::string found_text(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  if (!node.plain) return "\"" + shown(node.text) + "\"";
  return node.text.empty() ? "nothing" : shown(node.text);
}

}  // namespace

void YamlReader::read(const YamlNode& node, const std::string& path, YamlFindings& findings,
                      const ReadMap& read_map) {
  YamlReader reader(node, path, findings);
  read_map(reader);
  reader.report_unknown();
}

void YamlReader::describe(std::string_view key, nlohmann::json schema) {
  findings_.describe(key_path(path_, key), std::move(schema));
}

void YamlReader::explain(std::string_view key, std::string text, nlohmann::json default_value) {
  findings_.explain(key_path(path_, key), std::move(text), std::move(default_value));
}

void YamlReader::describe_below(std::string_view key, std::string_view which,
                                const ReadMap& read_map) {
  if (!findings_.describes()) return;
  YamlReader::read(YamlNode{}, key_path(path_, key) + std::string(which), findings_, read_map);
}

void YamlReader::take(std::string_view key, const Take& take) {
  if (const YamlNode* node = this->node(key)) take_scalar(*node, key_path(path_, key), take);
}

void YamlReader::scalars(std::string_view key, const Take& take) {
  describe(key, {{"type", {"array", "null"}}, {"items", any_scalar()}});
  const YamlNode* list = given(key, YamlNode::Kind::kList, "a list");
  if (list == nullptr) return;
  const std::string path = key_path(path_, key);
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    take_scalar(list->children[i], item_path(path, i), take);
  }
}

void YamlReader::section(std::string_view key, const ReadMap& read_map) {
  describe(key, {{"type", {"object", "null"}}});
  const YamlNode* section = map(key);
  const YamlNode absent{.at = map_.at};
  YamlReader::read(section != nullptr ? *section : absent, key_path(path_, key), findings_,
                   read_map);
}

void YamlReader::list_of_maps(std::string_view key, const ReadMap& read_map) {
  describe(key, {{"type", {"array", "null"}}, {"items", {{"type", "object"}}}});
  describe_below(key, "[]", read_map);
  const YamlNode* list = given(key, YamlNode::Kind::kList, "a list of maps");
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& item = list->children[i];
    const std::string path = item_path(key_path(path_, key), i);
    if (item.kind == YamlNode::Kind::kMap) {
      YamlReader::read(item, path, findings_, read_map);
    } else {
      expect(item, path, "a map");
    }
  }
}

void YamlReader::map_or_list_of_maps(std::string_view key, const ReadMap& read_map,
                                     const ReadMap& read_item) {
  const YamlNode* const node = given(key);
  if (node != nullptr && node->kind == YamlNode::Kind::kList) return list_of_maps(key, read_item);
  section(key, read_map);
  describe_below(key, "[]", read_item);
  describe(key, {{"type", {"object", "array", "null"}}, {"items", {{"type", "object"}}}});
}

void YamlReader::scalars_or_maps(std::string_view key, const Take& take, const ReadMap& read_map) {
  nlohmann::json types = any_scalar()["type"];
  types.push_back("object");
  describe(key, {{"type", {"array", "null"}}, {"items", {{"type", std::move(types)}}}});
  describe_below(key, "[]", read_map);
  const YamlNode* list = given(key, YamlNode::Kind::kList, "a list");
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->children.size(); ++i) {
    const YamlNode& item = list->children[i];
    const std::string path = item_path(key_path(path_, key), i);
    if (item.kind == YamlNode::Kind::kMap) {
      YamlReader::read(item, path, findings_, read_map);
    } else {
      take_scalar(item, path, take);
    }
  }
}

void YamlReader::named_maps(std::string_view key, const Take& take, const ReadNamedMap& read_map) {
  describe(key, {{"type", {"object", "null"}}});
  describe_below(key, ".*", [&](YamlReader& reader) { read_map("*", reader); });
  const YamlNode* maps = map(key);
  if (maps == nullptr) return;
  for (const YamlNode& one : maps->children) {
    const std::string path = key_path(key_path(path_, key), one.key);
    if (const std::string expected = take(one.key); !expected.empty()) {
      findings_.add(one.at, path, "expected " + expected + ", found \"" + shown(one.key) + "\"");
    } else if (one.kind == YamlNode::Kind::kMap || one.kind == YamlNode::Kind::kNull) {
      YamlReader::read(one, path, findings_,
                       [&](YamlReader& reader) { read_map(one.key, reader); });
    } else {
      expect(one, path, "a map");
    }
  }
}

const YamlNode* YamlReader::node(std::string_view key) {
  known_.emplace_back(key);
  findings_.know(key_path(path_, key));
  return given(key);
}

const YamlNode* YamlReader::map(std::string_view key) {
  describe(key, {{"type", {"object", "null"}}});
  return given(key, YamlNode::Kind::kMap, "a map");
}

void YamlReader::fail(std::initializer_list<std::string_view> keys, const std::string& problem) {
  for (const std::string_view key : keys) {
    const YamlNode* node = given(key);
    if (node == nullptr) continue;
    if (!node->refused) findings_.add(node->at, key_path(path_, key), problem);
    return;
  }
  findings_.add(map_.at, key_path(path_, *keys.begin()), problem);
}

const YamlNode* YamlReader::given(std::string_view key) const {
  const auto found = std::ranges::find(map_.children, key, &YamlNode::key);
  return found == map_.children.end() ? nullptr : &*found;
}

const YamlNode* YamlReader::given(std::string_view key, YamlNode::Kind kind,
                                  std::string_view expected) {
  const YamlNode* node = this->node(key);
  if (node == nullptr || node->kind == YamlNode::Kind::kNull) return nullptr;
  if (node->kind == kind) return node;
  expect(*node, key_path(path_, key), expected);
  return nullptr;
}

void YamlReader::take_scalar(const YamlNode& node, const std::string& path, const Take& take) {
  if (node.refused) return;
  const bool is_text = node.kind == YamlNode::Kind::kScalar || node.kind == YamlNode::Kind::kNull;
  if (!is_text) return expect(node, path, "a single value");
  if (const std::string expected = take(node.text); !expected.empty()) expect(node, path, expected);
}

void YamlReader::expect(const YamlNode& node, const std::string& path, std::string_view expected) {
  if (node.refused) return;
  findings_.add(node.at, path, "expected " + std::string(expected) + ", found " + found_text(node));
}

void YamlReader::report_unknown() {
  for (const YamlNode& child : map_.children) {
    if (std::ranges::find(known_, child.key) != known_.end()) continue;
    const std::string near = nearest(child.key, known_);
    findings_.add(child.at, key_path(path_, child.key),
                  near.empty() ? "unknown key; known here: " + listed(known_)
                               : "unknown key; did you mean \"" + near + "\"?");
  }
}

}  // namespace broadcast

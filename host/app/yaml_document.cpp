#include "host/app/yaml_document.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "host/base/utf8.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

// Aliases of aliases make a small file large: what they copy counts like what is written.
constexpr std::size_t kMaxNodes = 100'000;
constexpr std::size_t kMaxTextBytes = 16 * 1024 * 1024;
constexpr std::size_t kMaxDepth = 64;

struct YamlSyntaxError : std::runtime_error {
  YamlSyntaxError(YamlPosition where, const std::string& text)
      : std::runtime_error(text), at(where) {}
  YamlPosition at;
};

YamlPosition position_of(const YAML::Mark& mark) {
  return mark.is_null() ? YamlPosition{} : YamlPosition{mark.line + 1, mark.column + 1};
}

/// Turns the parser's events into a tree, and stops it when the tree gets too large.
class TreeBuilder final : public YAML::EventHandler {
 public:
  [[nodiscard]] YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) throw YamlSyntaxError(position_of(mark), "a key is missing before \":\"");
    add({.kind = YamlNode::Kind::kNull, .at = position_of(mark)}, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const YamlPosition at = position_of(mark);
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") refuse_tag(at, tag);
    if (!is_utf8(value)) {  // the parser writes these two as single bytes
      throw YamlSyntaxError(at,
                            "the escapes \\N and \\_ are not supported; write \\u0085, \\u00a0");
    }
    const bool plain = tag == "?";
    if (expects_key()) {
      open_.back().key = Key{value, at, plain && value == "<<"};
      return;
    }
    add({.kind = YamlNode::Kind::kScalar, .at = at, .text = value, .plain = plain}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const YamlPosition at = position_of(mark);
    refuse_as_key(at);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw YamlSyntaxError(at, "an alias is inside its own anchor");
    count(found->second, open_.size(), at);
    YamlNode copy = found->second;
    copy.at = at;
    place(std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kList, position_of(mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, position_of(mark), tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Key {
    std::string text;
    YamlPosition at;
    bool is_merge = false;
  };
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::optional<Key> key;  // waits for its value
  };

  [[nodiscard]] bool expects_key() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().key;
  }
  void refuse_as_key(YamlPosition at) const {
    if (expects_key()) throw YamlSyntaxError(at, "a key must be a text");
  }
  [[noreturn]] static void refuse_tag(YamlPosition at, const std::string& tag) {
    throw YamlSyntaxError(at, "the tag \"" + shown(tag) + "\" is not supported; remove it");
  }

  void open(YamlNode::Kind kind, YamlPosition at, const std::string& tag, YAML::anchor_t anchor) {
    refuse_as_key(at);
    const bool is_map = kind == YamlNode::Kind::kMap;
    if (tag != "?" && tag != (is_map ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq")) {
      refuse_tag(at, tag);
    }
    YamlNode node{.kind = kind, .at = at};
    count(node, open_.size(), at);
    open_.push_back({.node = std::move(node), .anchor = anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    remember(done.node, done.anchor);
    place(std::move(done.node));
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    count(node, open_.size(), node.at);
    remember(node, anchor);
    place(std::move(node));
  }

  void remember(const YamlNode& node, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    count(node, open_.size(), node.at);
    anchors_[anchor] = node;
  }

  void place(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    if (std::optional<Key> key = std::exchange(open_.back().key, std::nullopt)) {
      node.key = std::move(key->text);
      node.at = key->at;
      node.merged = key->is_merge;
    }
    open_.back().node.children.push_back(std::move(node));
  }

  void count(const YamlNode& node, std::size_t depth, YamlPosition at) {
    text_bytes_ += node.text.size() + node.key.size();
    if (depth >= kMaxDepth) {
      throw YamlSyntaxError(at, "nested more than " + std::to_string(kMaxDepth) + " levels deep");
    }
    if (++nodes_ > kMaxNodes || text_bytes_ > kMaxTextBytes) {
      throw YamlSyntaxError(at,
                            "more than " + std::to_string(kMaxNodes) +
                                " values or 16MiB of text, aliases counted where they are used");
    }
    for (const YamlNode& child : node.children) count(child, depth + 1, at);
  }

  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  std::size_t nodes_ = 0;
  std::size_t text_bytes_ = 0;
};

/// yaml-cpp takes the byte 4 for the end of the file, and passes on what is not UTF-8.
void check_bytes(std::string_view text) {
  YamlPosition at;
  Utf8Check utf8;
  for (const char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7F) {
      throw YamlSyntaxError(at, "a control character; write it as an escape in double quotes");
    }
    if (!utf8.feed({&c, 1})) throw YamlSyntaxError(at, "not UTF-8");
    ++at.column;
    if (c == '\n') at = {.line = at.line + 1, .column = 1};
  }
  if (!utf8.complete()) throw YamlSyntaxError(at, "not UTF-8");
}

YamlNode parse(std::string_view text) {
  check_bytes(text);
  // yaml-cpp closes a quote that is open before a last newline, and so swallows what follows it;
  // with something after that newline it finds the mistake.
  std::istringstream stream{std::string(text) + (text.ends_with('\n') ? "#" : "\n#")};
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return {};
    YamlNode root = builder.take_root();
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      throw YamlSyntaxError(second.take_root().at, "a second document; a file may have only one");
    }
    return root;
  } catch (const YAML::Exception& error) {
    throw YamlSyntaxError(position_of(error.mark), "not YAML: " + shown(error.msg));
  }
}

/// The parser knows these only where no variable was expanded.
bool is_null_word(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

/// From what was written to what is meant: merge keys, duplicate keys, variables.
class Resolver {
 public:
  Resolver(const Environment& environment, YamlFindings& findings)
      : environment_(environment), findings_(findings) {}

  void resolve(YamlNode& node, const std::string& path) {
    if (node.kind == YamlNode::Kind::kScalar) return expand(node, path);
    if (node.kind == YamlNode::Kind::kMap) return resolve_map(node, path);
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      resolve(node.children[i], item_path(path, i));
    }
  }

 private:
  void resolve_map(YamlNode& map, const std::string& path) {
    std::vector<YamlNode> written = std::exchange(map.children, {});
    std::unordered_map<std::string, int> lines;
    for (YamlNode& child : written) {
      if (child.merged) continue;
      const std::string child_path = key_path(path, child.key);
      const auto [first, is_new] = lines.emplace(child.key, child.at.line);
      if (!is_new) {
        refuse(child, child_path,
               "given twice, first in line " + std::to_string(first->second) + "; remove one");
        continue;
      }
      resolve(child, child_path);
      map.children.push_back(std::move(child));
    }
    for (YamlNode& child : written) {
      if (child.merged) merge(map, child, path, lines);
    }
  }

  /// What the map has itself, and what was merged before, wins.
  void merge(YamlNode& map, YamlNode& source, const std::string& path,
             std::unordered_map<std::string, int>& lines) {
    if (source.kind == YamlNode::Kind::kList) {
      for (YamlNode& one : source.children) merge(map, one, path, lines);
      return;
    }
    if (source.kind != YamlNode::Kind::kMap) {
      return refuse(source, key_path(path, "<<"), "expected a map or a list of maps to merge");
    }
    resolve_map(source, path);
    for (YamlNode& child : source.children) {
      if (!lines.emplace(child.key, child.at.line).second) continue;
      map.children.push_back(std::move(child));
    }
  }

  void expand(YamlNode& scalar, const std::string& path) {
    ExpandedText expanded = expand_variables(scalar.text, environment_);
    for (const std::string& problem : expanded.problems) refuse(scalar, path, problem);
    scalar.text = std::move(expanded.text);
    if (!scalar.plain || !is_null_word(scalar.text)) return;
    scalar.kind = YamlNode::Kind::kNull;
    scalar.text.clear();
  }

  void refuse(YamlNode& node, const std::string& path, std::string problem) {
    node.refused = true;
    findings_.add(node.at, path, std::move(problem));
  }

  const Environment& environment_;
  YamlFindings& findings_;
};

}  // namespace

YamlNode read_yaml(std::string_view text, const Environment& environment, YamlFindings& findings) {
  try {
    YamlNode root = parse(without_bom(text));
    Resolver(environment, findings).resolve(root, "");
    return root;
  } catch (const YamlSyntaxError& error) {
    findings.add(error.at, "", error.what());
    return {};
  }
}

}  // namespace broadcast

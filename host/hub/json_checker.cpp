#include "host/hub/json_checker.hpp"

#include <array>
#include <new>
#include <utility>

#include <simdjson.h>

namespace broadcast {

namespace {

using Parser = simdjson::dom::parser;
using ParserPtr = std::unique_ptr<Parser>;

/// What a parser holds for a larger text (some 14 times its bytes) is given back.
constexpr std::size_t kKeptBytes = 256 * 1024;
/// simdjson's limit is one that is not reached.
constexpr std::size_t kParserDepth = kMaxMessageNesting + 1;

ParserPtr new_parser() {
  auto parser = std::make_unique<Parser>();
  if (parser->allocate(1024, kParserDepth) != simdjson::SUCCESS) throw std::bad_alloc();
  return parser;
}

std::optional<JsonFault> fault_of(simdjson::error_code error) {
  switch (error) {
    case simdjson::SUCCESS:
      return std::nullopt;
    case simdjson::DEPTH_ERROR:
      return JsonFault::kTooDeep;
    case simdjson::NUMBER_ERROR:
      return JsonFault::kNumber;
    case simdjson::MEMALLOC:
      throw std::bad_alloc();
    default:
      return JsonFault::kNotJson;
  }
}

}  // namespace

std::string_view words_of(JsonFault fault) {
  static constexpr std::array<std::string_view, 7> kWords = {
      "it is not JSON",
      "it is nested deeper than 1024",
      "it has a number that is malformed, or beyond 64 bits or double",
      "it is not a JSON object from its first byte to its last",
      "it is an empty object",
      "it has \"topic\" or \"seq\" at its top level, which only the host writes",
      "it has no \"type\", which plugins.strict requires"};
  return kWords[static_cast<std::size_t>(fault)];
}

JsonChecker::JsonChecker() = default;
JsonChecker::~JsonChecker() = default;

std::optional<JsonFault> JsonChecker::fault_of_payload(std::string_view text, Type type) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return JsonFault::kNotAnObject;
  Members members;
  if (const auto fault = parse(text, members)) return fault;
  if (members.count == 0) return JsonFault::kNoMembers;
  if (type == Type::kRequired && !members.has_type) return JsonFault::kNoType;
  return std::nullopt;
}

std::optional<JsonFault> JsonChecker::fault_of_text(std::string_view text) {
  Members members;
  return parse(text, members);
}

std::optional<JsonFault> JsonChecker::parse(std::string_view text, Members& members) {
  ParserPtr parser = idle_.with_lock([](std::vector<ParserPtr>& idle) {
    if (idle.empty()) return ParserPtr();
    ParserPtr last = std::move(idle.back());
    idle.pop_back();
    return last;
  });
  if (!parser) parser = new_parser();
  // Copies the text, for it reads up to SIMDJSON_PADDING bytes behind it.
  const auto parsed = parser->parse(text.data(), text.size());
  std::optional<JsonFault> fault = fault_of(parsed.error());
  simdjson::dom::object object;
  if (!fault && parsed.get(object) == simdjson::SUCCESS) {
    for (const auto& [key, value] : object) {
      ++members.count;
      if (key == "topic" || key == "seq") fault = JsonFault::kHostsMember;
      members.has_type |= key == "type";
    }
  }
  if (parser->capacity() <= kKeptBytes) {
    idle_.with_lock([&](std::vector<ParserPtr>& idle) { idle.push_back(std::move(parser)); });
  }
  return fault;
}

}  // namespace broadcast

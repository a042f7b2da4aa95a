#include "host/hub/json_text.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "host/base/printable.hpp"
#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";
constexpr std::size_t kNearBefore = 24;  // bytes that are shown of a text, up to what is wrong
constexpr std::size_t kNearBehind = 8;

/// Keeps nothing of a text but how far it could be read.
class FirstError final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  /// `bytes`: read so far, the wrong one included.
  bool parse_error(std::size_t bytes, const std::string&,
                   const nlohmann::detail::exception&) override {
    at_ = bytes == 0 ? 0 : bytes - 1;
    return false;
  }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  std::size_t at_ = std::string_view::npos;
};

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
      out += escaped;
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string_view without_bom(std::string_view text) {
  return text.starts_with(kBom) ? text.substr(kBom.size()) : text;
}

bool has_unread_bytes(std::string_view text) {
  return text.starts_with(kBom) || text.find('\0') != std::string_view::npos;
}

bool is_json(std::string_view text) {
  return !has_unread_bytes(text) && nlohmann::json::accept(text);
}

std::string where_not_json(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return "it is empty";
  FirstError error;
  static_cast<void>(nlohmann::json::sax_parse(text, &error));
  std::size_t at = std::min({error.at(), text.find('\0'), text.size()});
  if (text.starts_with(kBom)) at = 0;
  const std::string_view before = text.substr(0, at);
  const std::size_t line_begin = before.rfind('\n') + 1;  // 0 where there is none
  const auto columns = std::ranges::count_if(before.substr(line_begin),
                                             [](char c) { return !continues_a_character(c); });
  std::string where = "line " + std::to_string(1 + std::ranges::count(before, '\n')) + ", column " +
                      std::to_string(1 + columns);
  if (at == text.size()) return where + ", where it ends too early";
  std::size_t begin = std::max(line_begin, at - std::min(at, kNearBefore));
  while (begin < at && continues_a_character(text[begin])) ++begin;
  const std::size_t line_end = std::min(text.find('\n', at + 1), text.size());
  const std::string_view rest = text.substr(begin, line_end - begin);
  return where + ", near " + printable(rest, at - begin + kNearBehind);
}

bool is_nested_deeper(std::string_view text, std::size_t most) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '{' || c == '[')) {
      if (++depth > most) return true;
    } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace broadcast

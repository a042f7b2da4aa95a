#include "tools/broadcastctl/topic_line.hpp"

#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

using Json = nlohmann::ordered_json;

std::string time_of_day(std::int64_t wall_ns) {
  const std::time_t seconds = wall_ns / 1'000'000'000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", local.tm_hour, local.tm_min, local.tm_sec,
                     wall_ns / 1'000'000 % 1000);
}

/// What most terminals give it: Hangul, Han and what lies beyond take two. `lead` is its first byte
/// in UTF-8, `second` the next: U+1100 and up.
std::size_t columns_of(char lead, char second) {
  const auto first = static_cast<unsigned char>(lead);
  return first > 0xE2 || (first == 0xE1 && static_cast<unsigned char>(second) >= 0x84) ? 2 : 1;
}

}  // namespace

std::string topic_line(std::string_view message, std::int64_t wall_ns) {
  Json json = Json::parse(message, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  const std::string type = json.value("type", "");
  if (type == "connected" || type == "topic" || type == "server_shutdown") return "";
  if (type == "subscribed") {
    if (json.value("rejected", Json::array()).empty()) return "";
    json = Json{{"rejected", json["rejected"]}};
  }
  std::string line = time_of_day(wall_ns);
  if (json.contains("seq")) {
    line += fmt::format(" {} #{}", json.value("topic", ""), json.value("seq", std::uint64_t{0}));
    json.erase("topic");
    json.erase("seq");
  }
  return line + " " + json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string cut_to_width(std::string_view line, std::size_t columns) {
  std::size_t used = 0;
  std::size_t fits = 0;  // bytes that leave a column for the "…"
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (continues_a_character(line[i])) continue;
    if (used < columns) fits = i;
    used += columns_of(line[i], i + 1 < line.size() ? line[i + 1] : '\0');
    if (columns != 0 && used > columns) return std::string(line.substr(0, fits)) + "…";
  }
  return std::string(line);
}

}  // namespace broadcast

#include "host/ingest/producer_check.hpp"

#include <array>

#include "host/hub/json_text.hpp"

namespace broadcast {

std::string_view to_string(Refusal refusal) {
  static constexpr std::array<std::string_view, kRefusals> kNames = {
      "too_large", "not_json", "neither_object_nor_list", "no_owner", "refused", "unavailable"};
  return kNames[static_cast<std::size_t>(refusal)];
}

std::string_view words_of(Refusal refusal) {
  static constexpr std::array<std::string_view, kRefusals> kWords = {
      "it is larger than limits.publish",   "it is not JSON, or nested deeper than 64",
      "it is neither an object nor a list", "no broadcaster and no relay serves its topic",
      "the broadcaster refused it",         "the broadcaster cannot take it now"};
  return kWords[static_cast<std::size_t>(refusal)];
}

std::string words_of(Refusal refusal, std::string_view payload) {
  const bool is_place_known = refusal == Refusal::kNotJson && !is_json(payload);
  return is_place_known ? "it is not JSON: " + where_not_json(payload)
                        : std::string(words_of(refusal));
}

std::optional<Refusal> check_payload(const std::optional<std::string_view>& payload,
                                     std::size_t most_bytes) {
  if (!payload || payload->size() > most_bytes) return Refusal::kTooLarge;
  if (!is_json(*payload) || is_nested_deeper(*payload, kMaxNesting)) return Refusal::kNotJson;
  const std::size_t first = payload->find_first_not_of(" \t\r\n");
  const bool is_either =
      first != std::string_view::npos && ((*payload)[first] == '{' || (*payload)[first] == '[');
  return is_either ? std::nullopt : std::optional(Refusal::kNeither);
}

}  // namespace broadcast

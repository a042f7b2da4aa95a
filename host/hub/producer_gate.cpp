#include "host/hub/producer_gate.hpp"

#include <array>
#include <utility>

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

std::string words_of(const TurnedAway& turned_away) {
  return turned_away.place.empty() ? std::string(words_of(turned_away.refusal))
                                   : "it is not JSON: " + turned_away.place;
}

std::optional<TurnedAway> ProducerGate::try_post(const Door& door, std::string_view topic,
                                                 std::optional<std::string_view> payload,
                                                 Done done) {
  TopicOwner* const owner = owner_of(topic);
  if (payload) payload = without_bom(*payload);
  auto turned_away = owner == nullptr ? TurnedAway{Refusal::kNoOwner} : check(payload, door.takes);
  if (turned_away) {
    count_refused();
    return turned_away;
  }
  post(*owner,
       {.topic = std::string(topic),
        .source = std::string(door.source),
        .payload = std::string(*payload)},
       std::move(done));
  return std::nullopt;
}

TopicOwner* ProducerGate::owner_of(std::string_view topic) const { return topics_.owner_of(topic); }

std::optional<TurnedAway> ProducerGate::check(std::optional<std::string_view> payload,
                                              const PayloadRules& rules) {
  if (!payload || payload->size() > rules.most_bytes) return TurnedAway{Refusal::kTooLarge};
  if (!is_json(*payload)) return TurnedAway{Refusal::kNotJson, where_not_json(*payload)};
  if (is_nested_deeper(*payload, kMaxNesting)) return TurnedAway{Refusal::kNotJson};
  if (rules.json == PayloadRules::Json::kAny) return std::nullopt;
  const char first = (*payload)[payload->find_first_not_of(" \t\r\n")];
  return first == '{' || first == '[' ? std::nullopt : std::optional(TurnedAway{Refusal::kNeither});
}

void ProducerGate::post(TopicOwner& owner, ProducerMessage message, Done done) {
  owner.post_message(std::move(message),
                     [&counters = counters_, done = std::move(done)](Verdict verdict) {
                       counters.add(counter_of(verdict.outcome));
                       done(std::move(verdict));
                     });
}

}  // namespace broadcast

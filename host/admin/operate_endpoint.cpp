#include "host/admin/operate_endpoint.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "host/hub/topic_name.hpp"

namespace broadcast {

namespace {

using Json = nlohmann::ordered_json;
using Outcome = Operation::Outcome;

constexpr std::array<std::pair<std::string_view, OperatorControl::Action>, 5> kActions = {
    {{"enable", OperatorControl::Action::kEnable},
     {"disable", OperatorControl::Action::kDisable},
     {"restart", OperatorControl::Action::kRestart},
     {"replace", OperatorControl::Action::kReplace},
     {"forget-state", OperatorControl::Action::kForgetState}}};

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kReasonsShown = 100;

struct Answer {
  unsigned status;
  const char* word;
};
Answer answer_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return {200, "done"};
    case Outcome::kInvalid:
      return {422, "invalid"};
    case Outcome::kUnknown:
      return {404, "unknown_broadcaster"};
    case Outcome::kBusy:
      return {409, "busy"};
    case Outcome::kStopping:
      return {503, "stopping"};
    case Outcome::kFailed:
      break;
  }
  return {500, "failed"};
}

}  // namespace

std::optional<OperatorControl::Action> action_named(std::string_view word) {
  for (const auto& [name, action] : kActions) {
    if (name == word) return action;
  }
  return std::nullopt;
}

AdminReply reply_of(const Operation& operation) {
  const auto [status, word] = answer_of(operation.outcome);
  if (operation.outcome == Outcome::kUnknown) {
    return admin_error(status, word, "The configuration names no such broadcaster");
  }
  if (operation.outcome == Outcome::kBusy) {
    return admin_error(status, word, "Another change is under way; try again when it is done");
  }
  if (operation.outcome == Outcome::kStopping) {
    return admin_error(status, word, "The host is stopping");
  }
  Json steps = Json::array();
  for (const Operation::Step& step : operation.broadcasters) {
    steps.push_back({{"name", step.broadcaster},
                     {"did", step.refusal.empty() ? Json(step.did) : Json(nullptr)},
                     {"pause_ms", std::chrono::duration<double, std::milli>(step.pause).count()},
                     {"error", step.refusal.empty() ? Json(nullptr) : Json(step.refusal)}});
  }
  const Json body = {{"outcome", word},
                     {"broadcasters", std::move(steps)},
                     {"settings", operation.settings},
                     {"needs_restart", operation.needs_restart},
                     {"errors", operation.errors}};
  return {.status = status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

AdminReply forget_topics(TopicTable& topics, const std::string& topic) {
  if (std::holds_alternative<NotATopic>(parse_topic(topic, kMaxNameBytes))) {
    return admin_error(400, "bad_request",
                       "Expected a topic such as note:a, or a pattern such as note:*");
  }
  const TopicTable::Forgotten forgotten = topics.forget(topic);
  if (forgotten.topics == 0 && forgotten.kept.empty()) {
    return admin_error(404, "unknown_topic", "There is no topic \"" + topic + "\"");
  }
  if (forgotten.topics == 0) {
    const TopicTable::Forgotten::Kept& first = forgotten.kept.front();
    const std::size_t others = forgotten.kept.size() - 1;
    return admin_error(
        409, "in_use",
        first.topic + " is kept: " + first.why +
            (others == 0 ? "" : "; " + std::to_string(others) + " others are kept too"));
  }
  spdlog::info("{}: {} topics forgotten", topic, forgotten.topics);
  Json reasons = Json::array();
  for (std::size_t i = 0; i < std::min(kReasonsShown, forgotten.kept.size()); ++i) {
    reasons.push_back({{"topic", forgotten.kept[i].topic}, {"why", forgotten.kept[i].why}});
  }
  const Json body = {{"forgotten", forgotten.topics},
                     {"kept", forgotten.kept.size()},
                     {"reasons", std::move(reasons)}};
  return {.status = 200, .body = body.dump()};
}

}  // namespace broadcast

#include "host/admin/publish_endpoint.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "host/base/assert.hpp"
#include "host/base/utf8.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

/// At least; the header counts in whole seconds.
constexpr std::chrono::seconds kRetryAfter{1};
constexpr ProducerGate::Door kDoor{
    .source = "http",
    .takes = {.json = PayloadRules::Json::kAny,
              .most_bytes = SIZE_MAX}};  // the listener reads no more than limits.publish

AdminReply unavailable(const Verdict& verdict) {
  AdminReply reply = admin_error(503, "unavailable", verdict.text);
  reply.retry_after =
      std::max(kRetryAfter, std::chrono::ceil<std::chrono::seconds>(verdict.retry_after));
  return reply;
}

AdminReply reply_of(const Verdict& verdict) {
  if (verdict.outcome == Verdict::Outcome::kRefused) {
    return admin_error(422, "refused", verdict.text);
  }
  if (verdict.is_in_doubt) return admin_error(504, "in_doubt", verdict.text);
  if (verdict.outcome == Verdict::Outcome::kUnavailable) return unavailable(verdict);
  if (verdict.published == 0) return {.status = 202, .body = R"({"published":0})"};
  const Published& last = verdict.last;
  std::string body = R"({"topic":)";
  append_quoted(body, verdict.topic);
  body += ",\"seq\":" + std::to_string(last.seq);
  body += ",\"subscribers\":" + std::to_string(last.subscribers);
  body += last.durable ? ",\"durable\":true}" : ",\"durable\":false}";
  return {.status = 200, .body = std::move(body)};
}

AdminReply unknown_topic(std::string_view topic) {
  return admin_error(404, "unknown_topic",
                     "No broadcaster serves topic \"" + std::string(cut_utf8(topic, 128)) + "\"");
}

AdminReply reply_of(const TurnedAway& turned_away, std::string_view topic) {
  if (turned_away.refusal == Refusal::kNoOwner) return unknown_topic(topic);
  if (!turned_away.place.empty()) {
    return admin_error(400, "bad_json", "The body is not valid JSON: " + turned_away.place);
  }
  BROADCAST_ASSERT(turned_away.refusal == Refusal::kNotJson, "kDoor takes any JSON of any size");
  return admin_error(
      400, "bad_json",
      "Objects and lists may be nested at most " + std::to_string(kMaxNesting) + " deep");
}

}  // namespace

PublishEndpoint::PublishEndpoint(ProducerGate& gate, const std::vector<AdminToken>& tokens)
    : gate_(gate), tokens_(tokens) {}

std::optional<AdminReply> PublishEndpoint::refuse_token(const std::string& topic,
                                                        std::string_view authorization) {
  auto refusal = refuse_publish(tokens_, authorization, topic);
  if (refusal) gate_.count_refused();
  return refusal;
}

std::optional<AdminReply> PublishEndpoint::refuse(const std::string& topic,
                                                  std::string_view authorization) {
  if (auto refusal = refuse_token(topic, authorization)) return refusal;
  if (gate_.owner_of(topic) != nullptr) return std::nullopt;
  gate_.count_refused();
  return unknown_topic(topic);
}

void PublishEndpoint::handle(const std::string& topic, std::string_view body,
                             std::string_view authorization,
                             const std::function<void(AdminReply)>& done) {
  if (const auto refusal = refuse_token(topic, authorization)) return done(*refusal);
  const auto turned_away = gate_.try_post(
      kDoor, topic, body, [done](const Verdict& verdict) { done(reply_of(verdict)); });
  if (turned_away) done(reply_of(*turned_away, topic));
}

}  // namespace broadcast

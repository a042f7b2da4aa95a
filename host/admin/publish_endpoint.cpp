#include "host/admin/publish_endpoint.hpp"

#include <algorithm>
#include <utility>

#include "host/base/utf8.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

/// At least; the header counts in whole seconds.
constexpr std::chrono::seconds kRetryAfter{1};

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

}  // namespace

PublishEndpoint::PublishEndpoint(const TopicTable& topics, const std::vector<AdminToken>& tokens,
                                 Counters& counters)
    : topics_(topics), tokens_(tokens), counters_(counters) {}

std::optional<AdminReply> PublishEndpoint::refuse(const std::string& topic,
                                                  std::string_view authorization) {
  std::optional<AdminReply> refusal = refuse_publish(tokens_, authorization, topic);
  if (!refusal && topics_.owner_of(topic) == nullptr) {
    refusal =
        admin_error(404, "unknown_topic",
                    "No broadcaster serves topic \"" + std::string(cut_utf8(topic, 128)) + "\"");
  }
  if (refusal) counters_.add(Counter::kProducerRefused);
  return refusal;
}

void PublishEndpoint::handle(const std::string& topic, std::string body,
                             std::string_view authorization, std::function<void(AdminReply)> done) {
  const auto turn_away = [&](const AdminReply& reply) {
    counters_.add(Counter::kProducerRefused);
    done(reply);
  };
  if (const auto refusal = refuse(topic, authorization)) return done(*refusal);
  TopicOwner* owner = topics_.owner_of(topic);
  body.erase(0, body.size() - without_bom(body).size());
  if (!is_json(body)) {
    return turn_away(
        admin_error(400, "bad_json", "The body is not valid JSON: " + where_not_json(body)));
  }
  if (is_nested_deeper(body, kMaxNesting)) {
    return turn_away(admin_error(
        400, "bad_json",
        "Objects and lists may be nested at most " + std::to_string(kMaxNesting) + " deep"));
  }
  owner->post_message({.topic = topic, .source = "http", .payload = std::move(body)},
                      [&counters = counters_, done = std::move(done)](const Verdict& verdict) {
                        counters.add(counter_of(verdict.outcome));
                        done(reply_of(verdict));
                      });
}

}  // namespace broadcast

// What clients send: commands as JSON texts, and the topics of the query string. One input is read
// as both.

#include <vector>

#include "host/hub/json_text.hpp"
#include "host/hub/protocol.hpp"
#include "host/hub/topic_name.hpp"
#include "host/wire/upgrade.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

using fuzz::require;
using fuzz::require_equal;
using nlohmann::json;

constexpr Limits kLimits{.topics_per_request = 8, .topic_name_bytes = 32};
constexpr std::size_t kMostReplyBytes = 2048;  // what a client makes the host say is bounded

json reply_of(const std::string& text, std::string_view type) {
  require(is_utf8(text), "replies are UTF-8");
  const json reply = json::parse(text, nullptr, /*allow_exceptions=*/false);
  require(reply.is_object(), "replies are JSON objects: " + text);
  require_equal(reply.value("type", ""), type, "a reply has its type");
  return reply;
}

json id_of(const std::string& id) { return id.empty() ? json() : json::parse(id); }

void check_error(const ErrorReply& error) {
  const std::string text = write_error(error);
  const json reply = reply_of(text, "error");
  require(text.size() <= kMostReplyBytes, "errors are short: " + text);
  require_equal(reply.value("code", ""), to_string(error.code), "an error has its code");
  require_equal(reply.value("message", ""), error.message, "an error has its message");
  require(!error.message.empty(), "an error says what is wrong");
  require_equal(reply.value("topic", ""), error.topic, "an error has its topic");
  require_equal(reply.value("id", json()), id_of(error.id), "an error has the client's id");
}

/// As a session does with every topic that it is asked for.
bool is_accepted(const AskedTopic& topic) {
  const auto* const pattern = std::get_if<Pattern>(&topic);
  const auto* const neither = std::get_if<NotATopic>(&topic);
  const std::string_view name = pattern != nullptr ? pattern->prefix() : text_of(topic);
  require(neither != nullptr || is_topic_name(name, kLimits.topic_name_bytes),
          "what is accepted is a topic or a pattern");
  require(pattern == nullptr || std::string(name) + '*' == text_of(topic),
          "a pattern is its prefix and *");
  if (neither != nullptr) check_error(not_a_topic(*neither, kLimits));
  return neither == nullptr;
}

void check_replies(const Command& command) {
  std::vector<SubscribedText> taken;
  std::vector<ErrorReply> refused;
  std::vector<std::string> names;
  for (const AskedTopic& topic : command.topics) {
    names.push_back(text_of(topic));
    if (const auto* const neither = std::get_if<NotATopic>(&topic)) {
      refused.push_back(not_a_topic(*neither, kLimits));
    } else {
      taken.push_back({.name = text_of(topic),
                       .is_pattern = std::holds_alternative<Pattern>(topic),
                       .topics = {{.topic = text_of(topic), .epoch = "e", .seq = UINT64_MAX}}});
    }
  }
  const json id = id_of(command.id);
  const json many = reply_of(write_subscribed(taken, refused, command.id), "subscribed");
  require_equal(many.at("topics").size(), taken.size(), "all that is taken is answered");
  require_equal(many.at("rejected").size(), refused.size(), "all that is refused is answered");
  require_equal(many.value("id", json()), id, "`subscribed` has the client's id");
  for (const SubscribedText& one : taken) {
    const json told = reply_of(write_topic(one.topics.front(), TopicReason::kNew), "topic");
    require_equal(told.value("topic", ""), one.name, "`topic` names it");
  }
  const json gone = reply_of(write_unsubscribed(command.topics, command.id), "unsubscribed");
  require_equal(gone.at("topics"), names, "`unsubscribed` has the client's topics");
  const json pong = reply_of(write_pong(command.id), "pong");
  require_equal(pong.value("id", json()), id, "`pong` has the client's id");
}

void check_command(const Command& command) {
  const bool has_topics =
      command.kind == Command::Kind::kSubscribe || command.kind == Command::Kind::kUnsubscribe;
  require_equal(has_topics, !command.topics.empty(), "(un)subscribe has topics, others have none");
  require(command.topics.size() <= kLimits.topics_per_request, "topics are limited");
  for (const AskedTopic& topic : command.topics) {
    require(is_accepted(topic) || command.many, "a topic alone is checked while it is parsed");
  }
  require(command.many || command.topics.size() <= 1, "without `topics` there is one at most");
  const json id = id_of(command.id);
  require(id.is_null() || id.is_string() || id.is_number_integer(), "ids are texts or integers");
  const bool is_subscribe = command.kind == Command::Kind::kSubscribe;
  require(
      is_subscribe || (command.since.empty() && command.interval.count() == 0 && !command.snapshot),
      "only subscribing has `since`, `max_rate` and `snapshot`");
  require(command.interval.count() == 0 || (command.interval >= std::chrono::milliseconds(1) &&
                                            command.interval <= std::chrono::seconds(1000)),
          "rates are bounded");
  check_replies(command);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    char escape[4];
    std::snprintf(escape, sizeof escape, "%%%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(c)));
    out += escape;
  }
  return out;
}

void check_query(std::string_view target) {
  const std::vector<std::string> topics = subscribe_topics_of(target);
  std::string again = "/ws?x=1";
  for (const std::string& topic : topics) {
    require(!topic.empty() && topic.find(',') == std::string::npos, "topics are split at commas");
    static_cast<void>(is_accepted(parse_topic(topic, kLimits.topic_name_bytes)));
    again += "&subscribe=" + escaped(topic);
  }
  require(subscribe_topics_of(again) == topics, "escaped topics are the same topics");
  require_equal(path_of(again), std::string("/ws"), "the path ends at the query");
  const std::string path = path_of(target);
  require(path_of('/' + escaped(path)) == '/' + path, "an escaped path is the same path");
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string_view text = fuzz::text_of(data, size);
  check_query(text);
  if (!is_json(text)) {
    const std::string where = where_not_json(text);
    fuzz::require_sentence(where);
    fuzz::require(where.size() < 128, "a place is told in a line");
  }
  if (!is_utf8(text)) return 0;  // the frame reader lets nothing else through
  const auto parsed = parse_command(text, kLimits);
  if (const auto* command = std::get_if<Command>(&parsed)) {
    check_command(*command);
  } else {
    check_error(std::get<ErrorReply>(parsed));
  }
  return 0;
}

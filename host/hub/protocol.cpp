// One file: every command and every answer of the wire protocol, so that both can be read together.
#include "host/hub/protocol.hpp"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "host/base/utf8.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxQuotedBytes = 128;  // of a client's text in an answer
constexpr double kMinRate = 0.001;            // of max_rate: messages a second
constexpr double kMaxRate = 1000;

ErrorReply bad_message(std::string message) {
  return {.code = ErrorCode::kBadMessage, .message = std::move(message)};
}

/// Null where it is absent, or null, which says the same.
const Json* optional_member(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

std::optional<ErrorReply> read_id(const Json& json, std::string& id) {
  const Json* const found = optional_member(json, "id");
  if (found == nullptr) return std::nullopt;
  if (found->is_string() && found->get_ref<const std::string&>().size() > kMaxIdBytes) {
    return bad_message("\"id\" is longer than 128 bytes");
  }
  if (!found->is_string() && !found->is_number_integer()) {
    return bad_message("\"id\" must be a string or an integer");
  }
  id = found->dump();
  return std::nullopt;
}

std::optional<ErrorReply> read_topic_list(const Json& list, const Limits& limits,
                                          std::vector<AskedTopic>& topics) {
  if (!list.is_array() || list.empty()) {
    return bad_message("\"topics\" must be a list of at least one topic");
  }
  if (list.size() > limits.topics_per_request) {
    return ErrorReply{.code = ErrorCode::kTooManyTopics,
                      .message = "\"topics\" has " + std::to_string(list.size()) +
                                 " entries; a request may name at most " +
                                 std::to_string(limits.topics_per_request),
                      .limit = Counter::kLimitTopicsPerRequest};
  }
  for (const Json& topic : list) {
    if (!topic.is_string()) {
      return bad_message("\"topics[" + std::to_string(topics.size()) + "]\" must be a string");
    }
    topics.push_back(parse_topic(topic.get<std::string>(), limits.topic_name_bytes));
  }
  return std::nullopt;
}

std::optional<ErrorReply> read_topics(const Json& json, const Limits& limits, Command& command) {
  const Json* const one = optional_member(json, "topic");
  const Json* const many = optional_member(json, "topics");
  if ((one == nullptr) == (many == nullptr)) {
    if (one == nullptr && json.contains("topic")) return bad_message("\"topic\" must be a string");
    return bad_message("expected either \"topic\" or \"topics\"");
  }
  if (many != nullptr) {
    command.many = true;
    return read_topic_list(*many, limits, command.topics);
  }
  if (!one->is_string()) return bad_message("\"topic\" must be a string");
  command.topics.push_back(parse_topic(one->get<std::string>(), limits.topic_name_bytes));
  const auto* const neither = std::get_if<NotATopic>(&command.topics.front());
  if (neither == nullptr) return std::nullopt;
  return not_a_topic(*neither, limits);
}

ErrorReply bad_since(const std::string& where) {
  return bad_message(where + " must be {\"epoch\": text, \"seq\": a number of 0 or more}");
}

std::optional<Since> since_of(const Json& json) {
  if (!json.is_object() || json.size() != 2) return std::nullopt;
  const auto epoch = json.find("epoch");
  const auto seq = json.find("seq");
  if (epoch == json.end() || !epoch->is_string() || seq == json.end() ||
      !seq->is_number_unsigned()) {
    return std::nullopt;
  }
  return Since{epoch->get<std::string>(), seq->get<std::uint64_t>()};
}

/// `{epoch, seq}` for a request of one topic, or `{topic: {epoch, seq}}`.
std::optional<ErrorReply> read_since(const Json& json, Command& command) {
  const Json* const since = optional_member(json, "since");
  if (since == nullptr) return std::nullopt;
  if (!since->is_object()) return bad_since("\"since\"");
  const auto epoch = since->find("epoch");
  if (epoch != since->end() && !epoch->is_object()) {
    auto one = since_of(*since);
    if (!one) return bad_since("\"since\"");
    if (command.topics.size() != 1 || asks_for_pattern(command.topics.front())) {
      return bad_message("\"since\" of several topics must be {topic: {epoch, seq}}");
    }
    command.since.emplace(text_of(command.topics.front()), *std::move(one));
    return std::nullopt;
  }
  for (const auto& [topic, value] : since->items()) {
    if (value.is_null()) continue;
    auto one = since_of(value);
    if (!one)
      return bad_since("\"since\" of \"" + std::string(cut_utf8(topic, kMaxQuotedBytes)) + '"');
    command.since.emplace(topic, *std::move(one));
  }
  return std::nullopt;
}

std::optional<ErrorReply> read_max_rate(const Json& json, Command& command) {
  const Json* const rate = optional_member(json, "max_rate");
  if (rate == nullptr) return std::nullopt;
  const double per_second = rate->is_number() ? rate->get<double>() : 0;
  if (!(per_second >= kMinRate && per_second <= kMaxRate)) {
    return bad_message("\"max_rate\" must be a number of messages a second from 0.001 to 1000");
  }
  command.interval = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / per_second));
  return std::nullopt;
}

std::optional<ErrorReply> read_snapshot(const Json& json, Command& command) {
  const auto snapshot = json.find("snapshot");
  if (snapshot == json.end() || snapshot->is_null()) return std::nullopt;
  if (!snapshot->is_boolean()) return bad_message("\"snapshot\" must be true or false");
  command.snapshot = snapshot->get<bool>();
  return std::nullopt;
}

std::optional<Command::Kind> kind_of(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, Command::Kind>, 5> kKinds = {{
      {"subscribe", Command::Kind::kSubscribe},
      {"unsubscribe", Command::Kind::kUnsubscribe},
      {"ping", Command::Kind::kPing},
      {"pong", Command::Kind::kPong},
      {"list", Command::Kind::kList},
  }};
  for (const auto& [name, kind] : kKinds) {
    if (name == type) return kind;
  }
  return std::nullopt;
}

std::optional<ErrorReply> read_command(const Json& json, const Limits& limits, Command& command) {
  if (auto error = read_id(json, command.id)) return error;
  const auto type = json.find("type");
  if (type == json.end() || !type->is_string()) {
    return bad_message("\"type\" is missing or not a string");
  }
  const auto& name = type->get_ref<const std::string&>();
  const auto kind = kind_of(name);
  if (!kind) {
    return ErrorReply{
        .code = ErrorCode::kUnknownType,
        .message = "Unknown message type: " + std::string(cut_utf8(name, kMaxQuotedBytes))};
  }
  command.kind = *kind;
  if (*kind != Command::Kind::kSubscribe && *kind != Command::Kind::kUnsubscribe) {
    return std::nullopt;
  }
  if (auto error = read_topics(json, limits, command)) return error;
  if (*kind == Command::Kind::kUnsubscribe) return std::nullopt;
  if (auto error = read_since(json, command)) return error;
  if (auto error = read_snapshot(json, command)) return error;
  return read_max_rate(json, command);
}

/// `,"name":"text"`; the first member of an object is written by hand.
void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_quoted(out, text);
}

void append_id(std::string& out, std::string_view id) {
  if (id.empty()) return;
  out += ",\"id\":";
  out += id;
}

void append_retry_after(std::string& out, const ErrorReply& error) {
  if (!error.retry_after) return;
  out += ",\"retry_after_ms\":" + std::to_string(error.retry_after->count());
}

void append_numbers(std::string& out, const SubscriptionText& one) {
  append_member(out, "epoch", one.epoch);
  out += ",\"seq\":" + std::to_string(one.seq);
  append_member(out, "delivery", to_string(one.delivery));
}

void append_recovered(std::string& out, const SubscriptionText& one) {
  out += one.recovered ? ",\"recovered\":true" : ",\"recovered\":false";
}

void append_topic(std::string& out, const SubscriptionText& one) {
  out += R"({"topic":)";
  append_quoted(out, one.topic);
  append_numbers(out, one);
  append_recovered(out, one);
  out += '}';
}

/// `[{..},{..}]`
template <class Items, class Write>
void append_list(std::string& out, const Items& items, Write write) {
  out += '[';
  for (const auto& item : items) {
    if (out.back() != '[') out += ',';
    write(item);
  }
  out += ']';
}

void append_topics(std::string& out, const std::vector<SubscriptionText>& topics) {
  append_list(out, topics, [&](const SubscriptionText& one) { append_topic(out, one); });
}

std::string count_of_topics(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " topic" : " topics");
}

}  // namespace

std::string_view to_string(ErrorCode code) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "bad_json",      "bad_message",     "unknown_type", "invalid_topic",
      "unknown_topic", "too_many_topics", "rate_limited"};
  return kNames[static_cast<std::size_t>(code)];
}

ErrorReply not_a_topic(const NotATopic& topic, const Limits& limits) {
  const std::string& text = topic.text();
  if (!is_utf8(text)) {  // a query string may hold any bytes
    return ErrorReply{.code = ErrorCode::kInvalidTopic, .message = "A topic is not UTF-8"};
  }
  const std::string shown(cut_utf8(text, kMaxQuotedBytes));
  if (text.size() > limits.topic_name_bytes) {
    return ErrorReply{.code = ErrorCode::kInvalidTopic,
                      .message = "The topic \"" + shown + "…\" has " + std::to_string(text.size()) +
                                 " bytes; a topic may have at most " +
                                 std::to_string(limits.topic_name_bytes),
                      .topic = shown,
                      .limit = Counter::kLimitTopicName};
  }
  return ErrorReply{.code = ErrorCode::kInvalidTopic,
                    .message = "\"" + shown + "\" is not a topic: expected 1 to " +
                               std::to_string(limits.topic_name_bytes) +
                               " letters, digits or _ - . : / , or a pattern such as price:*",
                    .topic = shown};
}

std::variant<Command, ErrorReply> parse_command(std::string_view text, const Limits& limits) {
  if (text.size() > limits.message_bytes) {  // it was deflated
    return bad_message("A command may have at most " + std::to_string(limits.message_bytes) +
                       " bytes; this one has " + std::to_string(text.size()));
  }
  text = without_bom(text);
  if (is_nested_deeper(text, kMaxNesting)) {
    return ErrorReply{.code = ErrorCode::kBadJson,
                      .message = "Objects and lists may be nested at most " +
                                 std::to_string(kMaxNesting) + " deep"};
  }
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || has_unread_bytes(text)) {
    return ErrorReply{.code = ErrorCode::kBadJson,
                      .message = "The message is not valid JSON: " + where_not_json(text)};
  }
  if (!json.is_object()) return bad_message("The message must be a JSON object");
  Command command;
  if (auto error = read_command(json, limits, command)) {
    error->id = std::move(command.id);
    return *std::move(error);
  }
  return command;
}

std::string write_connected(std::string_view client_id, const std::optional<Heartbeat>& heartbeat) {
  const auto ms = [](std::chrono::nanoseconds time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  };
  std::string out = R"({"type":"connected")";
  append_member(out, "client_id", client_id);
  append_member(out, "message", "WebSocket connection established");
  if (heartbeat) {
    out += ",\"ping_interval_ms\":" + ms(heartbeat->interval);
    out += ",\"ping_timeout_ms\":" + ms(heartbeat->timeout);
  }
  return out += '}';
}

std::string write_subscribed(const SubscribedText& one, std::string_view id) {
  std::string out = R"({"type":"subscribed")";
  append_member(out, "topic", one.name);
  append_member(out, "message", "Subscribed to " + std::string(one.name));
  if (one.is_pattern) {
    out += R"(,"topics":)";
    append_topics(out, one.topics);
  } else {
    append_numbers(out, one.topics.front());
    append_recovered(out, one.topics.front());
  }
  append_id(out, id);
  return out += '}';
}

std::string write_subscribed(const std::vector<SubscribedText>& many,
                             const std::vector<ErrorReply>& rejected, std::string_view id) {
  std::string out = R"({"type":"subscribed")";
  append_member(out, "message", "Subscribed to " + count_of_topics(many.size()));
  out += R"(,"topics":)";
  append_list(out, many, [&](const SubscribedText& one) {
    if (!one.is_pattern) return append_topic(out, one.topics.front());
    out += R"({"topic":)";
    append_quoted(out, one.name);
    out += R"(,"topics":)";
    append_topics(out, one.topics);
    out += '}';
  });
  out += R"(,"rejected":)";
  append_list(out, rejected, [&](const ErrorReply& error) {
    out += R"({"topic":)";
    append_quoted(out, error.topic);
    append_member(out, "code", to_string(error.code));
    append_member(out, "message", error.message);
    append_retry_after(out, error);
    out += '}';
  });
  append_id(out, id);
  return out += '}';
}

std::string write_unsubscribed(std::string_view topic, std::string_view id) {
  std::string out = R"({"type":"unsubscribed")";
  append_member(out, "topic", topic);
  append_member(out, "message", "Unsubscribed from " + std::string(topic));
  append_id(out, id);
  return out += '}';
}

std::string write_unsubscribed(const std::vector<AskedTopic>& topics, std::string_view id) {
  std::string out = R"({"type":"unsubscribed")";
  append_member(out, "message", "Unsubscribed from " + count_of_topics(topics.size()));
  out += R"(,"topics":)";
  append_list(out, topics, [&](const AskedTopic& topic) { append_quoted(out, text_of(topic)); });
  append_id(out, id);
  return out += '}';
}

std::string write_subscriptions(const std::vector<SubscriptionText>& all,
                                const std::vector<std::string>& patterns, std::string_view id) {
  std::string out = R"({"type":"subscriptions","topics":)";
  append_list(out, all, [&](const SubscriptionText& one) {
    out += R"({"topic":)";
    append_quoted(out, one.topic);
    append_numbers(out, one);
    out += '}';
  });
  out += R"(,"patterns":)";
  append_list(out, patterns, [&](const std::string& pattern) { append_quoted(out, pattern); });
  append_id(out, id);
  return out += '}';
}

std::string write_topic(const SubscriptionText& topic, TopicReason reason) {
  std::string out = R"({"type":"topic")";
  append_member(out, "topic", topic.topic);
  append_numbers(out, topic);
  append_member(out, "reason", reason == TopicReason::kNew ? "new" : "epoch");
  return out += '}';
}

std::string write_pong(std::string_view id) {
  std::string out = R"({"type":"pong")";
  append_id(out, id);
  return out += '}';
}

std::string write_error(const ErrorReply& error) {
  std::string out = R"({"type":"error")";
  append_member(out, "code", to_string(error.code));
  append_member(out, "message", error.message);
  if (!error.topic.empty()) append_member(out, "topic", error.topic);
  append_retry_after(out, error);
  append_id(out, error.id);
  return out += '}';
}

std::string write_server_shutdown(std::chrono::milliseconds retry_after) {
  return R"({"type":"server_shutdown","retry_after_ms":)" + std::to_string(retry_after.count()) +
         '}';
}

}  // namespace broadcast

#include "host/ingest/stream_entry.hpp"

#include "host/hub/json_text.hpp"

namespace broadcast {

namespace {

const redisReply* value_of(std::span<redisReply* const> pairs, std::string_view name) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (text_of(*pairs[i]) == name) return pairs[i + 1];
  }
  return nullptr;
}

std::optional<StreamId> id_of(const redisReply* reply) {
  if (reply == nullptr) return std::nullopt;
  const auto text = text_of(*reply);
  return text ? parse_stream_id(*text) : std::nullopt;
}

std::optional<std::uint64_t> count_of(const redisReply* reply) {
  if (reply == nullptr || reply->type != REDIS_REPLY_INTEGER) return std::nullopt;
  return static_cast<std::uint64_t>(reply->integer);
}

}  // namespace

std::optional<StreamEntry> entry_of(const redisReply& reply, std::size_t payload_bytes) {
  const auto id = entry_id_of(reply);
  if (!id) return std::nullopt;
  StreamEntry entry{.id = *id};
  const auto fields = list_of(*list_of(reply)[1]);
  const redisReply* const topic = value_of(fields, "topic");
  const redisReply* const payload = value_of(fields, "payload");
  const auto name = topic == nullptr ? std::nullopt : text_of(*topic);
  auto text = payload == nullptr ? std::nullopt : text_of(*payload);
  if (text) text = without_bom(*text);
  entry.topic = name.value_or("");
  entry.payload = text.value_or("");
  if (!fields.empty() && (topic == nullptr || payload == nullptr)) {
    entry.wrong = Refusal::kNotJson;
    entry.why = "it needs the fields topic and payload";
  } else if (topic != nullptr && !name) {
    entry.wrong = Refusal::kTooLarge;
    entry.why = words_of(Refusal::kTooLarge);
  } else if (const auto wrong = ProducerGate::check(text, {.most_bytes = payload_bytes})) {
    entry.wrong = wrong->refusal;
    entry.why = words_of(*wrong);
  }
  return entry;
}

std::optional<StreamId> entry_id_of(const redisReply& reply) {
  const auto parts = list_of(reply);
  return parts.size() == 2 ? id_of(parts[0]) : std::nullopt;
}

std::optional<std::string_view> field_of(const redisReply& entry, std::string_view name) {
  const auto parts = list_of(entry);
  const redisReply* const value = parts.size() == 2 ? value_of(list_of(*parts[1]), name) : nullptr;
  return value == nullptr ? std::nullopt : text_of(*value);
}

std::optional<StreamInfo> info_of(const redisReply& reply) {
  const auto pairs = list_of(reply);
  const auto length = count_of(value_of(pairs, "length"));
  const auto last = id_of(value_of(pairs, "last-generated-id"));
  if (!length || !last) return std::nullopt;
  StreamInfo info{.length = *length, .last = *last};
  info.added = count_of(value_of(pairs, "entries-added"));
  if (info.length == 0) return info;
  info.first = id_of(value_of(pairs, "recorded-first-entry-id"));
  if (!info.first) {
    const redisReply* const entry = value_of(pairs, "first-entry");
    if (entry != nullptr && !list_of(*entry).empty()) info.first = id_of(list_of(*entry)[0]);
  }
  return info.first ? std::optional(info) : std::nullopt;
}

}  // namespace broadcast

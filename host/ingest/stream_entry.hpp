#pragma once
// What Redis says of a stream, as values: its entries, and what XINFO knows. Pure; [any].

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "host/hub/producer_gate.hpp"
#include "host/ingest/redis_reply.hpp"
#include "host/ingest/stream_position.hpp"

namespace broadcast {

struct StreamEntry {
  StreamId id;
  std::string topic;
  std::string payload;           ///< as far as it could be read
  std::optional<Refusal> wrong;  ///< it goes to nobody
  std::string why;               ///< with `wrong`
};
/// Nothing: not an entry, or what of it did not fit the reply. A payload is checked by
/// ProducerGate::check().
[[nodiscard]] std::optional<StreamEntry> entry_of(const redisReply& reply,
                                                  std::size_t payload_bytes);
/// The id of an entry; nothing: it is none.
[[nodiscard]] std::optional<StreamId> entry_id_of(const redisReply& reply);
/// One field of an entry; nothing: it has none, or it was too large.
[[nodiscard]] std::optional<std::string_view> field_of(const redisReply& entry,
                                                       std::string_view name);

/// Nothing: not an answer to XINFO STREAM.
[[nodiscard]] std::optional<StreamInfo> info_of(const redisReply& reply);

}  // namespace broadcast

#pragma once
// Bytes of a Redis into replies, checked by RespBounds and parsed by hiredis, and commands into
// bytes. No sockets; its owner's thread.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <hiredis/hiredis.h>

#include "host/ingest/resp_bounds.hpp"

namespace broadcast {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RedisReplyPtr = std::unique_ptr<redisReply, FreeReply>;

class RedisReader {
 public:
  explicit RedisReader(const RespBounds::Limits& limits)
      : bounds_(limits), reader_(redisReaderCreate()) {}

  /// Nothing: good; otherwise what is wrong, and the connection is over.
  [[nodiscard]] std::string feed(std::string_view bytes);
  /// The next whole reply, or null; after feed() until null. A reply that cannot be parsed is what
  /// error() says.
  [[nodiscard]] RedisReplyPtr take();
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Free {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  RespBounds bounds_;
  std::unique_ptr<redisReader, Free> reader_;
  std::string passed_;
  std::string error_;
};

/// A string or a state; nothing for all else, such as what was too large.
[[nodiscard]] std::optional<std::string_view> text_of(const redisReply& reply);
/// The elements of a list; none for all else.
[[nodiscard]] std::span<redisReply* const> list_of(const redisReply& reply);
[[nodiscard]] inline bool is_error(const redisReply& reply) {
  return reply.type == REDIS_REPLY_ERROR;
}
/// What an error says, fit for a log line.
[[nodiscard]] std::string error_text(const redisReply& reply);

[[nodiscard]] std::string redis_command(std::span<const std::string_view> words);

}  // namespace broadcast

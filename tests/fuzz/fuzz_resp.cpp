// What a Redis sends, in pieces: whatever passes the check of lengths is within the limits, the
// same however it was cut, and read by the parser without a complaint.

#include <string>

#include "host/ingest/redis_reply.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

using fuzz::require;
using fuzz::require_equal;

constexpr RespBounds::Limits kLimits{.bulk_bytes = 64, .elements = 16, .reply_bytes = 1024};

std::string passed(std::string_view bytes, std::size_t step, std::string& out) {
  RespBounds bounds(kLimits);
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    const auto wrong = bounds.pass(bytes.substr(i, step), out);
    if (!wrong.empty()) return std::string(wrong);
  }
  return {};
}

void check_reply(const redisReply& reply) {
  if (const auto text = text_of(reply); text && reply.type == REDIS_REPLY_STRING) {
    require(text->size() <= kLimits.bulk_bytes, "no string is longer than allowed");
  }
  require(list_of(reply).size() <= kLimits.elements, "no list is longer than allowed");
  if (is_error(reply)) require(is_utf8(error_text(reply)), "errors are fit for a log");
  for (const redisReply* const element : list_of(reply)) check_reply(*element);
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string_view bytes = fuzz::text_of(data, size);
  std::string whole;
  std::string pieces;
  const std::string wrong = passed(bytes, std::max<std::size_t>(size, 1), whole);
  require_equal(passed(bytes, 1, pieces), wrong, "the verdict does not depend on the pieces");
  if (wrong.empty()) require_equal(pieces, whole, "nor what is handed on");
  RedisReader reader(kLimits);
  if (!reader.feed(bytes).empty()) return 0;
  while (const RedisReplyPtr reply = reader.take()) check_reply(*reply);
  require(reader.error().empty(), "the parser takes what has passed: " + reader.error());
  return 0;
}

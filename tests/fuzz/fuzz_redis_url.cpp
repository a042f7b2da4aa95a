// redis.url: whatever it is, it is read or refused in a sentence, and what is shown of it can be
// read again.

#include <stdexcept>

#include "host/ingest/redis_url.hpp"
#include "host/ingest/stream_position.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto handled = parse_handled(text); handled && handled->messages == 0) {
    fuzz::require(parse_handled(to_string(*handled)) == handled,
                  "a position reads as it is written");
  }
  try {
    RedisUrl url = parse_redis_url(text);
    fuzz::require(url.transport == RedisUrl::Transport::kUnix || url.port != 0, "a port is one");
    if (url.transport == RedisUrl::Transport::kUnix) return 0;  // its path is decoded
    RedisUrl again = parse_redis_url(url.shown());
    again.user = url.user;
    again.password = url.password;
    again.tls = url.tls;
    fuzz::require(again == url, "what is shown is the same place");
  } catch (const std::invalid_argument& error) {
    fuzz::require_sentence(error.what());
  }
  return 0;
}

#pragma once
// permessage-deflate (RFC 7692) on the bytes of one message, without a context that outlives it: so
// what is sent is deflated once for all who take it, and one inflater serves a whole shard. By
// zlib, whose output ends as every client expects it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <zlib.h>

#include "host/wire/frame.hpp"

namespace broadcast {

struct DeflateOptions {
  bool enabled = true;
  std::size_t min_bytes = 128;  ///< shorter messages go plain
  unsigned level = 1;           ///< zlib's, 1 to 9
  bool operator==(const DeflateOptions&) const = default;
};

/// Null unless enabled. What it makes fits a window of 32 KiB. [any]: a state of 256 KiB a thread.
[[nodiscard]] Compressor make_compressor(const DeflateOptions& options);

/// Part of a Shard; [shard].
class Inflater {
 public:
  enum class Status : std::uint8_t { kOk, kBroken, kTooLarge };
  struct Result {
    Status status = Status::kOk;
    std::string_view bytes;  ///< until the next call
  };

  /// Messages that become longer than `max_bytes` are refused. Throws std::bad_alloc.
  explicit Inflater(std::size_t max_bytes);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void set_limit(std::size_t max_bytes) { max_bytes_ = max_bytes; }
  /// One message as it stood in its frames, without the four bytes that RFC 7692 takes off.
  [[nodiscard]] Result inflate(std::string_view deflated);
  /// The result was used: memory that only a large message needs is freed.
  void give_back();

 private:
  [[nodiscard]] Status take(std::string_view part);
  [[nodiscard]] bool make_room();

  std::size_t max_bytes_;
  z_stream stream_{};
  std::string bytes_;  // count_ of them made
  std::size_t count_ = 0;
  bool at_block_end_ = false;
};

}  // namespace broadcast

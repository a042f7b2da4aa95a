#pragma once
// What the fuzzer asks of the frame reader, and what the committed corpus is replayed through: the
// same bytes must say the same, however they are cut.
//
// Input: byte 0 chooses the message limit (low five bits), after how many messages the sink stops
// (the next two, 0: never) and whether permessage-deflate was negotiated (the last); bytes 1 and 2
// are two chunk sizes that take turns; the rest is what the client sends.

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/unit/wire/frame_play.hpp"

namespace broadcast {

/// Empty if every way to cut says the same; else the two that differ.
[[nodiscard]] inline std::string difference_between_splits(std::string_view input) {
  if (input.size() < 3) return {};
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(input[i]));
  };
  FramePlay::Options options{.max_message_bytes = std::size_t{1} << (byte(0) & 0x1FU)};
  if ((byte(0) >> 5U & 3U) != 0) options.stop_after = byte(0) >> 5U & 3U;
  options.deflate = (byte(0) & 0x80U) != 0;
  const std::string_view wire = input.substr(3);
  const std::string at_once = played_at_once(wire, options);
  const std::string turns = played_in_chunks(wire, {byte(1) + 1, byte(2) + 1}, options);
  if (turns != at_once) return "at once: " + at_once + "\nin turns: " + turns;
  const std::string single = played_in_chunks(wire, {1}, options);
  if (single != at_once) return "at once: " + at_once + "\nbyte by byte: " + single;
  return {};
}

}  // namespace broadcast

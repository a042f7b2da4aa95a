#pragma once
// Plays bytes on a FrameReader in chunks and writes down what it says, so that two ways to cut the
// same bytes can be compared as text. Used by the unit tests and the fuzzer.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/wire/frame_reader.hpp"

namespace broadcast {

class FramePlay {
 public:
  struct Options {
    std::size_t max_message_bytes = 1024;
    std::size_t stop_after = SIZE_MAX;  ///< messages and pings, then the sink says stop
    bool deflate = false;               ///< was negotiated
  };

  explicit FramePlay(const Options& options)
      : inflater_(10 * options.max_message_bytes),
        reader_(options.max_message_bytes, options.deflate ? &inflater_ : nullptr),
        left_(options.stop_after) {}

  /// Each chunk has memory of its own, gone after the call, as far as the sanitizer can tell.
  void feed(std::string_view chunk) {
    std::vector<char> bytes(chunk.begin(), chunk.end());
    const FrameReader::Result result = reader_.feed(bytes, *this);
    if (result.kind == FrameReader::ResultKind::kContinue) return;
    const char* word = result.kind == FrameReader::ResultKind::kError ? "error " : "closed ";
    write(word + std::to_string(result.code), result.text);
  }

  [[nodiscard]] const std::string& said() const { return said_; }
  [[nodiscard]] const FrameReader& reader() const { return reader_; }

  // What the reader calls.
  bool on_message(FrameReader::MessageKind kind, std::string_view payload) {
    write(kind == FrameReader::MessageKind::kText ? "text" : "binary", payload);
    return --left_ > 0;
  }
  bool on_ping(std::string_view payload) {
    write("ping", payload);
    return --left_ > 0;
  }
  bool on_pong(std::string_view payload) {
    write("pong", payload);
    return true;
  }

 private:
  void write(std::string_view word, std::string_view payload) {
    if (!said_.empty()) said_ += ' ';
    said_ += word;
    said_ += '(';
    if (payload.size() <= 130) {
      said_ += payload;
    } else {
      said_ += std::to_string(payload.size()) + " bytes, hash " +
               std::to_string(std::hash<std::string_view>{}(payload));
    }
    said_ += ')';
  }

  Inflater inflater_;
  FrameReader reader_;
  std::size_t left_;
  std::string said_;
};

/// Plays `wire` in chunks of the given sizes, over and over.
[[nodiscard]] inline std::string played_in_chunks(std::string_view wire,
                                                  const std::vector<std::size_t>& sizes,
                                                  const FramePlay::Options& options) {
  FramePlay play(options);
  for (std::size_t i = 0; !wire.empty(); ++i) {
    const std::size_t size = std::min(sizes[i % sizes.size()], wire.size());
    play.feed(wire.substr(0, size));
    wire.remove_prefix(size);
  }
  return play.said();
}

[[nodiscard]] inline std::string played_at_once(std::string_view wire,
                                                const FramePlay::Options& options) {
  return played_in_chunks(wire, {SIZE_MAX}, options);
}

}  // namespace broadcast

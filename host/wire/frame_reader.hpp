#pragma once
// What a client sends, from bytes to messages: RFC 6455, complete and strict. Unmasks and parses in
// place, in the shard's receive buffer; only an incomplete frame or a fragmented message costs
// memory of its own, which is given back with the message. Part of a Connection; [shard].

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "host/base/utf8.hpp"
#include "host/wire/deflate.hpp"
#include "host/wire/frame.hpp"

namespace broadcast {

class FrameReader {
 public:
  enum class MessageKind : std::uint8_t { kText, kBinary };
  enum class ResultKind : std::uint8_t {
    kContinue,  ///< nothing to do
    kClosed,    ///< the peer's close frame came: answer it
    kError      ///< the peer broke the protocol: close with `code`
  };
  struct Result {
    ResultKind kind = ResultKind::kContinue;
    std::uint16_t code = 0;  ///< kCloseNoCode if the peer's close frame has none
    std::string_view text;   ///< the peer's reason, valid until `bytes` go; or what is wrong
  };

  /// A message of more bytes, in one frame or many, is refused with 1009 when a header announces
  /// it. `inflater` outlives the reader; null: permessage-deflate was not negotiated.
  explicit FrameReader(std::size_t max_message_bytes, Inflater* inflater = nullptr)
      : max_message_bytes_(max_message_bytes), inflater_(inflater) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  /// Reads all frames in `bytes`, and overwrites them. `sink` has
  ///   bool on_message(MessageKind, std::string_view payload)   text is UTF-8
  ///   bool on_ping(std::string_view payload)
  ///   bool on_pong(std::string_view payload)                   if it cares
  ///   bool on_empty_fragment()                                 the same; without an end or a byte
  /// whose views live for the call; false stops the reader. After a close frame, an error, a stop
  /// or an exception of the sink it is done() and ignores what comes.
  template <class Sink>
  [[nodiscard]] Result feed(std::span<char> bytes, Sink& sink);

  /// From now on messages come without their payload, and deflated ones are not inflated: only the
  /// end is waited for.
  void skip_messages() { is_skipping_ = true; }

  [[nodiscard]] bool done() const { return done_; }
  /// Whole frames so far, fragments and control frames included.
  [[nodiscard]] std::uint32_t frames() const { return frames_; }
  /// Memory of its own that it holds now, for what has come of a message or control frame.
  [[nodiscard]] std::size_t heap_bytes() const {
    return kept_.capacity() > std::string().capacity() ? kept_.capacity() : 0;
  }

 private:
  enum class EventKind : std::uint8_t {
    kNone,
    kText,
    kBinary,
    kPing,
    kPong,
    kEmptyFragment,
    kClosed,
    kError
  };
  struct Event {
    EventKind kind = EventKind::kNone;
    std::uint16_t code = 0;
    std::string_view text;
  };

  /// Takes at most one frame from the front of `bytes`.
  [[nodiscard]] Event next(std::span<char>& bytes);
  [[nodiscard]] bool take_header(std::span<char>& bytes);
  void begin_payload();
  void end_frame();
  [[nodiscard]] Event take_control(std::string_view part);
  [[nodiscard]] Event take_data(std::string_view part);
  [[nodiscard]] Event inflated(EventKind kind, std::string_view message);
  void unmask(std::span<char> part);
  /// Lets go of what was delivered.
  void give_back();

  // About header_, as far as it has come.
  [[nodiscard]] Event header_fault() const;
  [[nodiscard]] Event first_byte_fault() const;
  [[nodiscard]] Event length_fault() const;
  [[nodiscard]] std::size_t header_bytes() const { return 2 + length_bytes() + 4; }
  [[nodiscard]] std::size_t length_bytes() const;
  [[nodiscard]] std::uint64_t payload_bytes() const;
  [[nodiscard]] Opcode opcode() const {
    return Opcode{static_cast<std::uint8_t>(header_[0] & 0xFU)};
  }
  [[nodiscard]] bool is_control() const { return (header_[0] & 0x8U) != 0; }
  [[nodiscard]] bool is_last() const { return (header_[0] & 0x80U) != 0; }

  static Event error(std::uint16_t code, std::string_view text) {
    return {EventKind::kError, code, text};
  }
  static Event closed(std::string_view payload);

  const std::size_t max_message_bytes_;
  Inflater* const inflater_;
  std::string kept_;  // message_bytes_ of the message, then an incomplete control frame
  std::size_t message_bytes_ = 0;
  std::uint64_t payload_left_ = 0;  // of the current frame
  std::array<unsigned char, 14> header_{};
  std::uint32_t frames_ = 0;
  std::uint8_t header_count_ = 0;  // bytes of it that have come; all: a payload is being read
  Opcode message_ = Opcode::kContinuation;  // kContinuation: no message in progress
  MaskKey mask_{};                          // its first byte is for the next byte of payload
  bool is_deflated_ = false;                // the message in progress
  Utf8Check utf8_;
  bool is_skipping_ = false;
  bool done_ = false;
};

static_assert(sizeof(FrameReader) <= 96, "every connection has one");

template <class Sink>
FrameReader::Result FrameReader::feed(std::span<char> bytes, Sink& sink) {
  while (!done_) {
    const Event event = next(bytes);
    if (event.kind == EventKind::kNone) {
      if (bytes.empty()) break;
      continue;
    }
    bool go_on = true;
    done_ = true;  // stays so if the sink throws
    switch (event.kind) {
      case EventKind::kText:
        go_on = sink.on_message(MessageKind::kText, event.text);
        break;
      case EventKind::kBinary:
        go_on = sink.on_message(MessageKind::kBinary, event.text);
        break;
      case EventKind::kPing:
        go_on = sink.on_ping(event.text);
        break;
      case EventKind::kPong:
        if constexpr (requires { sink.on_pong(event.text); }) go_on = sink.on_pong(event.text);
        break;
      case EventKind::kEmptyFragment:
        if constexpr (requires { sink.on_empty_fragment(); }) go_on = sink.on_empty_fragment();
        break;
      case EventKind::kClosed:
        return {ResultKind::kClosed, event.code, event.text};
      case EventKind::kError:
      case EventKind::kNone:
        message_bytes_ = 0;
        give_back();
        return {ResultKind::kError, event.code, event.text};
    }
    give_back();
    done_ = !go_on;
  }
  return {};
}

}  // namespace broadcast

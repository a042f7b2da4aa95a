#pragma once
// One published event or reply: immutable, encoded once as a complete WebSocket frame, and at most
// once more deflated, in one allocation, shared by every Outbox it waits in. Made by TopicHub (any
// thread) or a Session (its shard); [any].

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "host/hub/topic_owner.hpp"

namespace broadcast {

class Message;
using MessagePtr = boost::intrusive_ptr<const Message>;

/// RFC 6455 opcodes of what a server sends.
enum class Opcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA
};

/// How a connection takes its frames.
enum class FrameForm : std::uint8_t {
  kPlain,
  kDeflated,  ///< permessage-deflate was negotiated; what is not worth it comes plain
};

/// [any] Deflates one message's text as RFC 7692 wants it in a frame. False: not worth it.
using Compressor = std::function<bool(std::string_view text, std::string& deflated)>;

class Message {
 public:
  /// A publication: `head` + seq + `,` + `payload` without its opening brace; with a `compressor`
  /// also its deflated frame. `topic_id` is never 0.
  [[nodiscard]] static MessagePtr publication(std::uint64_t topic_id, Delivery delivery,
                                              std::uint64_t seq, std::string_view head,
                                              std::string_view payload,
                                              const Compressor& compressor = nullptr);
  /// Tells shards of a topic that was made under a pattern they watch, or whose epoch is another
  /// from now on: the number it had then, the name as payload. Never sent to a client.
  [[nodiscard]] static MessagePtr announcement(std::uint64_t topic_id, std::uint64_t seq,
                                               std::string_view name);
  /// Tells shards that nobody answers for a topic that somebody there asks for by its name. The
  /// same as an announcement but for that.
  [[nodiscard]] static MessagePtr hand_over(std::uint64_t topic_id, std::string_view name);
  /// What a client is told of a topic, between its messages.
  [[nodiscard]] static MessagePtr note(std::uint64_t topic_id, std::string_view text);
  /// Bytes of the text that publication() would make.
  [[nodiscard]] static std::size_t publication_bytes(std::uint64_t seq, std::string_view head,
                                                     std::string_view payload);
  /// Bytes of the frame around a payload.
  [[nodiscard]] static std::size_t frame_bytes(std::size_t payload_bytes);
  /// Anything without a topic: replies, control frames, text for every client.
  [[nodiscard]] static MessagePtr frame_of(Opcode opcode, std::string_view payload,
                                           const Compressor& compressor = nullptr);
  /// Bytes that are no frame: what stands before the first one.
  [[nodiscard]] static MessagePtr bytes_of(std::string_view bytes);
  [[nodiscard]] static MessagePtr text_of(std::string_view text) {
    return frame_of(Opcode::kText, text);
  }
  /// An answer to a client: of one shard, which counts the memory that it takes.
  [[nodiscard]] static MessagePtr answer(std::string_view text);

  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  /// The whole frame, header included, as it goes to the socket.
  [[nodiscard]] std::string_view frame() const { return {bytes(), frame_bytes_}; }
  /// The deflated one if that is what the connection takes and there is one.
  [[nodiscard]] std::string_view frame(FrameForm form) const {
    if (form == FrameForm::kPlain || deflated_bytes_ == 0) return frame();
    return {bytes() + frame_bytes_, deflated_bytes_};
  }
  /// Of all that it carries.
  [[nodiscard]] std::size_t bytes_in_all() const { return frame_bytes_ + deflated_bytes_; }
  /// The plain frame's payload.
  [[nodiscard]] std::string_view payload() const { return frame().substr(header_bytes_); }
  /// False: bytes_of().
  [[nodiscard]] bool is_frame() const { return header_bytes_ > 0; }
  /// 0: no topic.
  [[nodiscard]] std::uint64_t topic_id() const { return topic_id_; }
  [[nodiscard]] std::uint64_t seq() const { return seq_; }
  /// announcement() or hand_over().
  [[nodiscard]] bool is_announcement() const;
  [[nodiscard]] bool is_hand_over() const {
    return is_announcement() && delivery_ == Delivery::kLatest;
  }
  /// answer().
  [[nodiscard]] bool is_answer() const { return is_answer_; }
  /// Nobody but the caller has it. REQUIRES: it is only known on his thread.
  [[nodiscard]] bool is_unshared() const {
    return references_.load(std::memory_order_relaxed) == 1;
  }
  [[nodiscard]] Delivery delivery() const { return delivery_; }

 private:
  friend void intrusive_ptr_add_ref(const Message* message) noexcept {
    message->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const Message* message) noexcept {
    if (message->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(message);
  }

  Message(std::uint64_t topic_id, std::uint64_t seq, Delivery delivery, std::size_t header_bytes,
          std::size_t frame_bytes, std::size_t deflated_bytes, bool is_answer)
      : topic_id_(topic_id),
        seq_(seq),
        frame_bytes_(static_cast<std::uint32_t>(frame_bytes)),
        deflated_bytes_(static_cast<std::uint32_t>(deflated_bytes)),
        header_bytes_(static_cast<std::uint8_t>(header_bytes)),
        delivery_(delivery),
        is_answer_(is_answer) {}
  ~Message() = default;

  struct Made;
  static Made make(Opcode opcode, std::size_t payload_bytes, std::uint64_t topic_id,
                   std::uint64_t seq, Delivery delivery, std::string_view deflated = {},
                   bool is_answer = false);
  static void destroy(const Message* message) noexcept;
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }

  mutable std::atomic<std::uint32_t> references_{0};
  const std::uint64_t topic_id_;
  const std::uint64_t seq_;
  const std::uint32_t frame_bytes_;
  const std::uint32_t deflated_bytes_;  // of the second frame, behind the first; 0: none
  const std::uint8_t header_bytes_;
  const Delivery delivery_;
  const bool is_answer_;
};

}  // namespace broadcast

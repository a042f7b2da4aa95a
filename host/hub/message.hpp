#pragma once
// One published event or reply: an immutable text, shared by every Outbox it waits in, and the
// forms that connections take it in. The plain WebSocket frame is the text with its header right in
// front of it; a deflated one stands behind, if whoever makes the message knows of somebody who
// takes it. All in one allocation. Made by LocalSequencer (any thread) or a Session (its shard);
// [any].

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "host/hub/topic_owner.hpp"
#include "host/wire/frame.hpp"

namespace broadcast {

class Message;
using MessagePtr = boost::intrusive_ptr<const Message>;

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
  /// The text.
  [[nodiscard]] std::string_view payload() const { return frame().substr(header_bytes_); }
  /// False: bytes_of(), and what is for shards alone.
  [[nodiscard]] bool is_frame() const { return header_bytes_ > 0; }
  /// 0: no topic.
  [[nodiscard]] std::uint64_t topic_id() const { return about_.topic_id; }
  [[nodiscard]] std::uint64_t seq() const { return about_.seq; }
  /// announcement() or hand_over().
  [[nodiscard]] bool is_announcement() const {
    return about_.kind == Kind::kAnnouncement || is_hand_over();
  }
  [[nodiscard]] bool is_hand_over() const { return about_.kind == Kind::kHandOver; }
  /// answer().
  [[nodiscard]] bool is_answer() const { return about_.kind == Kind::kAnswer; }
  /// Nobody but the caller has it. REQUIRES: it is only known on his thread.
  [[nodiscard]] bool is_unshared() const {
    return references_.load(std::memory_order_relaxed) == 1;
  }
  [[nodiscard]] Delivery delivery() const { return about_.delivery; }

 private:
  friend void intrusive_ptr_add_ref(const Message* message) noexcept {
    message->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const Message* message) noexcept {
    if (message->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(message);
  }

  enum class Kind : std::uint8_t { kForClients, kAnswer, kAnnouncement, kHandOver };
  struct About {
    std::uint64_t topic_id = 0;
    std::uint64_t seq = 0;
    Delivery delivery = Delivery::kAll;
    Kind kind = Kind::kForClients;
  };

  Message(const About& about, std::size_t header_bytes, std::size_t frame_bytes,
          std::size_t deflated_bytes)
      : frame_bytes_(static_cast<std::uint32_t>(frame_bytes)),
        about_(about),
        deflated_bytes_(static_cast<std::uint32_t>(deflated_bytes)),
        header_bytes_(static_cast<std::uint8_t>(header_bytes)) {}
  ~Message() = default;

  struct Made;
  static Made make(const About& about, Opcode opcode, std::size_t payload_bytes,
                   std::string_view deflated = {});
  [[nodiscard]] static MessagePtr make_frame(const About& about, Opcode opcode,
                                             std::string_view payload,
                                             std::string_view deflated = {});
  [[nodiscard]] static MessagePtr make_bytes(const About& about, std::string_view bytes);
  static void destroy(const Message* message) noexcept;
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }

  mutable std::atomic<std::uint32_t> references_{0};
  const std::uint32_t frame_bytes_;
  const About about_;
  const std::uint32_t deflated_bytes_;  // of the second frame, behind the first; 0: none
  const std::uint8_t header_bytes_;
};

}  // namespace broadcast

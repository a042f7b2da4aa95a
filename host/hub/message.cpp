#include "host/hub/message.hpp"

#include <charconv>
#include <cstring>
#include <new>

#include "host/base/per_thread.hpp"

namespace broadcast {

namespace {

std::size_t header_bytes_for(std::size_t payload_bytes) {
  if (payload_bytes < 126) return 2;
  return payload_bytes <= 0xFFFF ? 4 : 10;
}

constexpr unsigned kFin = 0x80;
constexpr unsigned kRsv1 = 0x40;  // deflated (RFC 7692)

/// A server never masks.
void write_header(char* to, unsigned first_byte, std::size_t payload_bytes,
                  std::size_t header_bytes) {
  to[0] = static_cast<char>(first_byte);
  if (header_bytes == 2) {
    to[1] = static_cast<char>(payload_bytes);
    return;
  }
  to[1] = static_cast<char>(header_bytes == 4 ? 126 : 127);
  for (std::size_t i = header_bytes; i-- > 2; payload_bytes >>= 8U) {
    to[i] = static_cast<char>(payload_bytes & 0xFFU);
  }
}

struct Digits {
  char text[20];
  std::size_t count;
};

Digits digits_of(std::uint64_t number) {
  Digits digits{};
  const auto end = std::to_chars(digits.text, digits.text + sizeof digits.text, number).ptr;
  digits.count = static_cast<std::size_t>(end - digits.text);
  return digits;
}

PerThread<std::string> deflated_texts;
PerThread<std::string> plain_texts;

/// Empty: not worth it. Until the next call.
std::string_view deflated_by(const Compressor& compressor, std::string_view text) {
  if (!compressor) return {};
  std::string& deflated = deflated_texts.get();
  if (!compressor(text, deflated)) return {};
  return deflated;
}

char* append(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

}  // namespace

struct Message::Made {
  MessagePtr message;
  char* payload;
};

Message::Made Message::make(Opcode opcode, std::size_t payload_bytes, std::uint64_t topic_id,
                            std::uint64_t seq, Delivery delivery, std::string_view deflated,
                            bool is_answer) {
  const std::size_t header_bytes = header_bytes_for(payload_bytes);
  const std::size_t frame_bytes = header_bytes + payload_bytes;
  const std::size_t deflated_bytes = deflated.empty() ? 0 : Message::frame_bytes(deflated.size());
  void* memory = ::operator new(sizeof(Message) + frame_bytes + deflated_bytes);
  auto* message = new (memory)
      Message(topic_id, seq, delivery, header_bytes, frame_bytes, deflated_bytes, is_answer);
  char* frame = static_cast<char*>(memory) + sizeof(Message);
  const unsigned first_byte = kFin | static_cast<unsigned>(opcode);
  write_header(frame, first_byte, payload_bytes, header_bytes);
  if (!deflated.empty()) {
    const std::size_t header = header_bytes_for(deflated.size());
    write_header(frame + frame_bytes, first_byte | kRsv1, deflated.size(), header);
    append(frame + frame_bytes + header, deflated);
  }
  return {MessagePtr(message), frame + header_bytes};
}

void Message::destroy(const Message* message) noexcept {
  message->~Message();
  ::operator delete(const_cast<Message*>(message));
}

std::size_t Message::frame_bytes(std::size_t payload_bytes) {
  return header_bytes_for(payload_bytes) + payload_bytes;
}

std::size_t Message::publication_bytes(std::uint64_t seq, std::string_view head,
                                       std::string_view payload) {
  return head.size() + digits_of(seq).count + payload.size();  // "," in place of the opening brace
}

MessagePtr Message::publication(std::uint64_t topic_id, Delivery delivery, std::uint64_t seq,
                                std::string_view head, std::string_view payload,
                                const Compressor& compressor) {
  const Digits digits = digits_of(seq);
  const auto write = [&](char* to) {
    to = append(to, head);
    to = append(to, {digits.text, digits.count});
    *to++ = ',';
    append(to, payload.substr(1));
  };
  const std::size_t bytes = head.size() + digits.count + payload.size();
  std::string_view deflated;
  if (compressor) {
    std::string& text = plain_texts.get();
    text.resize(bytes);
    write(text.data());
    deflated = deflated_by(compressor, text);
  }
  const Made made = make(Opcode::kText, bytes, topic_id, seq, delivery, deflated);
  write(made.payload);
  return made.message;
}

MessagePtr Message::announcement(std::uint64_t topic_id, std::uint64_t seq, std::string_view name) {
  const Made made = make(Opcode::kContinuation, name.size(), topic_id, seq, Delivery::kAll);
  append(made.payload, name);
  return made.message;
}

MessagePtr Message::hand_over(std::uint64_t topic_id, std::string_view name) {
  const Made made = make(Opcode::kContinuation, name.size(), topic_id, 0, Delivery::kLatest);
  append(made.payload, name);
  return made.message;
}

MessagePtr Message::note(std::uint64_t topic_id, std::string_view text) {
  const Made made = make(Opcode::kText, text.size(), topic_id, 0, Delivery::kAll);
  append(made.payload, text);
  return made.message;
}

bool Message::is_announcement() const {
  return static_cast<unsigned char>(*bytes()) ==
         (kFin | static_cast<unsigned>(Opcode::kContinuation));
}

MessagePtr Message::bytes_of(std::string_view bytes) {
  void* memory = ::operator new(sizeof(Message) + bytes.size());
  MessagePtr message(new (memory) Message(0, 0, Delivery::kAll, 0, bytes.size(), 0, false));
  append(static_cast<char*>(memory) + sizeof(Message), bytes);
  return message;
}

MessagePtr Message::answer(std::string_view text) {
  constexpr bool kIsAnswer = true;
  const Made made = make(Opcode::kText, text.size(), 0, 0, Delivery::kAll, {}, kIsAnswer);
  append(made.payload, text);
  return made.message;
}

MessagePtr Message::frame_of(Opcode opcode, std::string_view payload,
                             const Compressor& compressor) {
  const Made made =
      make(opcode, payload.size(), 0, 0, Delivery::kAll, deflated_by(compressor, payload));
  append(made.payload, payload);
  return made.message;
}

}  // namespace broadcast

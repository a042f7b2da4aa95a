#include "host/hub/message.hpp"

#include <charconv>
#include <cstring>
#include <new>

namespace broadcast {

namespace {

std::size_t header_bytes_for(std::size_t payload_bytes) {
  if (payload_bytes < 126) return 2;
  return payload_bytes <= 0xFFFF ? 4 : 10;
}

void write_header(char* to, Opcode opcode, std::size_t payload_bytes, std::size_t header_bytes) {
  to[0] = static_cast<char>(0x80U | static_cast<unsigned>(opcode));  // FIN; a server never masks
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
                            std::uint64_t seq, Delivery delivery) {
  const std::size_t header_bytes = header_bytes_for(payload_bytes);
  const std::size_t frame_bytes = header_bytes + payload_bytes;
  void* memory = ::operator new(sizeof(Message) + frame_bytes);
  auto* message = new (memory) Message(topic_id, seq, delivery, header_bytes, frame_bytes);
  char* frame = static_cast<char*>(memory) + sizeof(Message);
  write_header(frame, opcode, payload_bytes, header_bytes);
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
                                std::string_view head, std::string_view payload) {
  const Digits digits = digits_of(seq);
  const Made made =
      make(Opcode::kText, head.size() + digits.count + payload.size(), topic_id, seq, delivery);
  char* to = append(made.payload, head);
  to = append(to, {digits.text, digits.count});
  *to++ = ',';
  append(to, payload.substr(1));
  return made.message;
}

MessagePtr Message::frame_of(Opcode opcode, std::string_view payload) {
  const Made made = make(opcode, payload.size(), 0, 0, Delivery::kAll);
  append(made.payload, payload);
  return made.message;
}

}  // namespace broadcast

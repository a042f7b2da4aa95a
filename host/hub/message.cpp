#include "host/hub/message.hpp"

#include <charconv>
#include <cstring>
#include <new>

#include "host/base/per_thread.hpp"

namespace broadcast {

namespace {

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

Message::Made Message::make(const About& about, Opcode opcode, std::size_t payload_bytes,
                            std::string_view deflated) {
  const std::size_t header_bytes = server_header_bytes(payload_bytes);
  const std::size_t frame_bytes = header_bytes + payload_bytes;
  const std::size_t deflated_bytes = deflated.empty() ? 0 : Message::frame_bytes(deflated.size());
  void* memory = ::operator new(sizeof(Message) + frame_bytes + deflated_bytes);
  auto* message = new (memory) Message(about, header_bytes, frame_bytes, deflated_bytes);
  char* frame = static_cast<char*>(memory) + sizeof(Message);
  write_server_header(frame, opcode, FrameForm::kPlain, payload_bytes);
  if (!deflated.empty()) {
    write_server_header(frame + frame_bytes, opcode, FrameForm::kDeflated, deflated.size());
    append(frame + frame_bytes + server_header_bytes(deflated.size()), deflated);
  }
  return {MessagePtr(message), frame + header_bytes};
}

MessagePtr Message::make_frame(const About& about, Opcode opcode, std::string_view payload,
                               std::string_view deflated) {
  const Made made = make(about, opcode, payload.size(), deflated);
  append(made.payload, payload);
  return made.message;
}

MessagePtr Message::make_bytes(const About& about, std::string_view bytes) {
  void* memory = ::operator new(sizeof(Message) + bytes.size());
  MessagePtr message(new (memory) Message(about, 0, bytes.size(), 0));
  append(static_cast<char*>(memory) + sizeof(Message), bytes);
  return message;
}

void Message::destroy(const Message* message) noexcept {
  message->~Message();
  ::operator delete(const_cast<Message*>(message));
}

std::size_t Message::frame_bytes(std::size_t payload_bytes) {
  return server_header_bytes(payload_bytes) + payload_bytes;
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
  const Made made = make({.topic_id = topic_id, .seq = seq, .delivery = delivery}, Opcode::kText,
                         bytes, deflated);
  write(made.payload);
  return made.message;
}

MessagePtr Message::announcement(std::uint64_t topic_id, std::uint64_t seq, std::string_view name) {
  return make_bytes({.topic_id = topic_id, .seq = seq, .kind = Kind::kAnnouncement}, name);
}

MessagePtr Message::hand_over(std::uint64_t topic_id, std::string_view name) {
  return make_bytes({.topic_id = topic_id, .kind = Kind::kHandOver}, name);
}

MessagePtr Message::note(std::uint64_t topic_id, std::string_view text) {
  return make_frame({.topic_id = topic_id}, Opcode::kText, text);
}

MessagePtr Message::bytes_of(std::string_view bytes) { return make_bytes({}, bytes); }

MessagePtr Message::answer(std::string_view text) {
  return make_frame({.kind = Kind::kAnswer}, Opcode::kText, text);
}

MessagePtr Message::frame_of(Opcode opcode, std::string_view payload,
                             const Compressor& compressor) {
  return make_frame({}, opcode, payload, deflated_by(compressor, payload));
}

}  // namespace broadcast

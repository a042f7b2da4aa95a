#include "host/wire/frame_reader.hpp"

#include <algorithm>
#include <cstring>

namespace broadcast {

namespace {
constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kNotUtf8 = 1007;
constexpr std::uint16_t kTooLarge = 1009;
}  // namespace

FrameReader::Event FrameReader::next(std::span<char>& bytes) {
  const bool was_whole = header_count_ >= 2 && header_count_ == header_bytes();
  if (!was_whole) {
    const bool whole = take_header(bytes);
    if (const Event fault = header_fault(); fault.kind == EventKind::kError) return fault;
    if (!whole) return {};
    begin_payload();
  }
  const std::size_t count =
      static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, bytes.size()));
  const std::span<char> part = bytes.first(count);
  bytes = bytes.subspan(count);
  payload_left_ -= count;
  unmask(part);
  const std::string_view payload(part.data(), part.size());
  return is_control() ? take_control(payload) : take_data(payload);
}

bool FrameReader::take_header(std::span<char>& bytes) {
  while (header_count_ < 2 || header_count_ < header_bytes()) {
    if (bytes.empty()) return false;
    const std::size_t missing = (header_count_ < 2 ? 2 : header_bytes()) - header_count_;
    const std::size_t count = std::min(missing, bytes.size());
    std::memcpy(&header_[header_count_], bytes.data(), count);
    header_count_ = static_cast<std::uint8_t>(header_count_ + count);
    bytes = bytes.subspan(count);
  }
  return true;
}

// Whatever can be refused is refused as early as its bytes are there, not when the header is whole:
// a peer that announces too much need not send its mask first.
FrameReader::Event FrameReader::header_fault() const {
  if (header_count_ < 1) return {};
  if (const Event fault = first_byte_fault(); fault.kind == EventKind::kError) return fault;
  if (header_count_ < 2) return {};
  if ((header_[1] & 0x80U) == 0) return error(kProtocolError, "a client's frames must be masked");
  if (is_control() && (header_[1] & 0x7FU) > kMaxControlPayloadBytes) {
    return error(kProtocolError, "control frame of more than 125 bytes");
  }
  if (header_count_ < 2 + length_bytes()) return {};
  return length_fault();
}

FrameReader::Event FrameReader::first_byte_fault() const {
  const bool may_be_deflated =
      inflater_ != nullptr && (opcode() == Opcode::kText || opcode() == Opcode::kBinary);
  const unsigned reserved = may_be_deflated ? 0x30U : 0x70U;
  if ((header_[0] & reserved) != 0) return error(kProtocolError, "reserved bit set");
  switch (opcode()) {
    case Opcode::kContinuation:
      if (message_ != Opcode::kContinuation) return {};
      return error(kProtocolError, "continuation without a message to continue");
    case Opcode::kText:
    case Opcode::kBinary:
      if (message_ == Opcode::kContinuation) return {};
      return error(kProtocolError, "new message before the last fragment of the previous one");
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (is_last()) return {};
      return error(kProtocolError, "control frame in fragments");
  }
  return error(kProtocolError, "unknown opcode");
}

FrameReader::Event FrameReader::length_fault() const {
  const std::uint64_t length = payload_bytes();
  if ((length_bytes() == 2 && length < 126) || (length_bytes() == 8 && length <= 0xFFFF)) {
    return error(kProtocolError, "length not in its shortest form");
  }
  if (length >> 63U != 0) return error(kProtocolError, "length with its top bit set");
  if (!is_control() && length > max_message_bytes_ - message_bytes_) {
    return error(kTooLarge, "message too large");
  }
  return {};
}

std::size_t FrameReader::length_bytes() const {
  const unsigned short_length = header_[1] & 0x7FU;
  return short_length < 126 ? 0 : short_length == 126 ? 2 : 8;
}

std::uint64_t FrameReader::payload_bytes() const {
  if (length_bytes() == 0) return header_[1] & 0x7FU;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes(); ++i) length = length << 8U | header_[2 + i];
  return length;
}

void FrameReader::begin_payload() {
  payload_left_ = payload_bytes();
  std::memcpy(mask_.data(), &header_[header_bytes() - mask_.size()], mask_.size());
  if (opcode() != Opcode::kText && opcode() != Opcode::kBinary) return;
  message_ = opcode();
  is_deflated_ = (header_[0] & 0x40U) != 0;
}

void FrameReader::end_frame() {
  header_count_ = 0;
  ++frames_;
}

FrameReader::Event FrameReader::take_control(std::string_view part) {
  const bool in_parts = kept_.size() > message_bytes_;
  if (payload_left_ > 0 || in_parts) kept_.append(part);
  if (payload_left_ > 0) return {};
  end_frame();
  const std::string_view payload = in_parts ? std::string_view(kept_).substr(message_bytes_) : part;
  switch (opcode()) {
    case Opcode::kPing:
      return {EventKind::kPing, 0, payload};
    case Opcode::kPong:
      return {EventKind::kPong, 0, payload};
    default:
      return closed(payload);
  }
}

FrameReader::Event FrameReader::take_data(std::string_view part) {
  const bool frame_ends = payload_left_ == 0;
  const bool message_ends = frame_ends && is_last();
  if (message_ == Opcode::kText && !is_deflated_) {
    if (!utf8_.feed(part)) return error(kNotUtf8, "text is not UTF-8");
    if (message_ends && !utf8_.complete()) {
      return error(kNotUtf8, "text ends in the middle of a character");
    }
  }
  if (frame_ends) end_frame();
  const bool in_parts = message_bytes_ > 0;
  if (!message_ends || in_parts) {
    kept_.append(part);  // grows with what has come, never with what was announced
    message_bytes_ += part.size();
  }
  if (!message_ends) {
    const bool is_empty = frame_ends && payload_bytes() == 0;
    return is_empty ? Event{EventKind::kEmptyFragment, 0, {}} : Event{};
  }
  const EventKind kind = message_ == Opcode::kText ? EventKind::kText : EventKind::kBinary;
  message_ = Opcode::kContinuation;
  message_bytes_ = 0;
  const std::string_view message = in_parts ? std::string_view(kept_) : part;
  if (is_skipping_) return {kind, 0, {}};
  return is_deflated_ ? inflated(kind, message) : Event{kind, 0, message};
}

FrameReader::Event FrameReader::inflated(EventKind kind, std::string_view message) {
  const Inflater::Result result = inflater_->inflate(message);
  switch (result.status) {
    case Inflater::Status::kTooLarge:
      return error(kTooLarge, "message too large");
    case Inflater::Status::kBroken:
      return error(kProtocolError, "message is not whole deflate blocks");
    case Inflater::Status::kOk:
      break;
  }
  if (kind == EventKind::kText && !is_utf8(result.bytes)) {
    return error(kNotUtf8, "text is not UTF-8");
  }
  return {kind, 0, result.bytes};
}

FrameReader::Event FrameReader::closed(std::string_view payload) {
  if (payload.empty()) return {EventKind::kClosed, kCloseNoCode, {}};
  if (payload.size() == 1) return error(kProtocolError, "close frame with half a code");
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(payload[i]); };
  const auto code = static_cast<std::uint16_t>(byte(0) << 8U | byte(1));
  if (!is_close_code(code)) return error(kProtocolError, "close frame with an invalid code");
  const std::string_view reason = payload.substr(2);
  if (!is_utf8(reason)) return error(kNotUtf8, "close reason is not UTF-8");
  return {EventKind::kClosed, code, reason};
}

void FrameReader::unmask(std::span<char> part) {
  std::uint64_t mask = 0;
  std::memcpy(&mask, mask_.data(), mask_.size());
  mask |= mask << 32U;  // the same four bytes again, on either byte order
  char* at = part.data();
  std::size_t left = part.size();
  for (std::uint64_t eight = 0; left >= sizeof eight; at += sizeof eight, left -= sizeof eight) {
    std::memcpy(&eight, at, sizeof eight);
    eight ^= mask;
    std::memcpy(at, &eight, sizeof eight);
  }
  for (std::size_t i = 0; i < left; ++i) {
    at[i] = static_cast<char>(static_cast<unsigned char>(at[i]) ^ mask_[i % mask_.size()]);
  }
  const MaskKey mask_before = mask_;
  for (std::size_t i = 0; i < mask_.size(); ++i) mask_[i] = mask_before[(i + left) % mask_.size()];
}

void FrameReader::give_back() {
  if (is_deflated_ && message_ == Opcode::kContinuation) inflater_->give_back();
  if (kept_.empty()) return;
  if (message_bytes_ > 0) {
    kept_.resize(message_bytes_);
  } else {
    std::string().swap(kept_);  // an assignment would keep the capacity
  }
}

}  // namespace broadcast

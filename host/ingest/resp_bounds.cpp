#include "host/ingest/resp_bounds.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace broadcast {

namespace {

constexpr std::size_t kMaxLine = 64 * 1024;  // errors and states are shorter
/// What Redis itself allows in one string (proto-max-bulk-len), and more than any list of its.
constexpr std::int64_t kMaxBulk = std::int64_t{512} * 1024 * 1024;
constexpr std::int64_t kMaxList = std::int64_t{64} * 1024 * 1024;
/// What the parser keeps for an element, whatever is in it.
constexpr std::size_t kElementBytes = 64;

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string_view RespBounds::pass(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    if (in_ == In::kBulk) {
      const std::size_t taken = std::min<std::uint64_t>(bulk_left_, bytes.size());
      // The last two are CR LF, or the lengths do not say what is there.
      for (std::size_t i = bulk_left_ - taken < 2 ? taken - std::min<std::size_t>(taken, 2) : taken;
           i < taken; ++i) {
        const std::uint64_t left = bulk_left_ - i;
        if ((left == 2 && bytes[i] != '\r') || (left == 1 && bytes[i] != '\n')) {
          return "a string is longer than announced";
        }
      }
      if (bulk_is_seen_) emit(bytes.substr(0, taken), out);
      bytes.remove_prefix(taken);
      bulk_left_ -= taken;
      if (bulk_left_ > 0) continue;
      in_ = In::kLine;
      end_element();
      continue;
    }
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kMaxLine) return "a line that does not end";
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
    if (!line_.ends_with('\r')) return "a line that does not end in CR LF";
    line_.pop_back();
    if (const std::string_view wrong = on_line(out); !wrong.empty()) return wrong;
    line_.clear();
  }
  return {};
}

std::string_view RespBounds::on_line(std::string& out) {
  if (line_.empty()) return "an empty line";
  const std::string_view text = std::string_view(line_).substr(1);
  switch (line_.front()) {
    case '+':
    case '-':
      // A lone CR would end the line for the parser.
      if (text.find('\r') != std::string_view::npos) return "a line with a CR in it";
      break;
    case ':': {
      const auto number = number_of(text);
      if (!number) return "an invalid number";
      line_ = ":" + std::to_string(*number);  // the parser takes no 007
      break;
    }
    case '$':
    case '*': {
      const auto size = number_of(text);
      if (!size || *size < -1) return "an invalid length";
      return line_.front() == '$' ? on_bulk(*size, out) : on_list(*size, out);
    }
    default:
      return "not the protocol of Redis";
  }
  if (!is_swallowing()) {
    is_over_ |= passed_ > limits_.reply_bytes;
    emit(is_over_ ? "$-1" : line_, out);
    emit("\r\n", out);
  }
  passed_ += kElementBytes;
  end_element();
  return {};
}

std::string_view RespBounds::on_bulk(std::int64_t size, std::string& out) {
  if (size > kMaxBulk) return "a string longer than Redis allows";
  const bool is_small = size <= static_cast<std::int64_t>(limits_.bulk_bytes);
  // Sticky: a short one behind must not fit again, or what was cut would look whole.
  is_over_ |= is_small && passed_ + static_cast<std::size_t>(std::max<std::int64_t>(size, 0)) >
                              limits_.reply_bytes;
  const bool fits = is_small && !is_over_;
  bulk_is_seen_ = !is_swallowing() && fits && size >= 0;
  if (bulk_is_seen_) {
    emit("$" + std::to_string(size) + "\r\n", out);
  } else if (!is_swallowing()) {
    emit("$-1\r\n", out);
  }
  passed_ += kElementBytes;
  if (size < 0) {
    end_element();
    return {};
  }
  bulk_left_ = static_cast<std::uint64_t>(size) + 2;
  in_ = In::kBulk;
  return {};
}

std::string_view RespBounds::on_list(std::int64_t size, std::string& out) {
  if (size > kMaxList) return "a list longer than Redis sends";
  is_over_ |= passed_ > limits_.reply_bytes;
  const bool fits = size <= static_cast<std::int64_t>(limits_.elements) && !is_over_;
  if (!is_swallowing()) emit(fits ? "*" + std::to_string(size) + "\r\n" : "*-1\r\n", out);
  passed_ += kElementBytes;
  if (size <= 0) {
    end_element();
    return {};
  }
  if (depth_ == kDepth) return "lists nested deeper than Redis sends";
  left_[depth_++] = static_cast<std::uint64_t>(size);
  if (!fits && !is_swallowing()) swallowed_from_ = depth_;
  return {};
}

void RespBounds::emit(std::string_view bytes, std::string& out) {
  out += bytes;
  passed_ += bytes.size();
}

void RespBounds::end_element() {
  while (depth_ > 0) {
    if (--left_[depth_ - 1] > 0) return;
    if (swallowed_from_ == depth_) swallowed_from_ = SIZE_MAX;
    --depth_;
  }
  passed_ = 0;
  is_over_ = false;
}

}  // namespace broadcast

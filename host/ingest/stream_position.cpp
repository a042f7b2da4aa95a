#include "host/ingest/stream_position.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace broadcast {

namespace {

/// The number at the front of `text`, taken from it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool try_take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<StreamId> take_id(std::string_view& text) {
  const auto ms = take_number(text);
  if (!ms || !try_take(text, '-')) return std::nullopt;
  const auto seq = take_number(text);
  if (!seq) return std::nullopt;
  return StreamId{*ms, *seq};
}

}  // namespace

std::optional<StreamId> parse_stream_id(std::string_view text) {
  const auto id = take_id(text);
  return text.empty() ? id : std::nullopt;
}

std::string to_string(const StreamId& id) {
  return std::to_string(id.ms) + '-' + std::to_string(id.seq);
}

StreamId before(const StreamId& id) {
  if (id.seq > 0) return {id.ms, id.seq - 1};
  if (id.ms > 0) return {id.ms - 1, std::numeric_limits<std::uint64_t>::max()};
  return id;
}

StreamId after(const StreamId& id) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  if (id.seq < kMost) return {id.ms, id.seq + 1};
  if (id.ms < kMost) return {id.ms + 1, 0};
  return id;
}

std::optional<StreamHandled> parse_handled(std::string_view text) {
  const auto id = take_id(text);
  if (!id) return std::nullopt;
  StreamHandled handled{.id = *id};
  if (try_take(text, '@')) {
    handled.ordinal = take_number(text);
    if (!handled.ordinal) return std::nullopt;
  }
  if (try_take(text, '#')) {
    const auto messages = take_number(text);
    if (!messages || *messages == 0) return std::nullopt;
    handled.messages = *messages;
  }
  return text.empty() ? std::optional(handled) : std::nullopt;
}

std::string to_string(const StreamHandled& handled) {
  std::string text = to_string(handled.id);
  if (handled.ordinal) text += '@' + std::to_string(*handled.ordinal);
  return text;
}

StreamGap find_gap(StreamHandled& handled, const StreamInfo& info, StreamServer server) {
  StreamGap gap;
  gap.is_behind = info.last < handled.id;
  const bool has_fewer = info.added && handled.ordinal && *info.added < *handled.ordinal;
  gap.is_anew = server == StreamServer::kSame && (gap.is_behind || has_fewer);
  if (gap.is_anew) {
    gap.is_behind = true;
    handled.id = {};
    handled.ordinal.reset();
    if (info.added) handled.ordinal = *info.added - std::min(info.length, *info.added);
    return gap;
  }
  if (gap.is_behind) {
    gap.unread = info.length;
    handled.id = info.last;  // what is added next may have an id that was handled once
  }
  // Nothing that was handled is there any more: what is there follows it.
  const bool is_all_new = !info.first || *info.first > handled.id;
  if (!is_all_new) {
    if (!gap.is_behind && info.last > handled.id) return gap;
    // At its end: whatever was added and not read is gone.
    if (!gap.is_behind && info.added && handled.ordinal && *info.added > *handled.ordinal) {
      gap.missing = *info.added - *handled.ordinal;
    }
    handled.ordinal = info.added;
    return gap;
  }
  if (!info.added) {
    handled.ordinal.reset();
    gap.is_counted = false;
    // An entry that was handled last and is gone may have been the last one trimmed.
    gap.missing = !gap.is_behind && info.last > handled.id && handled.id != StreamId{} ? 1 : 0;
    return gap;
  }
  const std::uint64_t gone = *info.added - std::min(info.length, *info.added);
  if (handled.ordinal && gone > *handled.ordinal) gap.missing = gone - *handled.ordinal;
  if (handled.ordinal && gone < *handled.ordinal) gap.is_behind = true;
  handled.ordinal = gone;
  return gap;
}

}  // namespace broadcast

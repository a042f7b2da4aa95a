#pragma once
// How far a stream was handled, as the store keeps it, and what of it is gone unread. "1690-3@17":
// everything up to entry 1690-3, the 17th ever added; "1690-3@17#1": of that entry only the first
// message it caused. Pure values; [any].

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace broadcast {

struct StreamId {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;
  auto operator<=>(const StreamId&) const = default;
};
[[nodiscard]] std::optional<StreamId> parse_stream_id(std::string_view text);
[[nodiscard]] std::string to_string(const StreamId& id);
/// The greatest id below; of the least one itself.
[[nodiscard]] StreamId before(const StreamId& id);
/// The least id above; of the greatest one itself.
[[nodiscard]] StreamId after(const StreamId& id);

struct StreamHandled {
  StreamId id;
  /// How many entries were ever added up to this one, it included; nothing: not known, as before
  /// Redis 7.
  std::optional<std::uint64_t> ordinal;
  std::size_t messages = 0;  ///< not 0: the entry is not done, so many of its messages are
  bool operator==(const StreamHandled&) const = default;
};
[[nodiscard]] std::optional<StreamHandled> parse_handled(std::string_view text);
/// As parse_handled() reads it; `messages` is left to whoever publishes them.
[[nodiscard]] std::string to_string(const StreamHandled& handled);

/// What XINFO STREAM says.
struct StreamInfo {
  std::uint64_t length = 0;
  StreamId last;                       ///< ever added
  std::optional<StreamId> first;       ///< that is there; nothing: empty
  std::optional<std::uint64_t> added;  ///< ever; Redis 7
};

/// What of the stream went before it was read.
struct StreamGap {
  bool is_behind = false;     ///< the stream ends before what was handled: it was lost or made anew
  bool is_anew = false;       ///< it was certainly made anew: all that it holds is read
  std::uint64_t unread = 0;   ///< behind: entries that it holds, which may have been handled
  std::uint64_t missing = 0;  ///< entries that were trimmed or deleted
  bool is_counted = true;     ///< false: at least one, Redis before 7 does not say how many
  [[nodiscard]] explicit operator bool() const { return is_behind || missing > 0; }
};
/// Whether Redis can have gone back to an older state of the stream since it was looked at last.
enum class StreamServer : std::uint8_t {
  kUnknown,  ///< it may have been started again, or be another one
  kSame      ///< the connection has stayed: a stream that is behind was made anew
};
/// Compares, and brings `handled` to what the stream says: back to its end if that is behind, or
/// before its first entry if it was made anew. Only what is missing right behind `handled` is
/// found: an entry deleted further on is found when that has been reached.
[[nodiscard]] StreamGap find_gap(StreamHandled& handled, const StreamInfo& info,
                                 StreamServer server = StreamServer::kUnknown);

}  // namespace broadcast

#pragma once
// Stands between a Redis socket and the parser, which reserves memory for whatever a header says.
// Here lengths are checked first: a string or list beyond the limits is swallowed as it comes and
// handed on as nil, so that one large message costs nothing and ends nothing; what Redis never says
// ends the connection. Pure; its owner's thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace broadcast {

class RespBounds {
 public:
  struct Limits {
    std::size_t bulk_bytes = 256 * 1024;         ///< of one string
    std::size_t elements = 4096;                 ///< of one list
    std::size_t reply_bytes = 16 * 1024 * 1024;  ///< of a whole reply; what comes behind is nil
  };

  explicit RespBounds(const Limits& limits) : limits_(limits) {}

  /// Appends to `out` what the parser may see of `bytes`. Nothing: good; otherwise what is wrong,
  /// and the connection is over.
  [[nodiscard]] std::string_view pass(std::string_view bytes, std::string& out);

 private:
  static constexpr std::size_t kDepth = 7;  // as deep as the parser goes
  enum class In : std::uint8_t { kLine, kBulk };

  [[nodiscard]] std::string_view on_line(std::string& out);
  [[nodiscard]] std::string_view on_bulk(std::int64_t size, std::string& out);
  [[nodiscard]] std::string_view on_list(std::int64_t size, std::string& out);
  [[nodiscard]] bool is_swallowing() const { return swallowed_from_ <= depth_; }
  void emit(std::string_view bytes, std::string& out);
  void end_element();

  const Limits limits_;
  In in_ = In::kLine;
  std::string line_;             // so far, without its CR LF
  std::uint64_t bulk_left_ = 0;  // of the string, its CR LF included
  bool bulk_is_seen_ = false;    // by the parser
  std::uint64_t left_[kDepth] = {};
  std::size_t depth_ = 0;
  std::size_t swallowed_from_ = SIZE_MAX;  // lists at this depth and below are not handed on
  std::size_t passed_ = 0;                 // of this reply
  bool is_over_ = false;                   // this reply: nothing of it fits any more
};

}  // namespace broadcast

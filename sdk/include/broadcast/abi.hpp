#pragma once
// abi.h for C++: its texts as std::string_view, its structs that grow, its failures as exceptions.
// Needs nothing but the standard library. Pure; [any].

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <broadcast/abi.h>

namespace broadcast {

/// `text` as the ABI passes it. The result points into `text`, which has to live as long.
[[nodiscard]] inline bc_str borrow(std::string_view text) { return {text.data(), text.size()}; }
/// The same way back. What the host passes to a callback is valid until that callback returns.
[[nodiscard]] inline std::string_view view(bc_str text) {
  return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len);
}

/// Reads a struct of the ABI that may be older or newer than ours: copies what both sides know and
/// leaves the rest of `to` zero. False: `from` has a byte set that we do not know, so answer
/// BC_E_UNSUPPORTED. `from->size` bytes have to be there.
template <class Struct>
[[nodiscard]] bool read_sized(const Struct* from, Struct& to) noexcept {
  to = {};
  const std::size_t known = std::min<std::size_t>(from->size, sizeof to);
  std::memcpy(&to, from, known);
  to.size = sizeof to;
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  return std::all_of(bytes + known, bytes + from->size,
                     [](unsigned char byte) { return byte == 0; });
}

/// A failure with a status of the ABI. The SDK throws it where the host refuses a call. Thrown out
/// of a callback it becomes what that callback returns, and what() becomes its text:
///   out of the constructor, on_config() or on_start()  the broadcaster does not start; the host
///       tries again after 1 s, 2 s, up to a minute, unless an older generation goes on
///   out of on_message()  the producer's message is refused (HTTP 422), unless it is one of the
///       classes below
///   out of anything else  it is logged and counted, and the broadcaster goes on
class Error : public std::runtime_error {
 public:
  /// `status` is one of BC_E_…. `what` is for whoever reads the failure: producer or operator.
  Error(bc_status status, const std::string& what) : std::runtime_error(what), status_(status) {}
  [[nodiscard]] bc_status status() const noexcept { return status_; }

 private:
  bc_status status_;
};

/// To be thrown out of on_message(): the message is wrong, and `what` says where, such as
/// "signals[2].ticker: missing". The producer reads it (HTTP 422).
class Refused : public Error {
 public:
  explicit Refused(const std::string& what) : Error(BC_E_INVALID, what) {}
};

/// To be thrown out of on_message(): nothing is wrong with the message, but it cannot be handled
/// now. The producer is told to try again (HTTP 503), and an entry of a Redis stream waits.
class Busy : public Error {
 public:
  explicit Busy(const std::string& what) : Error(BC_E_BUSY, what) {}
};

/// To be thrown out of any callback: this instance cannot go on. It gets on_stop(), if on_start()
/// went well, is destroyed, and a new one is made.
class RestartRequired : public Error {
 public:
  explicit RestartRequired(const std::string& what) : Error(BC_E_RESTART, what) {}
};

}  // namespace broadcast

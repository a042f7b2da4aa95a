#pragma once
// Inflates the messages of one connection, or of all those whose server keeps no context from one
// message to the next. One thread.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <zlib.h>

namespace broadcast {

/// What a server answered to our offer of permessage-deflate.
struct DeflateAnswer {
  bool keeps_context = true;  ///< no server_no_context_takeover
};
/// From the value of Sec-WebSocket-Extensions; nothing if it is not one that we can follow.
[[nodiscard]] std::optional<DeflateAnswer> read_deflate_answer(std::string_view extensions);
inline constexpr std::string_view kDeflateOffer = "permessage-deflate; client_max_window_bits";

class MessageInflater {
 public:
  MessageInflater();

  /// The text, valid until the next call; nothing if `payload` is not deflated text.
  [[nodiscard]] std::optional<std::string_view> inflate(std::string_view payload,
                                                        const DeflateAnswer& answer);

 private:
  struct End {
    void operator()(z_stream* stream) const {
      inflateEnd(stream);
      delete stream;
    }
  };
  [[nodiscard]] bool feed(std::string_view bytes);

  std::unique_ptr<z_stream, End> stream_;
  std::string text_;
  bool ended_ = false;
};

}  // namespace broadcast

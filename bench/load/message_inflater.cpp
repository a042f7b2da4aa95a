#include "bench/load/message_inflater.hpp"

#include <stdexcept>

namespace broadcast {

namespace {

constexpr std::size_t kMaxTextBytes = 1024 * 1024;
constexpr std::string_view kTail("\x00\x00\xFF\xFF", 4);  // RFC 7692 leaves it out
constexpr int kBetweenBlocks = 128;                       // of zlib's data_type

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

std::optional<DeflateAnswer> read_deflate_answer(std::string_view extensions) {
  DeflateAnswer answer;
  bool first = true;
  while (!extensions.empty() || first) {
    const std::size_t end = extensions.find(';');
    const std::string_view word = trimmed(extensions.substr(0, end));
    extensions.remove_prefix(end == std::string_view::npos ? extensions.size() : end + 1);
    if (first && word != "permessage-deflate") return std::nullopt;
    if (word == "server_no_context_takeover") answer.keeps_context = false;
    first = false;
  }
  return answer;
}

MessageInflater::MessageInflater() : stream_(new z_stream{}) {
  // The largest window reads what was made with any.
  if (inflateInit2(stream_.get(), -MAX_WBITS) != Z_OK) throw std::runtime_error("zlib: no memory");
  text_.resize(4096);
}

bool MessageInflater::feed(std::string_view bytes) {
  z_stream& stream = *stream_;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  while (true) {
    const int status = ::inflate(&stream, Z_SYNC_FLUSH);
    if (status == Z_STREAM_END) {  // a last block, behind which RFC 7692 has a zero byte
      ended_ = true;
      return stream.avail_in <= 1;
    }
    if (status != Z_OK && status != Z_BUF_ERROR) return false;
    if (stream.avail_out > 0) return stream.avail_in == 0;
    const std::size_t used = text_.size();
    if (used >= kMaxTextBytes) return false;
    text_.resize(2 * used);
    stream.next_out = reinterpret_cast<Bytef*>(text_.data() + used);
    stream.avail_out = static_cast<uInt>(used);
  }
}

std::optional<std::string_view> MessageInflater::inflate(std::string_view payload,
                                                         const DeflateAnswer& answer) {
  if (!answer.keeps_context) inflateReset(stream_.get());
  stream_->next_out = reinterpret_cast<Bytef*>(text_.data());
  stream_->avail_out = static_cast<uInt>(text_.size());
  ended_ = false;
  if (!feed(payload) || (ended_ && answer.keeps_context)) return std::nullopt;
  if (!ended_ && (!feed(kTail) || (stream_->data_type & kBetweenBlocks) == 0)) return std::nullopt;
  return std::string_view(text_.data(), text_.size() - stream_->avail_out);
}

}  // namespace broadcast

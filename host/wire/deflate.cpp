#include "host/wire/deflate.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "host/base/per_thread.hpp"

namespace broadcast {

namespace {

constexpr int kRawWindowBits = -15;  // without zlib's own header
constexpr int kMemLevel = 8;
constexpr std::size_t kKeptBytes = 64 * 1024;
/// What RFC 7692 takes off each message: the length of an empty stored block.
constexpr std::string_view kTail("\x00\x00\xFF\xFF", 4);

const Bytef* input(std::string_view bytes) { return reinterpret_cast<const Bytef*>(bytes.data()); }

class Deflater {
 public:
  explicit Deflater(unsigned level) : level_(level) {
    if (deflateInit2(&stream_, static_cast<int>(level), Z_DEFLATED, kRawWindowBits, kMemLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  /// False: it would not become smaller.
  bool deflate(unsigned level, std::string_view text, std::string& deflated) {
    deflateReset(&stream_);
    if (std::exchange(level_, level) != level) {
      deflateParams(&stream_, static_cast<int>(level), Z_DEFAULT_STRATEGY);
    }
    deflated.resize(text.size() + kTail.size());
    stream_.next_in = const_cast<Bytef*>(input(text));  // zlib only reads it
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(deflated.data());
    stream_.avail_out = static_cast<uInt>(deflated.size());
    const int status = ::deflate(&stream_, Z_SYNC_FLUSH);
    if (status != Z_OK || stream_.avail_out == 0) return false;
    deflated.resize(deflated.size() - stream_.avail_out - kTail.size());
    return true;
  }

 private:
  z_stream stream_{};
  unsigned level_;
};

PerThread<Deflater> deflaters;

}  // namespace

Compressor make_compressor(const DeflateOptions& options) {
  if (!options.enabled) return nullptr;
  return [options](std::string_view text, std::string& deflated) {
    return text.size() >= options.min_bytes &&
           deflaters.get(options.level).deflate(options.level, text, deflated);
  };
}

Inflater::Inflater(std::size_t max_bytes) : max_bytes_(max_bytes) {
  if (inflateInit2(&stream_, kRawWindowBits) != Z_OK) throw std::bad_alloc();
}

Inflater::~Inflater() { inflateEnd(&stream_); }

Inflater::Result Inflater::inflate(std::string_view deflated) {
  inflateReset(&stream_);
  count_ = 0;
  at_block_end_ = false;
  Status status = take(deflated);
  // A last block (BFINAL) may stand at the very end; elsewhere the tail completes an empty one.
  const bool has_ended = at_block_end_ && stream_.total_in == 0;
  if (status == Status::kOk && !has_ended) status = take(kTail);
  if (status == Status::kOk && !at_block_end_) status = Status::kBroken;
  return {status, std::string_view(bytes_).substr(0, status == Status::kOk ? count_ : 0)};
}

/// Stops between blocks, because only there a message may end.
Inflater::Status Inflater::take(std::string_view part) {
  constexpr int kBetweenBlocks = 128;  // in data_type, says zlib.h
  constexpr int kLastBlock = 64;
  stream_.next_in = const_cast<Bytef*>(input(part));
  stream_.avail_in = static_cast<uInt>(part.size());
  bool goes_on = false;  // without more input
  while (stream_.avail_in > 0 || goes_on) {
    if (count_ == bytes_.size() && !make_room()) return Status::kTooLarge;
    const auto room = static_cast<uInt>(bytes_.size() - count_);
    stream_.next_out = reinterpret_cast<Bytef*>(bytes_.data() + count_);
    stream_.avail_out = room;
    const int status = ::inflate(&stream_, Z_BLOCK);
    count_ += room - stream_.avail_out;
    if (count_ > max_bytes_) return Status::kTooLarge;
    if (status == Z_STREAM_END) {
      at_block_end_ = true;
      inflateReset(&stream_);  // another may follow, for instance the empty one
    } else if (status == Z_OK || status == Z_BUF_ERROR) {
      at_block_end_ = (stream_.data_type & (kBetweenBlocks | kLastBlock)) == kBetweenBlocks;
    } else {
      return Status::kBroken;
    }
    const bool ends = status == Z_OK && (stream_.data_type & kBetweenBlocks) != 0;
    goes_on = !at_block_end_ && (stream_.avail_out == 0 || ends);
  }
  return Status::kOk;
}

/// One byte more than allowed tells the largest message from a larger one.
bool Inflater::make_room() {
  if (bytes_.size() > max_bytes_) return false;
  bytes_.resize(std::min(std::max(kKeptBytes, 2 * bytes_.size()), max_bytes_ + 1));
  return true;
}

void Inflater::give_back() {
  if (bytes_.size() > kKeptBytes) std::string().swap(bytes_);
}

}  // namespace broadcast

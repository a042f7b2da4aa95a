#include "bench/load/message_inflater.hpp"

#include <string>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

/// What a server does: one stream for all messages, or one for each.
class Deflater {
 public:
  Deflater() { deflateInit2(&stream_, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY); }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  std::string operator()(std::string text, bool keeps_context, int flush = Z_SYNC_FLUSH) {
    if (!keeps_context) deflateReset(&stream_);
    std::string out(2 * text.size() + 64, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(text.data());
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    deflate(&stream_, flush);
    out.resize(out.size() - stream_.avail_out - (flush == Z_SYNC_FLUSH ? 4 : 0));
    return out;
  }

 private:
  z_stream stream_{};
};

std::string text_of(int number, std::size_t bytes) {
  return R"({"bseq":)" + std::to_string(number) + R"(,"pad":")" + std::string(bytes, 'x') + "\"}";
}

TEST(MessageInflaterTest, ReadsMessagesWithAndWithoutContext) {
  for (const bool keeps_context : {false, true}) {
    Deflater deflate;
    MessageInflater inflater;
    for (const std::size_t bytes : {10U, 300U, 4096U, 4070U, 100'000U, 1U}) {
      const std::string text = text_of(7, bytes);
      const auto inflated =
          inflater.inflate(deflate(text, keeps_context), {.keeps_context = keeps_context});
      ASSERT_TRUE(inflated) << bytes;
      EXPECT_EQ(*inflated, text);
    }
  }
}

TEST(MessageInflaterTest, ReadsALastBlock) {
  MessageInflater inflater;
  Deflater deflate;
  for (int i = 0; i < 2; ++i) {
    const auto inflated =
        inflater.inflate(deflate(text_of(i, 300), false, Z_FINISH), {.keeps_context = false});
    ASSERT_TRUE(inflated);
    EXPECT_EQ(*inflated, text_of(i, 300));
  }
}

TEST(MessageInflaterTest, RefusesWhatIsNotDeflated) {
  MessageInflater inflater;
  Deflater deflate;
  std::string cut = deflate(text_of(1, 300), false);
  cut.resize(cut.size() / 2);
  EXPECT_FALSE(inflater.inflate(cut, {.keeps_context = false}));
  EXPECT_FALSE(inflater.inflate("{\"bseq\":1}", {.keeps_context = false}));
}

TEST(MessageInflaterTest, ReadsWhatAServerAnswers) {
  const auto keeps = read_deflate_answer("permessage-deflate; client_max_window_bits=12");
  ASSERT_TRUE(keeps);
  EXPECT_TRUE(keeps->keeps_context);
  const auto forgets = read_deflate_answer(
      "permessage-deflate;server_no_context_takeover ; client_no_context_takeover");
  ASSERT_TRUE(forgets);
  EXPECT_FALSE(forgets->keeps_context);
  EXPECT_FALSE(read_deflate_answer("x-webkit-deflate-frame"));
  EXPECT_FALSE(read_deflate_answer(""));
}

}  // namespace
}  // namespace broadcast

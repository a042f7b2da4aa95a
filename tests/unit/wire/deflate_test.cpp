#include "host/wire/deflate.hpp"

#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

using namespace std::string_literals;
using Status = Inflater::Status;

constexpr std::size_t kMessageLimit = 1 << 20;

std::string deflated_by_zlib(std::string_view text, unsigned level = 1) {
  std::string out;
  EXPECT_TRUE(make_compressor({.min_bytes = 16, .level = level})(text, out));
  return out;
}

std::string prices(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += R"({"type":"price_update","topic":"price:)" + std::to_string(i) + R"(","data":{}})";
  }
  return text;
}

std::string noise(std::size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += static_cast<char>(random());
  return text;
}

TEST(DeflateTest, GivesBackWhatWasDeflated) {
  Inflater inflater(kMessageLimit);
  for (const std::size_t count : {1U, 2U, 10U, 1000U, 10'000U}) {
    for (const unsigned level : {1U, 6U, 9U, 1U}) {
      const std::string text = prices(count);
      const std::string small = deflated_by_zlib(text, level);
      EXPECT_LT(small.size(), text.size());
      const Inflater::Result result = inflater.inflate(small);
      EXPECT_EQ(result.status, Status::kOk);
      EXPECT_EQ(result.bytes, text) << count << " prices, level " << level;
      inflater.give_back();
    }
  }
}

TEST(DeflateTest, EveryThreadHasAStateOfItsOwn) {
  const Compressor compressor = make_compressor({});
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i <= 4; ++i) {
    threads.emplace_back([&compressor, i] {
      Inflater inflater(kMessageLimit);
      for (std::size_t round = 0; round < 50; ++round) {
        const std::string text = prices(10 * i + round);
        std::string out;
        ASSERT_TRUE(compressor(text, out));
        ASSERT_EQ(inflater.inflate(out).bytes, text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(DeflateTest, WhatIsShortOrDoesNotBecomeSmallerStaysPlain) {
  const Compressor compressor = make_compressor({.min_bytes = 128});
  std::string out;
  EXPECT_FALSE(compressor(std::string(127, 'a'), out));
  EXPECT_TRUE(compressor(std::string(128, 'a'), out));
  EXPECT_FALSE(compressor(noise(4096), out));
  EXPECT_FALSE(compressor(noise(300), out));
  EXPECT_EQ(make_compressor({.enabled = false}), nullptr);
}

TEST(InflaterTest, ReadsTheExamplesOfRfc7692) {
  const struct {
    std::string name;
    std::string deflated;
    std::string text;
  } rows[] = {
      {"7.2.3.1", "\xf2\x48\xcd\xc9\xc9\x07\x00"s, "Hello"},
      {"7.2.3.3 a block with no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s,
       "Hello"},
      {"7.2.3.4 BFINAL", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s, "Hello"},
      {"7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s, "Hello"},
      {"7.2.3.6 an empty message", "\x00"s, ""},
      {"BFINAL and nothing behind it", "\xf3\x48\xcd\xc9\xc9\x07\x00"s, "Hello"},
      {"two blocks with BFINAL", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s,
       "HelloHello"},
  };
  Inflater inflater(kMessageLimit);
  for (const auto& row : rows) {
    const Inflater::Result result = inflater.inflate(row.deflated);
    EXPECT_EQ(result.status, Status::kOk) << row.name;
    EXPECT_EQ(result.bytes, row.text) << row.name;
  }
}

TEST(InflaterTest, RefusesWhatIsNotWhole) {
  Inflater inflater(kMessageLimit);
  const std::string whole = deflated_by_zlib(prices(10));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Inflater::Result result = inflater.inflate(whole.substr(0, size));
    EXPECT_EQ(result.status, Status::kBroken) << size << " of " << whole.size();
    EXPECT_EQ(result.bytes, "");
  }
  for (const std::string& broken :
       {"\x07"s, "\xff\xff\xff"s, "Hello"s, "\x00\x05\x00\xfa\xfeHello\x00"s,
        "\xf2\x48\xcd\xc9\xc9\x07"s, "\x00\x00"s}) {
    EXPECT_EQ(inflater.inflate(broken).status, Status::kBroken) << testing::PrintToString(broken);
  }
  EXPECT_EQ(inflater.inflate(whole).bytes, prices(10)) << "one that is broken harms no other";
}

TEST(InflaterTest, KeepsNothingOfTheMessageBefore) {
  Inflater inflater(kMessageLimit);
  EXPECT_EQ(inflater.inflate("\xf2\x48\xcd\xc9\xc9\x07\x00"s).bytes, "Hello");
  // RFC 7692 7.2.3.2: the second "Hello" with context takeover, which we do not grant.
  EXPECT_EQ(inflater.inflate("\xf2\x00\x11\x00\x00"s).status, Status::kBroken);
}

TEST(InflaterTest, IsBoundedByTheByte) {
  for (const std::size_t limit : {std::size_t{100}, std::size_t{64 * 1024}, std::size_t{300'000}}) {
    Inflater inflater(limit);
    EXPECT_EQ(inflater.inflate(deflated_by_zlib(std::string(limit, 'a'))).status, Status::kOk)
        << limit;
    EXPECT_EQ(inflater.inflate(deflated_by_zlib(std::string(limit + 1, 'a'))).status,
              Status::kTooLarge)
        << limit;
    EXPECT_EQ(inflater.inflate(deflated_by_zlib(std::string(50 * limit, 'a'))).status,
              Status::kTooLarge)
        << limit;
    EXPECT_EQ(inflater.inflate(deflated_by_zlib(std::string(limit, 'b'))).bytes,
              std::string(limit, 'b'));
  }
}

}  // namespace
}  // namespace broadcast

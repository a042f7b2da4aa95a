#include "host/wire/tls_records.hpp"

#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/wire/tls_client.hpp"

namespace broadcast {
namespace {

constexpr std::string_view kNewKey("\x18\x00\x00\x01\x00", 5);
constexpr std::string_view kNewKeyAndYours("\x18\x00\x00\x01\x01", 5);
constexpr std::size_t kOverhead = 5 + 1 + 16;  // of a record

/// Both sides of a connection, as two that hold the same secrets.
class TlsRecordsTest : public testing::Test {
 protected:
  static TlsRecords server(std::uint64_t records_a_key = TlsRecords::kRecordsAKey) {
    return {aes_128_gcm(), tls_secret(1), tls_secret(2), 0, records_a_key};
  }
  static TlsRecords client() { return {aes_128_gcm(), tls_secret(2), tls_secret(1), 0}; }
  /// What a client may put into its records.
  static TlsRecordKey client_key() {
    return {aes_128_gcm(), TlsRecordKey::Use::kSeal, tls_secret(1), 0};
  }
  /// All that comes out of `input`.
  std::string opened(TlsRecords& by, std::string_view input, std::size_t room = 20000) {
    std::string all;
    std::string part(room, '\0');
    while (true) {
      const auto [what, bytes] = by.open(input, part);
      last = what;
      if (what != TlsOpened::kBytes) break;
      all.append(part, 0, bytes);
    }
    left = input;
    return all;
  }

  std::string left;
  TlsOpened last = TlsOpened::kNothing;
};

TEST_F(TlsRecordsTest, AKeyIsReplacedBeforeItHasSealedTooMuch) {
  TlsRecords from = server(3);
  TlsRecords to = client();
  std::string sealed;
  std::string all;
  for (int i = 0; i < 20; ++i) {
    const std::string text = "message " + std::to_string(i);
    from.seal(text, sealed);
    all += text;
  }
  const std::size_t new_keys = 6;  // behind 3, 6, 9, 12, 15 and 18
  EXPECT_EQ(sealed.size(), all.size() + 20 * kOverhead + new_keys * (kNewKey.size() + kOverhead));
  EXPECT_EQ(opened(to, sealed), all);
  EXPECT_EQ(last, TlsOpened::kNothing);
  std::string answer;
  to.seal("", answer);
  EXPECT_EQ(answer.size(), kOverhead) << "it wants no keys in return";
}

TEST_F(TlsRecordsTest, WhoAsksForANewKeyGetsItOnceAndBeforeAnythingElse) {
  TlsRecords to = server();
  TlsRecordKey key = client_key();
  std::string sealed;
  for (int i = 0; i < 3; ++i) {
    key.seal(TlsContent::kHandshake, kNewKeyAndYours, sealed);
    key = key.next();
  }
  key.seal(TlsContent::kData, "hello", sealed);
  EXPECT_EQ(opened(to, sealed), "hello");
  std::string answer;
  to.seal("first", answer);
  to.seal("second", answer);
  EXPECT_EQ(answer.size(), kNewKey.size() + 5 + 6 + 3 * kOverhead);
  TlsRecords reader = client();
  EXPECT_EQ(opened(reader, answer), "firstsecond");
}

TEST_F(TlsRecordsTest, TheNumberOfARecordCounts) {
  TlsRecords from = client();
  std::string first;
  std::string second;
  from.seal("first", first);
  from.seal("second", second);
  TlsRecords misses_one = server();
  EXPECT_EQ(opened(misses_one, second), "");
  EXPECT_EQ(last, TlsOpened::kBroken);
  TlsRecords gets_one_twice = server();
  EXPECT_EQ(opened(gets_one_twice, first + first), "first");
  EXPECT_EQ(last, TlsOpened::kBroken);
}

TEST_F(TlsRecordsTest, APartOfARecordIsLeftWhereItIs) {
  TlsRecords from = client();
  std::string sealed;
  from.seal("hello", sealed);
  TlsRecords to = server();
  for (std::size_t cut = 0; cut < sealed.size(); ++cut) {
    EXPECT_EQ(opened(to, sealed.substr(0, cut)), "");
    EXPECT_EQ(last, TlsOpened::kNothing);
    EXPECT_EQ(left.size(), cut);
  }
  EXPECT_EQ(opened(to, sealed), "hello");
}

TEST_F(TlsRecordsTest, WhatHasNoPlaceBehindTheHandshakeIsBroken) {
  using namespace std::string_literals;
  const struct {
    std::uint8_t content;
    std::string text;
    TlsOpened becomes;
  } rows[] = {
      {23, "data", TlsOpened::kNothing},
      {23, "padded"s + std::string(9, '\0'), TlsOpened::kNothing},
      {23, std::string(16384, 'x'), TlsOpened::kNothing},
      {20, "\x01", TlsOpened::kBroken},
      {0, "", TlsOpened::kBroken},  // nothing but zeros
      {24, "heartbeat", TlsOpened::kBroken},
      {22, std::string(kNewKey), TlsOpened::kNothing},
      {22, "\x18\x00\x00\x01\x02"s, TlsOpened::kBroken},
      {22, std::string(kNewKey) + "x", TlsOpened::kBroken},
      {22, std::string(kNewKey) + std::string(kNewKey), TlsOpened::kBroken},
      {22, "\x18\x00\x00"s, TlsOpened::kBroken},
      {22, "\x04\x00\x00\x01\x00"s, TlsOpened::kBroken},  // a ticket
      {22, "", TlsOpened::kBroken},
      {21, "\x01\x00"s, TlsOpened::kClosed},
      {21, "\x02\x00"s, TlsOpened::kClosed},   // the level says nothing
      {21, "\x01\x5a"s, TlsOpened::kNothing},  // user_canceled
      {21, "\x02\x28"s, TlsOpened::kBroken},
      {21, "\x02"s, TlsOpened::kBroken},
  };
  for (const auto& row : rows) {
    TlsRecords to = server();
    TlsRecordKey key = client_key();
    std::string sealed;
    key.seal(static_cast<TlsContent>(row.content), row.text, sealed);
    const std::string out = opened(to, sealed);
    EXPECT_EQ(last, row.becomes) << int{row.content} << testing::PrintToString(row.text);
    EXPECT_EQ(out, row.content == 23 ? row.text : "");
  }
}

TEST_F(TlsRecordsTest, RecordsWithNothingInThemAreNotTakenForEver) {
  TlsRecords from = client();
  TlsRecords to = server();
  std::string sealed;
  for (int i = 0; i < 20; ++i) from.seal("", sealed);
  from.seal("data", sealed);
  for (int i = 0; i < 20; ++i) from.seal("", sealed);
  EXPECT_EQ(opened(to, sealed), "data");
  EXPECT_EQ(last, TlsOpened::kNothing);
  sealed.clear();
  for (int i = 0; i < 20; ++i) from.seal("", sealed);
  EXPECT_EQ(opened(to, sealed), "");
  EXPECT_EQ(last, TlsOpened::kBroken);
}

TEST_F(TlsRecordsTest, TheEndIsTold) {
  TlsRecords from = client();
  TlsRecords to = server();
  std::string sealed;
  from.seal("last", sealed);
  EXPECT_TRUE(from.try_seal_end(sealed));
  EXPECT_EQ(opened(to, sealed, 2), "last");
  EXPECT_EQ(last, TlsOpened::kClosed);
}

/// Takes keys, so many.
class FakeKernel final : public TlsKernel {
 public:
  explicit FakeKernel(int keys) : keys_(keys) {}

  bool try_seal(int, TlsCipher, std::span<const unsigned char> key,
                std::span<const unsigned char> nonce, std::uint64_t sequence) const override {
    EXPECT_EQ(key.size(), 16U);
    EXPECT_EQ(nonce.size(), 12U);
    EXPECT_EQ(sequence, 0U);
    return keys_-- > 0;
  }
  ssize_t send_record(int, TlsContent content, std::string_view plain) const override {
    if (is_full) return -EAGAIN;
    sent.emplace_back(content, plain);
    return static_cast<ssize_t>(plain.size());
  }

  bool is_full = false;
  mutable std::vector<std::pair<TlsContent, std::string>> sent;

 private:
  mutable int keys_;
};

TEST_F(TlsRecordsTest, AKernelThatTakesNoSecondKeyCannotGiveTheClientOne) {
  for (const int keys : {0, 1, 2}) {
    const FakeKernel kernel(keys);
    TlsRecords to = server();
    EXPECT_EQ(to.try_give_to(kernel, 7), keys > 0);
    EXPECT_EQ(to.is_sealing(), keys == 0);
    TlsRecordKey key = client_key();
    std::string sealed;
    key.seal(TlsContent::kHandshake, kNewKeyAndYours, sealed);
    EXPECT_EQ(opened(to, sealed), "");
    EXPECT_EQ(last, keys == 1 ? TlsOpened::kBroken : TlsOpened::kNothing);
    EXPECT_EQ(kernel.sent.size(), keys == 0 ? 0U : 1U);
  }
}

TEST_F(TlsRecordsTest, WhereTheKernelSealsItSealsTheEnd) {
  FakeKernel kernel(1);
  TlsRecords to = server();
  ASSERT_TRUE(to.try_give_to(kernel, 7));
  std::string sealed;
  kernel.is_full = true;
  EXPECT_FALSE(to.try_seal_end(sealed));
  kernel.is_full = false;
  EXPECT_TRUE(to.try_seal_end(sealed));
  EXPECT_EQ(sealed, "");
  EXPECT_EQ(kernel.sent, (std::vector{std::pair(TlsContent::kAlert, std::string("\x01\x00", 2))}));
}

}  // namespace
}  // namespace broadcast

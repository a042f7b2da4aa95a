#include "host/wire/deflate_offer.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

const std::string kTerms =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

struct Offer {
  std::string offered;
  std::string answered;
  FrameForm form = FrameForm::kDeflated;
};

TEST(DeflateOfferTest, IsAnsweredWithoutContextTakeover) {
  const std::vector<Offer> rows = {
      {"permessage-deflate", kTerms},
      {"permessage-deflate; client_max_window_bits", kTerms},  // Chromium
      {"permessage-deflate; client_max_window_bits=8", kTerms},
      {"permessage-deflate; client_max_window_bits=15", kTerms},
      {"permessage-deflate;server_no_context_takeover;client_no_context_takeover", kTerms},
      {" \tpermessage-deflate ; client_max_window_bits = \"10\" ", kTerms},
      {R"(permessage-deflate; client_max_window_bits="1\0")", kTerms},
      {"permessage-deflate; server_max_window_bits=15", kTerms + "; server_max_window_bits=15"},
      {"permessage-deflate; server_max_window_bits=\"15\"", kTerms + "; server_max_window_bits=15"},
  };
  for (const Offer& row : rows) {
    const DeflateAnswer answer = answer_deflate_offers(row.offered);
    EXPECT_TRUE(answer.is_valid) << row.offered;
    ASSERT_TRUE(answer.terms) << row.offered;
    EXPECT_EQ(answer.terms->answer, row.answered) << row.offered;
    EXPECT_EQ(answer.terms->form, FrameForm::kDeflated) << row.offered;
  }
}

TEST(DeflateOfferTest, AWindowSmallerThanOursIsKeptByPlainFrames) {
  for (const std::string bits : {"8", "9", "10", "11", "12", "13", "14"}) {
    const DeflateAnswer answer =
        answer_deflate_offers("permessage-deflate; server_max_window_bits=" + bits);
    ASSERT_TRUE(answer.terms) << bits;
    EXPECT_EQ(answer.terms->answer, kTerms + "; server_max_window_bits=" + bits);
    EXPECT_EQ(answer.terms->form, FrameForm::kPlain) << bits;
  }
}

TEST(DeflateOfferTest, TakesTheFirstThatIsAllowed) {
  const std::vector<Offer> rows = {
      {"permessage-deflate; server_max_window_bits=10, permessage-deflate",
       kTerms + "; server_max_window_bits=10", FrameForm::kPlain},
      {"permessage-deflate; nonsense, permessage-deflate", kTerms},
      {"x-webkit-deflate-frame, foo; bar=\"baz\"; qux, ,permessage-deflate,", kTerms},
      {"foo; server_max_window_bits=10, permessage-deflate", kTerms},
  };
  for (const Offer& row : rows) {
    const DeflateAnswer answer = answer_deflate_offers(row.offered);
    ASSERT_TRUE(answer.terms) << row.offered;
    EXPECT_EQ(answer.terms->answer, row.answered) << row.offered;
    EXPECT_EQ(answer.terms->form, row.form) << row.offered;
  }
}

TEST(DeflateOfferTest, DeclinesWhatRfc7692DoesNotAllow) {
  const std::string deflate = "permessage-deflate; ";
  for (const std::string& offered : std::vector<std::string>{
           "",
           ",",
           "foo",
           "permessage-deflatex",
           "Permessage-Deflate",
           deflate + "unknown",
           deflate + "server_no_context_takeover=1",
           deflate + "client_no_context_takeover=true",
           deflate + "server_no_context_takeover; server_no_context_takeover",
           deflate + "client_no_context_takeover; client_no_context_takeover",
           deflate + "client_max_window_bits; client_max_window_bits=9",
           deflate + "server_max_window_bits=9; server_max_window_bits=9",
           deflate + "server_max_window_bits",
           deflate + "server_max_window_bits=7",
           deflate + "server_max_window_bits=16",
           deflate + "server_max_window_bits=08",
           deflate + "server_max_window_bits=1",
           deflate + "server_max_window_bits=100",
           deflate + "server_max_window_bits=x",
           deflate + "client_max_window_bits=7",
           deflate + "client_max_window_bits=16",
           deflate + "client_max_window_bits=010",
       }) {
    const DeflateAnswer answer = answer_deflate_offers(offered);
    EXPECT_TRUE(answer.is_valid) << offered;
    EXPECT_FALSE(answer.terms) << offered;
  }
}

TEST(DeflateOfferTest, SaysWhatIsNoList) {
  for (const std::string& offered : std::vector<std::string>{
           ";",
           "=",
           "permessage-deflate;",
           "permessage-deflate; ;",
           "permessage-deflate; =9",
           "permessage-deflate; server_max_window_bits=",
           "permessage-deflate; server_max_window_bits=\"\"",
           "permessage-deflate; server_max_window_bits=\"9",
           "permessage-deflate; server_max_window_bits=\"9\\",
           "permessage-deflate; server_max_window_bits=\"9 9\"",
           "permessage-deflate; server_max_window_bits=9 9",
           "permessage-deflate foo",
           "permessage-deflate, \x01",
           "per/message",
       }) {
    const DeflateAnswer answer = answer_deflate_offers(offered);
    EXPECT_FALSE(answer.is_valid) << offered;
    EXPECT_FALSE(answer.terms) << offered;
  }
}

}  // namespace
}  // namespace broadcast

#include "host/net/admission.hpp"

#include <optional>
#include <utility>
#include <variant>

#include <boost/asio/ip/address.hpp>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

bool enters(const std::variant<Admission::Place, Admission::Refusal>& entered) {
  return std::holds_alternative<Admission::Place>(entered);
}

/// Whether somebody from `second` may come while `first` has the one place of an address.
bool are_one(const char* first, const char* second) {
  using boost::asio::ip::make_address;
  Admission admission({.connections_per_address = 1});
  const auto there = admission.try_enter(make_address(first));
  EXPECT_TRUE(enters(there));
  return !enters(admission.try_enter(make_address(second)));
}

TEST(AdmissionTest, CountsTheFirst64BitsOfAnIpv6Address) {
  EXPECT_TRUE(are_one("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
  EXPECT_FALSE(are_one("2001:db8:0:1::1", "2001:db8:0:2::1"));
}

TEST(AdmissionTest, CountsAnIpv4AddressWhole) {
  EXPECT_TRUE(are_one("192.0.2.1", "::ffff:192.0.2.1"));
  EXPECT_FALSE(are_one("192.0.2.1", "192.0.2.2"));
  EXPECT_FALSE(are_one("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
}

TEST(AdmissionTest, APlaceThatIsGivenBackIsFreeForItsNetwork) {
  Admission admission({.connections_per_address = 1});
  const auto address = boost::asio::ip::make_address("2001:db8:0:1::1");
  EXPECT_TRUE(enters(admission.try_enter(address)));
  EXPECT_TRUE(enters(admission.try_enter(address)));
}

TEST(AdmissionTest, AConnectionIsCountedOnceItsProxyHasSaidWhoseItIs) {
  Admission admission({.connections_per_address = 1});
  const auto address = boost::asio::ip::make_address("192.0.2.1");
  auto first = admission.try_enter(std::nullopt);
  auto second = admission.try_enter(std::nullopt);
  ASSERT_TRUE(enters(first) && enters(second)) << "nobody knows yet whose they are";
  EXPECT_FALSE(admission.try_count(std::get<Admission::Place>(first), address));
  const auto refusal = admission.try_count(std::get<Admission::Place>(second), address);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->limit, Counter::kLimitConnectionsPerAddress);
  { const auto leaves = std::move(first); }
  EXPECT_FALSE(admission.try_count(std::get<Admission::Place>(second), address));
}

}  // namespace
}  // namespace broadcast

#include "host/wire/networks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

bool contains(const char* network, const char* address) {
  return Networks({network}).contains(boost::asio::ip::make_address(address));
}

TEST(NetworksTest, AnAddressIsItselfAlone) {
  EXPECT_TRUE(contains("10.0.0.1", "10.0.0.1"));
  EXPECT_FALSE(contains("10.0.0.1", "10.0.0.2"));
  EXPECT_TRUE(contains("::1", "::1"));
  EXPECT_FALSE(contains("::1", "::2"));
}

TEST(NetworksTest, ABlockIsWhatItsPrefixSays) {
  const struct {
    const char* network;
    const char* inside;
    const char* outside;
  } rows[] = {
      {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
      {"192.168.4.0/22", "192.168.7.255", "192.168.8.0"},
      {"172.16.0.4/31", "172.16.0.5", "172.16.0.6"},
      {"fd00::/8", "fdff::1", "fe00::1"},
      {"2001:db8:0:8000::/49", "2001:db8:0:ffff::1", "2001:db8:1::1"},
  };
  for (const auto& row : rows) {
    EXPECT_TRUE(contains(row.network, row.inside)) << row.network;
    EXPECT_FALSE(contains(row.network, row.outside)) << row.network;
  }
  EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1")) << "of IPv4 alone";
  EXPECT_TRUE(contains("::/0", "1.2.3.4")) << "everything";
}

TEST(NetworksTest, AnIPv4AddressInIPv6IsThatIPv4Address) {
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
}

TEST(NetworksTest, UnixIsNoAddress) {
  const Networks networks({"unix"});
  EXPECT_TRUE(networks.contains_unix());
  EXPECT_FALSE(networks.empty());
  EXPECT_FALSE(networks.contains(boost::asio::ip::make_address("127.0.0.1")));
  EXPECT_TRUE(Networks().empty());
  EXPECT_FALSE(Networks({"10.0.0.0/8"}).contains_unix());
}

TEST(NetworksTest, SaysWhatIsExpected) {
  for (const char* const good :
       {"unix", "10.0.0.0/8", "10.1.2.3", "::1", "fd00::/8", "0.0.0.0/0"}) {
    EXPECT_THAT(expected_network(good), IsEmpty()) << good;
  }
  for (const char* const bad : {"", "localhost", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/",
                                "10.0.0.0/-1", "10.0.0.0/8 ", "fe80::1%1", "/8", "unix:"}) {
    EXPECT_THAT(expected_network(bad), HasSubstr("a block of addresses")) << bad;
  }
  EXPECT_EQ(expected_network("10.1.2.3/8"), "10.0.0.0/8");
  EXPECT_EQ(expected_network("fd12::1/8"), "fd00::/8");
}

}  // namespace
}  // namespace broadcast

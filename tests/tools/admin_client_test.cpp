#include "tools/broadcastctl/admin_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {
namespace {

using boost::asio::ip::tcp;

TEST(AdminClientTest, GivesUpWhoDoesNotAnswer) {
  boost::asio::io_context io;
  const tcp::acceptor silent(io,
                             {boost::asio::ip::address_v4::loopback(), 0});  // the kernel accepts
  AdminAddress address =
      admin_address("127.0.0.1:" + std::to_string(silent.local_endpoint().port()), "");
  address.patience = std::chrono::milliseconds(50);
  try {
    static_cast<void>(get_from_admin(address, "/v1/broadcasters"));
    FAIL() << "there was an answer";
  } catch (const CannotRun& cannot) {
    EXPECT_THAT(cannot.what(), testing::HasSubstr(": no answer in time. Look at"));
  }
}

}  // namespace
}  // namespace broadcast

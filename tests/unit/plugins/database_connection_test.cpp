// plugins/database against servers that do not answer. What a real one does: tests/integration.

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/database/database.hpp"

namespace broadcast {
namespace {

using std::chrono::seconds;

/// The kernel takes its connections, and nobody ever reads.
class SilentServer {
 public:
  SilentServer() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const plain = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, plain, size) != 0 || ::listen(socket_, 4) != 0 ||
        ::getsockname(socket_, plain, &size) != 0) {
      throw std::runtime_error("no free port");
    }
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  [[nodiscard]] bool wait_for_connection() const {
    pollfd listening{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&listening, 1, 60'000) == 1;
  }
  [[nodiscard]] std::string url() const {
    return "postgresql://u:secret@127.0.0.1:" + std::to_string(port_) + "/d";
  }

 private:
  const int socket_;
  int port_ = 0;
};

struct DatabaseConnectionTest : ::testing::Test {
  void ask() {
    ASSERT_TRUE(database->try_run([](soci::session&) { return [] {}; },
                                  [this](const std::string& why) { failed.set_value(why); }));
  }
  SilentServer server;
  std::promise<std::string> failed;
  std::unique_ptr<Database> database =
      std::make_unique<Database>(DatabaseUrl::parse(server.url()), [](auto run) {
        run();
        return true;
      });
};

TEST_F(DatabaseConnectionTest, AConnectionUnderWayDoesNotHoldUpTheEnd) {
  ask();
  ASSERT_TRUE(server.wait_for_connection());
  const auto begun = std::chrono::steady_clock::now();
  database.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(2)) << "3 s are its patience";
}

TEST_F(DatabaseConnectionTest, AServerThatTakesConnectionsAndSaysNothingIsGivenUp) {
  ask();
  auto why = failed.get_future();
  ASSERT_EQ(why.wait_for(seconds(60)), std::future_status::ready);
  EXPECT_EQ(why.get(), "no answer for 3 s");
}

TEST(DatabaseAnswerTest, AnAnswerThatTheInboxHasNoRoomForComesLater) {
  std::atomic<int> refused = 0;
  std::promise<std::string> failed;
  Database database(DatabaseUrl::parse("sqlite:/no/such/file"), [&](const auto& run) {
    if (++refused < 3) return false;
    run();
    return true;
  });
  ASSERT_TRUE(database.try_run([](soci::session&) { return [] {}; },
                               [&](const std::string& why) { failed.set_value(why); }));
  EXPECT_EQ(failed.get_future().wait_for(seconds(60)), std::future_status::ready);
}

}  // namespace
}  // namespace broadcast

#pragma once
// The live view: a client of a host on this machine that prints what it is sent, on a thread of its
// own. Made and ended by [main], or by the thread of `plugin dev`.

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace broadcast {

class TopicStream {
 public:
  /// Connects to the host's WebSocket and subscribes. Throws boost::system::system_error.
  TopicStream(const boost::asio::ip::tcp::endpoint& host, const std::vector<std::string>& topics);
  /// Hangs up, if the host has not.
  ~TopicStream();
  TopicStream(const TopicStream&) = delete;
  TopicStream& operator=(const TopicStream&) = delete;

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace broadcast

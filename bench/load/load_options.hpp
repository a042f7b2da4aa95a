#pragma once
// What the load generator is asked to do. Values; the command line is read here and nowhere else.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <netinet/in.h>
#include <sys/types.h>

namespace broadcast {

enum class LoadProtocol : std::uint8_t {
  kBroadcast,       ///< ours: topics in the query string, `subscribed` for each
  kPlain,           ///< after the handshake the server pushes unasked
  kNats,            ///< NATS client protocol in binary frames
  kSubscribeFrame,  ///< a text frame of the peer's own for each topic
};

struct LoadOptions {
  sockaddr_in address{};
  std::string authority;  ///< host:port
  std::string path = "/ws";
  std::size_t connections = 1000;
  std::vector<std::string> topics;  ///< all there are; empty: none is asked for
  std::size_t topics_each = 0;      ///< how many of them a connection takes
  LoadProtocol protocol = LoadProtocol::kBroadcast;
  std::string subscribe_frame;      ///< of kSubscribeFrame; {} is the topic
  std::string number_key = "bseq";  ///< the member that goes up by one with each message of a topic
  std::string latency_of;           ///< latency is that of connections whose first topic begins so
  bool kernel_stamps = false;       ///< latency ends at the client's socket, not when it is read
  bool deflate = false;
  double seconds = 10;
  double warmup = 2;
  pid_t pid = 0;  ///< the server's; 0: not measured
  bool tls = false;
  std::size_t crowd = 0;  ///< connections that come while the others are measured
  std::size_t stalled = 0;
  bool storm = false;
  bool idle = false;
  double connect_timeout = 60;

  /// Connection `i` takes `topics_each` topics from here on, and around the end.
  [[nodiscard]] std::size_t first_topic_of(std::size_t connection) const {
    return topics.empty() ? 0 : connection * topics_each % topics.size();
  }
};

/// Reads the command line. Prints and exits by itself for --help and what cannot be read.
[[nodiscard]] LoadOptions read_load_options(int argc, char** argv);

}  // namespace broadcast

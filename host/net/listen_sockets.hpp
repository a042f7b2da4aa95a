#pragma once
// The sockets that clients come to: bound here, or passed by systemd, which keeps them across a
// restart so that nobody is refused meanwhile. Where one socket serves several shards, each has a
// descriptor of its own for it. [main] unless tagged.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <sys/types.h>

namespace broadcast {

struct ListenPlace {
  boost::asio::ip::tcp::endpoint address;
  std::string unix_path;    ///< not empty: there, and not at `address`
  std::vector<int> passed;  ///< not empty: on these, which listen already, and nowhere else

  /// How many listeners `shards` have in all.
  [[nodiscard]] std::size_t listeners(std::size_t shards) const;
};

class ListenSockets {
 public:
  /// Throws std::runtime_error that names the place, the reason and what to do.
  ListenSockets(const ListenPlace& place, std::size_t shards);
  /// As stop().
  ~ListenSockets();
  ListenSockets(const ListenSockets&) = delete;
  ListenSockets& operator=(const ListenSockets&) = delete;

  /// Those that `shard` accepts from, which the caller closes. Once for each.
  [[nodiscard]] std::vector<int> take(std::size_t shard);
  /// Before nobody accepts any more: removes the Unix socket that was made here, unless another
  /// host has put its own there.
  void stop();
  /// The port is the real one if 0 was asked for; meaningless where has_address() is false.
  [[nodiscard]] const boost::asio::ip::tcp::endpoint& address() const { return address_; }
  [[nodiscard]] bool has_address() const { return has_address_; }
  /// "0.0.0.0:5111", "unix:/run/broadcast-host/ws.sock"; several after one another.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  /// So that the destructor ends what a constructor that throws has begun.
  explicit ListenSockets(std::size_t shards) : of_shard_(shards) {}
  void bind_address(std::size_t shards);
  void bind_unix(const std::string& path, std::size_t shards);
  void take_passed(const std::vector<int>& passed, std::size_t shards);

  std::vector<std::vector<int>> of_shard_;
  boost::asio::ip::tcp::endpoint address_;
  bool has_address_ = true;
  std::string text_;
  std::string unix_path_;  // made here
  ino_t unix_inode_ = 0;
};

/// [any] Both ends of `socket`; nothing: it is a Unix socket, or gone.
[[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> peer_address_of(int socket);
[[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> local_address_of(int socket);

/// [any] In the kernel's backlog. Without descriptors an accept fails whether somebody does or not.
[[nodiscard]] bool somebody_waits(int listening_socket);

}  // namespace broadcast

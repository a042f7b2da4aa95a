#include "host/net/listen_sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/base/descriptor.hpp"
#include "host/net/door_log.hpp"

namespace broadcast {

namespace {

using boost::asio::ip::tcp;

/// What waits should wait in the Outbox, where it can still be conflated, and not in the kernel.
constexpr int kUnsentBytes = 64 * 1024;

constexpr const char* kInUse = ". Is another host running? Stop it, or choose another port.";

/// `error`: errno, kept before anything else is done.
[[noreturn]] void fail(int error, const std::string& where, const std::string& hint = ".") {
  throw std::runtime_error("server.listen: " + where + ": " +
                           std::generic_category().message(error) + hint);
}

int new_socket(int family) {
  return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void set(int socket, int level, int option, int value) {
  static_cast<void>(::setsockopt(socket, level, option, &value, sizeof value));
}

/// For what it accepts, which inherits them; a Unix socket has neither.
void set_inherited(int socket) {
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytes);
}

int bound_socket(const tcp::endpoint& address, bool shares_port) {
  Descriptor socket(new_socket(address.protocol().family()));
  if (const int error = errno; socket.get() < 0) fail(error, text_of(address));
  set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (shares_port) set(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  set_inherited(socket.get());
  if (::bind(socket.get(), address.data(), static_cast<socklen_t>(address.size())) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    const int error = errno;
    fail(error, text_of(address), kInUse);
  }
  return socket.take();
}

/// What a socket is bound to; nothing: a Unix socket.
std::optional<tcp::endpoint> address_of(int socket,
                                        int (*ask)(int, sockaddr*, socklen_t*) noexcept) {
  tcp::endpoint address;
  auto size = static_cast<socklen_t>(address.capacity());
  if (ask(socket, address.data(), &size) != 0) return std::nullopt;
  if (address.data()->sa_family != AF_INET && address.data()->sa_family != AF_INET6) {
    return std::nullopt;
  }
  address.resize(size);
  return address;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

/// A host that was killed leaves its socket behind, and nobody listens there.
bool is_left_behind(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
  const Descriptor probe(new_socket(AF_UNIX));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

int own_descriptor(int socket) {
  const int own = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (const int error = errno; own < 0) fail(error, "descriptor " + std::to_string(socket));
  return own;
}

std::string text_of_listener(int socket) {
  const auto address = local_address_of(socket);
  if (address) return text_of(*address);
  sockaddr_un local{};
  socklen_t size = sizeof local - 1;
  const bool has_name =
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) == 0 && local.sun_path[0];
  return "unix:" + std::string(has_name ? local.sun_path : "");
}

}  // namespace

std::size_t ListenPlace::listeners(std::size_t shards) const {
  return std::max(shards, passed.size());
}

ListenSockets::ListenSockets(const ListenPlace& place, std::size_t shards) : ListenSockets(shards) {
  address_ = place.address;
  if (!place.passed.empty()) {
    take_passed(place.passed, shards);
  } else if (!place.unix_path.empty()) {
    bind_unix(place.unix_path, shards);
  } else {
    bind_address(shards);
  }
}

ListenSockets::~ListenSockets() {
  stop();
  for (const std::vector<int>& sockets : of_shard_) {
    for (const int socket : sockets) ::close(socket);
  }
}

void ListenSockets::stop() {
  const std::string path = std::exchange(unix_path_, {});
  struct stat now {};
  if (path.empty() || ::lstat(path.c_str(), &now) != 0) return;
  if (now.st_ino == unix_inode_) ::unlink(path.c_str());
}

std::vector<int> ListenSockets::take(std::size_t shard) {
  return std::exchange(of_shard_.at(shard), {});
}

void ListenSockets::bind_address(std::size_t shards) {
  // SO_REUSEPORT would let a second host share the port without a word, so look first.
  ::close(bound_socket(address_, false));
  for (std::size_t i = 0; i < shards; ++i) {
    const int socket = bound_socket(address_, true);
    of_shard_[i].push_back(socket);
    if (const auto bound = local_address_of(socket)) address_ = *bound;
  }
  text_ = text_of(address_);
}

void ListenSockets::bind_unix(const std::string& path, std::size_t shards) {
  const sockaddr_un address = unix_address(path);
  text_ = "unix:" + path;
  has_address_ = false;
  if (is_left_behind(path, address)) ::unlink(path.c_str());
  const Descriptor socket(new_socket(AF_UNIX));
  if (const int error = errno; socket.get() < 0) fail(error, text_);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    fail(error, text_,
         error == EADDRINUSE ? ". Is another host running? Stop it, or choose another path."
                             : ". Does its folder exist, and may the host write there?");
  }
  unix_path_ = path;
  struct stat made {};
  if (::lstat(path.c_str(), &made) == 0) unix_inode_ = made.st_ino;
  if (::listen(socket.get(), SOMAXCONN) != 0) fail(errno, text_);
  for (std::size_t i = 0; i < shards; ++i) of_shard_[i].push_back(own_descriptor(socket.get()));
}

/// Every one is some shard's, and every shard has one. Where several shards have the same one, an
/// arrival wakes all of them that sleep, and one gets it: Asio has no way to say EPOLLEXCLUSIVE,
/// which moreover gives most to whoever has slept least (docs/design/connections.md).
void ListenSockets::take_passed(const std::vector<int>& passed, std::size_t shards) {
  has_address_ = false;
  for (const int socket : passed) {
    set_inherited(socket);
    if (!text_.empty()) text_ += ", ";
    text_ += text_of_listener(socket);
    if (const auto bound = local_address_of(socket); bound && !has_address_) {
      address_ = *bound;
      has_address_ = true;
    }
  }
  for (std::size_t i = 0; i < std::max(shards, passed.size()); ++i) {
    of_shard_[i % shards].push_back(own_descriptor(passed[i % passed.size()]));
  }
}

std::optional<tcp::endpoint> peer_address_of(int socket) {
  return address_of(socket, &::getpeername);
}

std::optional<tcp::endpoint> local_address_of(int socket) {
  return address_of(socket, &::getsockname);
}

bool somebody_waits(int listening_socket) {
  pollfd waiting{.fd = listening_socket, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace broadcast

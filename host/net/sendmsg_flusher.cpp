#include "host/net/sendmsg_flusher.hpp"

#include <cerrno>

#include <sys/socket.h>

#include "host/net/connection.hpp"

namespace broadcast {

ssize_t send_parts(int socket, std::span<iovec> parts) {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t sent = parts.size() == 1
                           ? ::send(socket, parts[0].iov_base, parts[0].iov_len, kFlags)
                           : ::sendmsg(socket, &message, kFlags);
  return sent < 0 ? -errno : sent;
}

void SendmsgFlusher::write(std::span<Write> batch, MonoTime now) {
  for (const Write& one : batch) {
    const ssize_t sent = send_parts(one.connection->socket(), one.parts);
    if (one.connection->on_sent(sent, now)) write_rest(*one.connection, now);
  }
}

}  // namespace broadcast

#include "host/net/sendmsg_flusher.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include "host/net/connection.hpp"

namespace broadcast {

std::size_t gather(const Outbox& outbox, std::span<iovec> parts) {
  std::array<std::string_view, kPiecesPerWrite> pieces;
  const std::size_t count =
      outbox.gather(std::span(pieces).first(std::min(pieces.size(), parts.size())));
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  }
  return count;
}

void SendmsgFlusher::flush(std::span<OutboxWriter* const> touched, MonoTime now) {
  for (OutboxWriter* writer : touched) {
    auto& connection = static_cast<Connection&>(*writer);
    if (connection.begin_flush(now)) send(connection, now);
  }
}

void SendmsgFlusher::send(Connection& connection, MonoTime now) {
  bool goes_on = true;
  while (goes_on) {
    msghdr message{};
    message.msg_iov = parts_.data();
    message.msg_iovlen = gather(connection.outbox(), parts_);
    const ssize_t sent = ::sendmsg(connection.socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    goes_on = connection.on_sent(sent < 0 ? -errno : sent, now);
  }
}

}  // namespace broadcast

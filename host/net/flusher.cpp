#include "host/net/flusher.hpp"

#include <array>
#include <system_error>

#include <spdlog/spdlog.h>

#include "host/net/connection.hpp"
#include "host/net/sendmsg_flusher.hpp"
#include "host/net/uring_flusher.hpp"

namespace broadcast {

namespace {

template <class F>
std::vector<std::unique_ptr<Flusher>> made(std::size_t count) {
  std::vector<std::unique_ptr<Flusher>> all;
  while (all.size() < count) all.push_back(std::make_unique<F>());
  return all;
}

/// In one batch.
constexpr std::size_t kPieces = 2048;
static_assert(kPieces >= kPiecesPerWrite);

}  // namespace

Flusher::Flusher() : gather_(kPieces) { batch_.reserve(kBatch); }

void Flusher::flush(std::span<OutboxWriter* const> touched, MonoTime now) {
  for (OutboxWriter* writer : touched) {
    auto& connection = static_cast<Connection&>(*writer);
    if (!connection.begin_flush(now)) continue;
    if (batch_.size() == kBatch || !gather_.has_room()) write_batch(now);
    batch_.push_back({&connection, connection.is_sealing() ? gather_.take(connection.sealed())
                                                           : gather_.take(connection.outbox())});
  }
  write_batch(now);
}

void Flusher::write_batch(MonoTime now) {
  write(batch_, now);
  batch_.clear();
  gather_.clear();
}

void Flusher::write_rest(Connection& connection, MonoTime now) {
  std::array<iovec, kPiecesPerWrite> parts;
  bool goes_on = true;
  while (goes_on) {
    std::size_t count = 1;
    if (connection.is_sealing()) {
      const std::string_view sealed = connection.sealed();
      parts[0] = {const_cast<char*>(sealed.data()), sealed.size()};
    } else {
      count = gather(connection.outbox(), parts);
    }
    goes_on =
        connection.on_sent(send_parts(connection.socket(), std::span(parts).first(count)), now);
  }
}

std::vector<std::unique_ptr<Flusher>> make_flushers(FlushMode mode, std::size_t shards) {
  if (mode == FlushMode::kSendmsg) return made<SendmsgFlusher>(shards);
  try {
    return made<UringFlusher>(shards);
  } catch (const std::system_error& error) {
    spdlog::log(
        mode == FlushMode::kIoUring ? spdlog::level::warn : spdlog::level::info,
        "server.flush: io_uring is not available ({}); each connection is written with sendmsg",
        error.what());
    return made<SendmsgFlusher>(shards);
  }
}

}  // namespace broadcast

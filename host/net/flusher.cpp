#include "host/net/flusher.hpp"

#include <system_error>

#include <spdlog/spdlog.h>

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

}  // namespace

std::vector<std::unique_ptr<Flusher>> make_flushers(FlushMode mode, std::size_t shards) {
  if (mode == FlushMode::kSendmsg) return made<SendmsgFlusher>(shards);
  try {
    return made<UringFlusher>(shards);
  } catch (const std::system_error& error) {
    spdlog::log(mode == FlushMode::kIoUring ? spdlog::level::warn : spdlog::level::info,
                "server.flush: no io_uring here ({}), each connection is written with sendmsg",
                error.what());
    return made<SendmsgFlusher>(shards);
  }
}

}  // namespace broadcast

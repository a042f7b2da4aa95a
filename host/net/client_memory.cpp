#include "host/net/client_memory.hpp"

#include <algorithm>

namespace broadcast {

std::size_t ClientMemory::bytes() const {
  std::size_t bytes = 0;
  for (const Shard& shard : shards_) bytes += shard.bytes;
  return bytes;
}

void ClientMemory::note_largest(std::size_t shard, std::size_t bytes) {
  shards_[shard].largest = std::max<std::size_t>(bytes, 1);
  ++shards_[shard].times;
}

void ClientMemory::calm(std::size_t shard) {
  shards_[shard].largest = 0;
  shards_[shard].times = 0;
}

ClientMemory::Duty ClientMemory::duty_of(std::size_t shard) const {
  std::size_t largest = 0;
  for (const Shard& each : shards_) {
    const std::size_t said = each.largest;
    if (said == 0) return {};
    largest = std::max(largest, said);
  }
  const std::size_t all = bytes();
  if (all <= target()) return {};
  constexpr unsigned kMostTimes = 30;
  const unsigned times = std::min<unsigned>(shards_[shard].times, kMostTimes);
  const double share = static_cast<double>(shards_[shard].bytes) / static_cast<double>(all);
  const double too_much = static_cast<double>(all - target()) * share;
  return {.bytes = static_cast<std::size_t>(too_much) + 1, .from_bytes = (largest >> times) + 1};
}

}  // namespace broadcast

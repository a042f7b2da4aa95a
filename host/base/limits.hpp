#pragma once
// Every key under `limits:` in the YAML, as values. hub and net get all of them, and read those
// that they enforce; ingest and admin get theirs in their Options. What a key may be, and its text,
// is its row in app/config.hpp.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <forward_list>

namespace broadcast {

// A row: the member, what it is by default, the counter of how often somebody met it, and the key.
#define BROADCAST_LIMITS(ROW)                                                                     \
  ROW(std::size_t, message_bytes, 64 * 1024, kLimitMessage, "message")                            \
  ROW(std::size_t, outbox_bytes, 1024 * 1024, kLimitOutbox, "outbox")                             \
  ROW(std::size_t, publish_bytes, 256 * 1024, kLimitPublish, "publish")                           \
  ROW(std::chrono::nanoseconds, write_stall, std::chrono::seconds(10), kLimitWriteStall,          \
      "write_stall")                                                                              \
  ROW(std::chrono::nanoseconds, handshake, std::chrono::seconds(4), kLimitHandshake, "handshake") \
  ROW(std::size_t, topics, 20'000, kLimitTopics, "topics")                                        \
  ROW(std::size_t, topics_per_broadcaster, kAuto, kLimitTopicsPerBroadcaster,                     \
      "topics_per_broadcaster")                                                                   \
  ROW(std::size_t, topics_per_connection, 1'024, kLimitTopicsPerConnection,                       \
      "topics_per_connection")                                                                    \
  ROW(std::size_t, topics_per_address, 2'048, kLimitTopicsPerAddress, "topics_per_address")       \
  ROW(std::size_t, work_per_address, 200'000, kLimitWorkPerAddress, "work_per_address")           \
  ROW(std::size_t, topics_per_request, 128, kLimitTopicsPerRequest, "topics_per_request")         \
  ROW(std::size_t, topic_name_bytes, 255, kLimitTopicName, "topic_name")                          \
  ROW(std::uint32_t, commands_per_second, 100, kLimitCommands, "commands_per_second")             \
  ROW(std::uint32_t, control_frames_per_second, 100, kLimitControlFrames,                         \
      "control_frames_per_second")                                                                \
  ROW(std::size_t, connections, kOff, kLimitConnections, "connections")                           \
  ROW(std::size_t, connections_per_address, kOff, kLimitConnectionsPerAddress,                    \
      "connections_per_address")                                                                  \
  ROW(std::uint32_t, accepts_per_second, kOff, kLimitAccepts, "accepts_per_second")               \
  ROW(std::size_t, handshakes, 4096, kLimitHandshakes, "handshakes")                              \
  ROW(std::size_t, descriptors_reserve, 128, kLimitDescriptorsReserve, "descriptors_reserve")     \
  ROW(std::size_t, memory_bytes, kAuto, kLimitMemory, "memory")

struct Limits {
  static constexpr unsigned kAuto = 0;  ///< the host chooses
  static constexpr unsigned kOff = 0;   ///< no limit
#define BROADCAST_MEMBER(type, member, value, counter, key) type member = value;
  BROADCAST_LIMITS(BROADCAST_MEMBER)
#undef BROADCAST_MEMBER
  bool operator==(const Limits&) const = default;
};

/// Limits that any thread reads while [main] replaces them.
class LiveLimits {
 public:
  explicit LiveLimits(const Limits& limits) { set(limits); }
  /// [main] From now on.
  void set(const Limits& limits) {
    if (!kept_.empty() && kept_.front() == limits) return;
    now_.store(&kept_.emplace_front(limits), std::memory_order_release);
  }
  /// [any] As they are now. What is read stays valid as long as this.
  [[nodiscard]] const Limits* operator->() const { return now_.load(std::memory_order_acquire); }

 private:
  std::forward_list<Limits> kept_;  // all that there were, because somebody may still read them
  std::atomic<const Limits*> now_{nullptr};
};

}  // namespace broadcast

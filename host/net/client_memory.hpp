#pragma once
// limits.memory: what clients make the host hold, added up from what each shard says at its tick,
// and how much of it has to go. Shared by all shards; [any].

#include <atomic>
#include <cstddef>
#include <vector>

namespace broadcast {

class ClientMemory {
 public:
  ClientMemory(std::size_t shards, std::size_t limit_bytes)
      : shards_(shards), limit_(limit_bytes) {}

  /// From now on.
  void set_limit(std::size_t bytes) { limit_ = bytes; }
  [[nodiscard]] std::size_t limit() const { return limit_; }
  /// [shard] What its connections hold.
  void note(std::size_t shard, std::size_t bytes) { shards_[shard].bytes = bytes; }
  [[nodiscard]] std::size_t bytes() const;
  /// Three quarters of the limit are used: whoever holds most has to go.
  [[nodiscard]] bool is_tight() const { return bytes() > target(); }

  /// [shard] What the one of its connections that holds most holds, while it is tight; it counts
  /// until calm().
  void note_largest(std::size_t shard, std::size_t bytes);
  void calm(std::size_t shard);
  /// What `shard` is to close.
  struct Duty {
    std::size_t bytes = 0;       ///< at least, as far as there are such connections
    std::size_t from_bytes = 0;  ///< only connections that hold so much
  };
  /// Nothing until every shard has said what its largest holds: then whoever holds less than half
  /// of that stays, on whatever shard he is. As long as it stays tight, that is halved again each
  /// time the shard says so: nobody is safe behind one who comes back and back.
  [[nodiscard]] Duty duty_of(std::size_t shard) const;

 private:
  struct Shard {
    std::atomic<std::size_t> bytes{0};
    std::atomic<std::size_t> largest{0};  // 0: it has not said
    std::atomic<unsigned> times{0};       // it has said so, in a row
  };
  [[nodiscard]] std::size_t target() const { return limit_ / 4 * 3; }

  std::vector<Shard> shards_;
  std::atomic<std::size_t> limit_;
};

}  // namespace broadcast

#pragma once
// How the descriptors of the process are shared out: clients get what the rest of the host does not
// need, so that operators, the state and broadcasters go on when clients use up all of theirs.
// [main]

#include <cstddef>
#include <string>

#include "host/app/config.hpp"

namespace broadcast {

struct DescriptorPlan {
  std::size_t limit = 0;        ///< of the process
  std::size_t connections = 0;  ///< of clients, as many as may be open
  std::size_t handshakes = 0;   ///< besides them, those who are being refused included
  bool is_tight = false;        ///< half of `limit` is not enough for the rest

  /// For the log: how many of what.
  [[nodiscard]] std::string text() const;
  /// What of `config` they are too few for; empty: nothing.
  [[nodiscard]] std::string warning(const Limits& limits) const;
};

/// Pure.
[[nodiscard]] DescriptorPlan plan_descriptors(std::size_t limit, const Config& config,
                                              std::size_t shards);

/// As `server.threads` says, or one a core.
[[nodiscard]] std::size_t shards_of(const Config& config);

/// RLIMIT_NOFILE as it is.
[[nodiscard]] std::size_t descriptor_limit();
/// What raise_descriptor_limit() makes of it.
[[nodiscard]] std::size_t highest_descriptor_limit();
/// Takes what the system allows.
void raise_descriptor_limit();

}  // namespace broadcast

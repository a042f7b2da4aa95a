#include "host/app/descriptors.hpp"

#include <algorithm>
#include <thread>

#include <sys/resource.h>

#include "host/admin/admin_server.hpp"

namespace broadcast {

namespace {

/// Its acceptor, its epoll sets, its timer, its wake-up, its ring.
constexpr std::size_t kOfAShard = 8;
/// Of what clients get, the part for handshakes.
constexpr std::size_t kHandshakePart = 8;
/// More than any process has.
constexpr std::size_t kUnlimited = std::size_t{1} << 30;

std::size_t limit_of(rlim_t rlimit::*which) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUnlimited;
  return std::min<std::size_t>(limit.*which, kUnlimited);
}

}  // namespace

DescriptorPlan plan_descriptors(std::size_t limit, const Config& config, std::size_t shards) {
  const std::size_t wanted = config.limits.descriptors_reserve + config.admin.connections +
                             AdminServer::kProbes + shards * kOfAShard;
  DescriptorPlan plan{.limit = limit, .is_tight = wanted > limit / 2};
  const std::size_t clients = limit - std::min(wanted, limit / 2);
  plan.handshakes = std::clamp<std::size_t>(clients / kHandshakePart, 1, config.limits.handshakes);
  plan.connections = clients - std::min(clients, plan.handshakes);
  return plan;
}

std::string DescriptorPlan::text() const {
  return std::to_string(limit) + " descriptors: " + std::to_string(connections) +
         " for client connections and " + std::to_string(handshakes) + " for handshakes";
}

std::string DescriptorPlan::warning(const Limits& limits) const {
  constexpr const char* kRaise = "; raise the limit (LimitNOFILE, ulimit -n)";
  if (is_tight) {
    return "descriptors: half of " + std::to_string(limit) +
           " is too few for limits.descriptors_reserve, admin.connections and the shards" + kRaise;
  }
  if (limits.connections > connections) {
    return "limits.connections: " + std::to_string(limits.connections) + " is more than the " +
           std::to_string(connections) + " that " + std::to_string(limit) + " descriptors allow" +
           kRaise;
  }
  return {};
}

std::size_t shards_of(const Config& config) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  return config.server.threads > 0 ? config.server.threads : std::min<std::size_t>(cores, 256);
}

std::size_t descriptor_limit() { return limit_of(&rlimit::rlim_cur); }

std::size_t highest_descriptor_limit() { return limit_of(&rlimit::rlim_max); }

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace broadcast

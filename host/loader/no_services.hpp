#pragma once
// What a library is given where there is no host around it: no clients, and a cache that is empty.
// For a trial and for `plugin check`; [any].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "host/seams/cache_control.hpp"
#include "host/seams/client_control.hpp"

namespace broadcast {

class NoClients final : public ClientControl {
 public:
  [[nodiscard]] std::size_t client_count() const override { return 0; }
  [[nodiscard]] bool try_send_all(std::string_view) override { return true; }
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds, std::uint16_t,
                                    std::string_view) override {
    return true;
  }
};

class NoCache final : public CacheControl {
 public:
  [[nodiscard]] bool try_drop(std::string_view) override { return true; }
};

}  // namespace broadcast

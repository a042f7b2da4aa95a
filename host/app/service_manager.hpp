#pragma once
// systemd, where it has started the host. It may have opened the listening sockets beforehand and
// keep them across a restart, so that nobody is refused; it waits until the host serves before it
// starts what comes after; and it ends a host that is alive no more. Where it is not there, nothing
// happens. Owned by Server; [main].

#include <chrono>
#include <string>
#include <vector>

#include "host/base/clock.hpp"

namespace broadcast {

class ServiceManager {
 public:
  /// None.
  ServiceManager() = default;
  /// The one that the environment names, where what belongs to this process alone is removed.
  /// Throws std::runtime_error that names the descriptor, if it has passed one that is no listening
  /// socket.
  [[nodiscard]] static ServiceManager of_environment();

  /// Listening sockets that were passed; empty: none were.
  [[nodiscard]] const std::vector<int>& client_sockets() const { return client_sockets_; }
  /// Those that are named "admin" (FileDescriptorName=).
  [[nodiscard]] const std::vector<int>& admin_sockets() const { return admin_sockets_; }

  /// The host serves. `status` is what `systemctl status` shows.
  void ready(const std::string& status);
  /// The configuration is being read again; ready() follows.
  void reloading();
  void stopping();
  /// Often: what has to be alive, was at `alive_at`. Told no more often than needed.
  void on_tick(MonoTime alive_at, MonoTime now);

 private:
  std::vector<int> client_sockets_;
  std::vector<int> admin_sockets_;
  std::chrono::nanoseconds watchdog_{0};  // it waits so long for a sign of life; 0: it does not
  MonoTime told_at_{};
  bool is_stopping_ = false;
};

}  // namespace broadcast

#include "host/app/service_manager.hpp"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <sys/socket.h>
#include <systemd/sd-daemon.h>

namespace broadcast {

namespace {

constexpr std::string_view kAdmin = "admin";

void tell(const std::string& state) { static_cast<void>(::sd_notify(0, state.c_str())); }

}  // namespace

ServiceManager ServiceManager::of_environment() {
  ServiceManager manager;
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  if (count < 0) {
    throw std::runtime_error("the sockets that systemd has passed cannot be used: " +
                             std::generic_category().message(-count));
  }
  for (int i = 0; i < count; ++i) {
    const int socket = SD_LISTEN_FDS_START + i;
    const std::string name = names[i];
    std::free(names[i]);
    if (::sd_is_socket(socket, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      throw std::runtime_error("systemd has passed descriptor " + std::to_string(socket) + " (" +
                               name + "), which is no listening stream socket; use ListenStream=");
    }
    (name == kAdmin ? manager.admin_sockets_ : manager.client_sockets_).push_back(socket);
  }
  std::free(names);
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(1, &microseconds) > 0) {
    manager.watchdog_ = std::chrono::microseconds(microseconds);
  }
  return manager;
}

void ServiceManager::ready(const std::string& status) {
  if (!is_stopping_) tell("READY=1\nSTATUS=" + status);
}

void ServiceManager::reloading() {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()));
}

void ServiceManager::stopping() {
  is_stopping_ = true;
  tell("STOPPING=1\nSTATUS=clients are being closed");
}

void ServiceManager::on_tick(MonoTime alive_at, MonoTime now) {
  if (watchdog_ == std::chrono::nanoseconds(0) || now - told_at_ < watchdog_ / 4) return;
  if (now - alive_at >= watchdog_ / 2) return;
  told_at_ = now;
  tell("WATCHDOG=1");
}

}  // namespace broadcast

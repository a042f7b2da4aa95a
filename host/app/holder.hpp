#pragma once
// Which process has a port or a file: for --check, which says so to who wants it too. Reads /proc;
// [main].

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace broadcast {

struct Holder {
  pid_t pid = 0;
  std::string name;  ///< of its binary, as ps shows it
};

/// Who listens on the TCP port, whatever the address. Nothing: nobody, or it is a process whose
/// descriptors only its own user may see.
[[nodiscard]] std::optional<Holder> holder_of_port(std::uint16_t port);
/// Who has the Unix socket that was made at `path`; the same.
[[nodiscard]] std::optional<Holder> holder_of_unix_socket(const std::string& path);
/// Who has the file open; the same.
[[nodiscard]] std::optional<Holder> holder_of_file(const std::string& path);

}  // namespace broadcast

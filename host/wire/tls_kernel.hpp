#pragma once
// What the kernel may do for a connection with TLS 1.3: seal what is written to its socket. An
// interface, because this folder has no sockets; host/net has what stands behind it.

#include <cstdint>
#include <span>
#include <string_view>

#include <sys/types.h>

namespace broadcast {

/// What is in a record. The numbers are those of RFC 8446.
enum class TlsContent : std::uint8_t { kAlert = 21, kHandshake = 22, kData = 23 };

enum class TlsCipher : std::uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };

/// [any]
class TlsKernel {
 public:
  virtual ~TlsKernel() = default;

  /// From now on the kernel seals what is written to `socket` with `key`; its first record is
  /// number `sequence` of that key. May be called again with a newer key. False: it does not, and
  /// what is written goes out as it is.
  [[nodiscard]] virtual bool try_seal(int socket, TlsCipher cipher,
                                      std::span<const unsigned char> key,
                                      std::span<const unsigned char> nonce,
                                      std::uint64_t sequence) const = 0;
  /// Writes a record that is not data to a socket whose kernel seals. Its size, or an errno below
  /// zero.
  [[nodiscard]] virtual ssize_t send_record(int socket, TlsContent content,
                                            std::string_view plain) const = 0;
};

}  // namespace broadcast

#pragma once
// Linux can seal TLS records itself (module tls): what is written to the socket is plain then, and
// nothing is copied once more. The handshake, and what the client sends, stay in this process.

#include "host/wire/tls_kernel.hpp"

namespace broadcast {

/// A second key for the same socket: Linux 6.14 and later. [any]
[[nodiscard]] const TlsKernel& kernel_tls();

}  // namespace broadcast

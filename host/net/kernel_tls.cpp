#include "host/net/kernel_tls.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <linux/tls.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace broadcast {

namespace {

/// `Info` is one of the kernel's structs: a nonce in two parts, the key, and the record's number.
template <class Info>
bool try_set(int socket, std::uint16_t cipher, std::span<const unsigned char> key,
             std::span<const unsigned char> nonce, std::uint64_t sequence) {
  Info info{};
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = cipher;
  if (key.size() != sizeof info.key || nonce.size() < sizeof info.iv) return false;
  const std::size_t salt_bytes =
      nonce.size() - sizeof info.iv;  // the salt may be of no size at all
  std::ranges::copy(key, info.key);
  std::memcpy(reinterpret_cast<unsigned char*>(&info) + offsetof(Info, salt), nonce.data(),
              salt_bytes);
  std::ranges::copy(nonce.subspan(salt_bytes), info.iv);
  for (std::size_t i = 0; i < sizeof info.rec_seq; ++i) {
    info.rec_seq[sizeof info.rec_seq - 1 - i] = static_cast<unsigned char>(sequence >> (8 * i));
  }
  const bool is_set = ::setsockopt(socket, SOL_TLS, TLS_TX, &info, sizeof info) == 0;
  explicit_bzero(&info, sizeof info);
  return is_set;
}

class KernelTls final : public TlsKernel {
 public:
  bool try_seal(int socket, TlsCipher cipher, std::span<const unsigned char> key,
                std::span<const unsigned char> nonce, std::uint64_t sequence) const override {
    constexpr std::string_view kName = "tls";
    if (is_missing_.load(std::memory_order_relaxed)) return false;
    if (::setsockopt(socket, SOL_TCP, TCP_ULP, kName.data(), kName.size()) != 0) {
      // Of root the kernel would look for the module at each connection.
      if (errno == ENOENT) is_missing_.store(true, std::memory_order_relaxed);
      if (errno != EEXIST) return false;
    }
    switch (cipher) {
      case TlsCipher::kAes128Gcm:
        return try_set<tls12_crypto_info_aes_gcm_128>(socket, TLS_CIPHER_AES_GCM_128, key, nonce,
                                                      sequence);
      case TlsCipher::kAes256Gcm:
        return try_set<tls12_crypto_info_aes_gcm_256>(socket, TLS_CIPHER_AES_GCM_256, key, nonce,
                                                      sequence);
      case TlsCipher::kChaCha20Poly1305:
        return try_set<tls12_crypto_info_chacha20_poly1305>(socket, TLS_CIPHER_CHACHA20_POLY1305,
                                                            key, nonce, sequence);
    }
    return false;
  }

  ssize_t send_record(int socket, TlsContent content, std::string_view plain) const override {
    iovec part{const_cast<char*>(plain.data()), plain.size()};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(1)> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const type = CMSG_FIRSTHDR(&message);
    type->cmsg_level = SOL_TLS;
    type->cmsg_type = TLS_SET_RECORD_TYPE;
    type->cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(type) = static_cast<unsigned char>(content);
    const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
  }

 private:
  mutable std::atomic<bool> is_missing_{false};
};

}  // namespace

const TlsKernel& kernel_tls() {
  static const KernelTls kKernel;
  return kKernel;
}

}  // namespace broadcast

#pragma once
// OpenSSL keeps 14 KB for a connection that is idle, and takes longer to find its way to the cipher
// than the cipher takes for a message. Of a TLS 1.3 connection whose handshake is done, two keys
// and two counters are all that is needed: this seals and opens its records (RFC 8446, 5) with
// OpenSSL's ciphers. The handshake itself, and TLS 1.2, stay with OpenSSL.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include "host/wire/tls_kernel.hpp"

using SSL_CIPHER = struct ssl_cipher_st;

namespace broadcast {

/// A secret of a cipher suite; its bytes are overwritten when it goes.
class TlsSecret {
 public:
  TlsSecret() = default;
  /// Of so many bytes, at most 64, which the caller writes.
  explicit TlsSecret(std::size_t bytes);
  /// Of hexadecimal digits; empty if they are none.
  [[nodiscard]] static TlsSecret of_hex(const char* text);
  ~TlsSecret();
  TlsSecret(TlsSecret&& other) noexcept;
  TlsSecret& operator=(TlsSecret&& other) noexcept;

  [[nodiscard]] std::span<const unsigned char> bytes() const { return {bytes_.data(), size_}; }
  [[nodiscard]] std::span<unsigned char> bytes() { return {bytes_.data(), size_}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  std::array<unsigned char, 64> bytes_{};
  std::size_t size_ = 0;
};

/// The key of one direction, and the secret that the next one is made of. One thread.
class TlsRecordKey {
 public:
  enum class Use : std::uint8_t { kSeal, kOpen };

  /// `secret`: the direction's traffic secret; `sequence`: how many records its key has protected.
  /// Throws std::bad_alloc, as next() does.
  TlsRecordKey(const SSL_CIPHER& suite, Use use, TlsSecret secret, std::uint64_t sequence);
  /// The one that comes behind this.
  [[nodiscard]] TlsRecordKey next() const;

  /// Appends a record with `plain`, at most kMostPlain bytes, to `sealed`. REQUIRES: kSeal.
  void seal(TlsContent content, std::string_view plain, std::string& sealed);
  struct OpenedRecord {
    TlsContent content;
    std::size_t bytes;  ///< of `plain`
  };
  /// `record` is whole, with its header; `plain` has room for as many bytes. Nothing: it is not
  /// what the other side has sealed, and `plain` holds nothing. REQUIRES: kOpen.
  [[nodiscard]] std::optional<OpenedRecord> open(std::string_view record, std::span<char> plain);
  /// The kernel seals with it what is written to `socket` from now on. False: it does not.
  [[nodiscard]] bool try_give_to(const TlsKernel& kernel, int socket) const;
  /// That it has protected.
  [[nodiscard]] std::uint64_t records() const { return sequence_; }
  [[nodiscard]] const SSL_CIPHER& suite() const { return *suite_; }

  static constexpr std::size_t kMostPlain = 16 * 1024;

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* cipher) const;
  };
  static constexpr std::size_t kNonceBytes = 12;

  [[nodiscard]] TlsSecret key() const;
  void begin(std::span<const unsigned char> header);

  const SSL_CIPHER* suite_;
  Use use_;
  TlsSecret secret_;
  TlsSecret iv_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> cipher_;
  std::uint64_t sequence_;
};

/// What became of bytes that were to be opened.
enum class TlsOpened : std::uint8_t {
  kBytes,    ///< so many
  kNothing,  ///< all that has come is used up, but for a part of a record
  kClosed,   ///< the client has said that it sends no more
  kBroken,   ///< what came is not what it sent, or costs us more than it says
};

/// Both directions of a connection, on the server's side. One thread.
class TlsRecords {
 public:
  /// Of AES-GCM, 2^24.5 records a key are safe (RFC 8446, 5.5).
  static constexpr std::uint64_t kRecordsAKey = std::uint64_t{1} << 23U;

  /// It can do without OpenSSL's session.
  [[nodiscard]] static bool can_use(const SSL_CIPHER& suite);

  /// The secrets are those of the application's traffic; `sent` records went to the client by
  /// them already. REQUIRES: can_use(). Throws std::bad_alloc.
  TlsRecords(const SSL_CIPHER& suite, TlsSecret from_client, TlsSecret to_client,
             std::uint64_t sent, std::uint64_t records_a_key = kRecordsAKey);

  struct OpenResult {
    TlsOpened what;
    std::size_t bytes = 0;
  };
  /// Decrypts what the client has sent, and takes it from `input`, until there are bytes for
  /// `plain`, or no record is whole. Throws std::bad_alloc.
  [[nodiscard]] OpenResult open(std::string_view& input, std::span<char> plain);
  /// Bytes that were opened, and had no room.
  [[nodiscard]] std::size_t left_bytes() const { return left_.size(); }

  /// Appends a record with `plain`, at most TlsRecordKey::kMostPlain bytes, to `sealed`; new keys
  /// first, if the client has asked for them or the old one has protected enough. Throws
  /// std::bad_alloc; then `plain` is not sealed. REQUIRES: is_sealing().
  void seal(std::string_view plain, std::string& sealed);
  /// Says that nothing follows: behind `sealed`, or where the kernel seals, to its socket. False:
  /// that takes no more now.
  [[nodiscard]] bool try_seal_end(std::string& sealed);
  /// Before anything is sealed: whatever is written to `socket` is sealed by `kernel`; both outlive
  /// this. False: it is not.
  [[nodiscard]] bool try_give_to(const TlsKernel& kernel, int socket);
  [[nodiscard]] bool is_sealing() const { return kernel_ == nullptr; }

  [[nodiscard]] const SSL_CIPHER& suite() const { return write_.suite(); }

 private:
  [[nodiscard]] std::size_t take_left(std::span<char> plain);
  [[nodiscard]] bool is_cheap_again();
  [[nodiscard]] bool take_handshake(std::string_view message);
  [[nodiscard]] bool try_renew_in_kernel();

  const std::uint64_t records_a_key_;
  TlsRecordKey read_;
  TlsRecordKey write_;
  std::string left_;
  int cheap_ = 0;  // records since the last one with data
  bool owes_key_ = false;
  const TlsKernel* kernel_ = nullptr;  // null: this seals
  int socket_ = -1;                    // of the kernel
};

}  // namespace broadcast

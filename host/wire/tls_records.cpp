#include "host/wire/tls_records.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include "host/base/assert.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kHeaderBytes = 5;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kMostBody = TlsRecordKey::kMostPlain + 256;
/// New keys and empty records cost a client next to nothing, and us a derivation or a decryption.
constexpr int kMostCheap = 32;

// Of RFC 8446.
constexpr std::string_view kNewKey("\x18\x00\x00\x01\x00", 5);  // KeyUpdate, wants none in return
constexpr std::string_view kCloseNotify("\x01\x00", 2);
constexpr char kUserCanceled = 90;

const EVP_CIPHER* cipher_of(const SSL_CIPHER& suite) {
  return EVP_get_cipherbynid(SSL_CIPHER_get_cipher_nid(&suite));
}

std::optional<TlsCipher> known(const SSL_CIPHER& suite) {
  switch (SSL_CIPHER_get_cipher_nid(&suite)) {
    case NID_aes_128_gcm:
      return TlsCipher::kAes128Gcm;
    case NID_aes_256_gcm:
      return TlsCipher::kAes256Gcm;
    case NID_chacha20_poly1305:
      return TlsCipher::kChaCha20Poly1305;
    default:
      return std::nullopt;
  }
}

/// HKDF-Expand-Label (RFC 8446, 7.1), without a context.
TlsSecret expand(const SSL_CIPHER& suite, const TlsSecret& secret, std::string_view label,
                 int bytes) {
  static EVP_KDF* const kKdf = EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_3_KDF, nullptr);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(kKdf),
                                                                          &EVP_KDF_CTX_free);
  if (!context) throw std::bad_alloc();
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::string prefix = "tls13 ";
  std::string name(label);
  const std::span<const unsigned char> key = secret.bytes();
  const EVP_MD* const digest = SSL_CIPHER_get_handshake_digest(&suite);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                       const_cast<char*>(EVP_MD_get0_name(digest)), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<unsigned char*>(key.data()),
                                        key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, prefix.data(), prefix.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, name.data(), name.size()),
      OSSL_PARAM_construct_end()};
  TlsSecret made(static_cast<std::size_t>(bytes));
  if (EVP_KDF_derive(context.get(), made.bytes().data(), made.bytes().size(), parameters) != 1) {
    throw std::bad_alloc();
  }
  return made;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// Of OpenSSL, with a key that it has taken: it does not fail for anything that a client sends.
void require(int result) { BROADCAST_ASSERT(result == 1, "OpenSSL cannot use a cipher"); }

}  // namespace

TlsSecret::TlsSecret(std::size_t bytes) : size_(bytes) {
  BROADCAST_ASSERT(bytes <= bytes_.size(), "a secret is too long");
}

TlsSecret TlsSecret::of_hex(const char* text) {
  TlsSecret secret;
  const int is_read =
      OPENSSL_hexstr2buf_ex(secret.bytes_.data(), secret.bytes_.size(), &secret.size_, text, '\0');
  if (is_read != 1) secret.size_ = 0;
  return secret;
}

TlsSecret::~TlsSecret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

TlsSecret::TlsSecret(TlsSecret&& other) noexcept { *this = std::move(other); }

TlsSecret& TlsSecret::operator=(TlsSecret&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  size_ = std::exchange(other.size_, 0);
  OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
  return *this;
}

void TlsRecordKey::Free::operator()(EVP_CIPHER_CTX* cipher) const { EVP_CIPHER_CTX_free(cipher); }

TlsRecordKey::TlsRecordKey(const SSL_CIPHER& suite, Use use, TlsSecret secret,
                           std::uint64_t sequence)
    : suite_(&suite),
      use_(use),
      secret_(std::move(secret)),
      iv_(expand(suite, secret_, "iv", kNonceBytes)),
      cipher_(EVP_CIPHER_CTX_new()),
      sequence_(sequence) {
  if (!cipher_ || EVP_CipherInit_ex2(cipher_.get(), cipher_of(suite), key().bytes().data(), nullptr,
                                     use == Use::kSeal ? 1 : 0, nullptr) != 1) {
    throw std::bad_alloc();
  }
}

TlsRecordKey TlsRecordKey::next() const {
  const int bytes = EVP_MD_get_size(SSL_CIPHER_get_handshake_digest(suite_));
  return {*suite_, use_, expand(*suite_, secret_, "traffic upd", bytes), 0};
}

TlsSecret TlsRecordKey::key() const {
  return expand(*suite_, secret_, "key", EVP_CIPHER_get_key_length(cipher_of(*suite_)));
}

bool TlsRecordKey::try_give_to(const TlsKernel& kernel, int socket) const {
  const auto cipher = known(*suite_);
  return cipher && kernel.try_seal(socket, *cipher, key().bytes(), iv_.bytes(), sequence_);
}

/// With the next nonce.
void TlsRecordKey::begin(std::span<const unsigned char> header) {
  std::array<unsigned char, kNonceBytes> nonce;
  std::ranges::copy(iv_.bytes(), nonce.begin());
  for (std::size_t i = 0; i < sizeof sequence_; ++i) {
    nonce.at(kNonceBytes - 1 - i) ^= static_cast<unsigned char>(sequence_ >> (8 * i));
  }
  ++sequence_;
  int bytes = 0;
  require(EVP_CipherInit_ex2(cipher_.get(), nullptr, nullptr, nonce.data(), -1, nullptr));
  require(EVP_CipherUpdate(cipher_.get(), nullptr, &bytes, header.data(),
                           static_cast<int>(header.size())));
}

void TlsRecordKey::seal(TlsContent content, std::string_view plain, std::string& sealed) {
  BROADCAST_ASSERT(use_ == Use::kSeal && plain.size() <= kMostPlain, "too much for a record");
  const std::size_t body = plain.size() + 1 + kTagBytes;
  const std::array<unsigned char, kHeaderBytes> header{
      static_cast<unsigned char>(TlsContent::kData), 3, 3, static_cast<unsigned char>(body >> 8U),
      static_cast<unsigned char>(body)};
  const std::size_t before = sealed.size();
  sealed.resize(before + kHeaderBytes + body);
  auto* to = reinterpret_cast<unsigned char*>(sealed.data()) + before;
  to = std::ranges::copy(header, to).out;
  // Calls of OpenSSL cost more here than copying: one encrypts text and type where they stand.
  unsigned char* const end = std::ranges::copy(plain, to).out;
  *end = static_cast<unsigned char>(content);
  begin(header);
  int bytes = 0;
  require(EVP_CipherUpdate(cipher_.get(), to, &bytes, to, static_cast<int>(plain.size() + 1)));
  require(EVP_CipherFinal_ex(cipher_.get(), to + bytes, &bytes));
  OSSL_PARAM tag[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, end + 1, kTagBytes),
      OSSL_PARAM_construct_end()};
  require(EVP_CIPHER_CTX_get_params(cipher_.get(), tag));
}

auto TlsRecordKey::open(std::string_view record, std::span<char> plain)
    -> std::optional<OpenedRecord> {
  BROADCAST_ASSERT(use_ == Use::kOpen && record.size() <= plain.size() + kHeaderBytes,
                   "no room for a record");
  if (record.size() < kHeaderBytes + kTagBytes + 1) return std::nullopt;
  begin({bytes_of(record), kHeaderBytes});
  const std::string_view body =
      record.substr(kHeaderBytes, record.size() - kHeaderBytes - kTagBytes);
  const std::string_view tag = record.substr(record.size() - kTagBytes);
  auto* const to = reinterpret_cast<unsigned char*>(plain.data());
  int bytes = 0;
  int rest = 0;
  require(
      EVP_CipherUpdate(cipher_.get(), to, &bytes, bytes_of(body), static_cast<int>(body.size())));
  require(EVP_CIPHER_CTX_ctrl(cipher_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                              const_cast<char*>(tag.data())));
  if (EVP_CipherFinal_ex(cipher_.get(), to + bytes, &rest) != 1) {
    OPENSSL_cleanse(to, body.size());
    return std::nullopt;
  }
  if (body.size() > kMostPlain + 1) return std::nullopt;  // with its padding
  std::size_t end = body.size();  // the content's type is the last byte that is not zero
  while (end > 0 && plain[end - 1] == 0) --end;
  if (end == 0) return std::nullopt;
  return OpenedRecord{static_cast<TlsContent>(plain[end - 1]), end - 1};
}

bool TlsRecords::can_use(const SSL_CIPHER& suite) { return known(suite).has_value(); }

TlsRecords::TlsRecords(const SSL_CIPHER& suite, TlsSecret from_client, TlsSecret to_client,
                       std::uint64_t sent, std::uint64_t records_a_key)
    : records_a_key_(records_a_key),
      read_(suite, TlsRecordKey::Use::kOpen, std::move(from_client), 0),
      write_(suite, TlsRecordKey::Use::kSeal, std::move(to_client), sent) {}

std::size_t TlsRecords::take_left(std::span<char> plain) {
  const std::size_t bytes = left_.copy(plain.data(), plain.size());
  left_.erase(0, bytes);
  if (left_.empty()) std::string().swap(left_);
  return bytes;
}

/// True: too often.
bool TlsRecords::is_cheap_again() { return ++cheap_ > kMostCheap; }

auto TlsRecords::open(std::string_view& input, std::span<char> plain) -> OpenResult {
  if (!left_.empty()) return {TlsOpened::kBytes, take_left(plain)};
  while (input.size() >= kHeaderBytes) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(input[i]));
    };
    const std::size_t body = byte(3) << 8U | byte(4);
    const bool is_protected = byte(0) == static_cast<std::size_t>(TlsContent::kData);
    if (!is_protected || byte(1) != 3 || body > kMostBody) return {TlsOpened::kBroken};
    if (input.size() < kHeaderBytes + body) break;
    const std::string_view record = input.substr(0, kHeaderBytes + body);
    input.remove_prefix(record.size());
    std::string spilled;
    const bool has_room = plain.size() >= body;
    if (!has_room) spilled.resize(body);
    const std::span<char> room = has_room ? plain : std::span<char>(spilled);
    const auto opened = read_.open(record, room);
    if (!opened) return {TlsOpened::kBroken};
    const std::string_view text(room.data(), opened->bytes);
    switch (opened->content) {
      case TlsContent::kData:
        if (text.empty()) {
          if (is_cheap_again()) return {TlsOpened::kBroken};
          break;
        }
        cheap_ = 0;
        if (has_room) return {TlsOpened::kBytes, text.size()};
        spilled.resize(text.size());
        left_ = std::move(spilled);
        return {TlsOpened::kBytes, take_left(plain)};
      case TlsContent::kHandshake:
        if (!take_handshake(text)) return {TlsOpened::kBroken};
        break;
      case TlsContent::kAlert:
        if (text.size() == 2 && text.back() == kCloseNotify.back()) return {TlsOpened::kClosed};
        if (text.size() != 2 || text.back() != kUserCanceled || is_cheap_again()) {
          return {TlsOpened::kBroken};
        }
        break;
      default:
        return {TlsOpened::kBroken};
    }
  }
  return {TlsOpened::kNothing};
}

/// Only new keys may come behind the handshake. What follows them is protected by them, so they are
/// the last of their record; nobody cuts these five bytes in two.
bool TlsRecords::take_handshake(std::string_view message) {
  const std::string_view head = kNewKey.substr(0, kNewKey.size() - 1);
  if (message.size() != kNewKey.size() || !message.starts_with(head)) return false;
  const char wants_one = message.back();
  if ((wants_one != 0 && wants_one != 1) || is_cheap_again()) return false;
  read_ = read_.next();
  if (wants_one == 0) return true;
  if (!is_sealing()) return try_renew_in_kernel();
  owes_key_ = true;  // once, however often it asks, and before anything else is sent
  return true;
}

/// False: the kernel has the old key, and keeps it; or the socket takes no more.
bool TlsRecords::try_renew_in_kernel() {
  TlsRecordKey next = write_.next();
  const auto bytes = static_cast<ssize_t>(kNewKey.size());
  if (kernel_->send_record(socket_, TlsContent::kHandshake, kNewKey) != bytes) return false;
  write_ = std::move(next);
  return write_.try_give_to(*kernel_, socket_);
}

bool TlsRecords::try_give_to(const TlsKernel& kernel, int socket) {
  if (!write_.try_give_to(kernel, socket)) return false;
  kernel_ = &kernel;
  socket_ = socket;
  return true;
}

void TlsRecords::seal(std::string_view plain, std::string& sealed) {
  BROADCAST_ASSERT(is_sealing(), "the kernel seals this connection");
  if (owes_key_ || write_.records() >= records_a_key_) {
    TlsRecordKey next = write_.next();
    write_.seal(TlsContent::kHandshake, kNewKey, sealed);
    write_ = std::move(next);
    owes_key_ = false;
  }
  write_.seal(TlsContent::kData, plain, sealed);
}

bool TlsRecords::try_seal_end(std::string& sealed) {
  if (is_sealing()) {
    write_.seal(TlsContent::kAlert, kCloseNotify, sealed);
    return true;
  }
  const ssize_t sent = kernel_->send_record(socket_, TlsContent::kAlert, kCloseNotify);
  return sent != -EAGAIN && sent != -EWOULDBLOCK;
}

}  // namespace broadcast

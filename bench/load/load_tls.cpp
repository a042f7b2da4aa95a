#include "bench/load/load_tls.hpp"

#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>

namespace broadcast {

namespace {

SSL_CTX* shared_context() {
  static SSL_CTX* const context = [] {
    SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    return made;
  }();
  return context;
}

}  // namespace

LoadTls::LoadTls() : session_(SSL_new(shared_context())) {
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (!session_ || in == nullptr || out == nullptr) throw std::bad_alloc();
  SSL_set_bio(session_.get(), in, out);
  SSL_set_connect_state(session_.get());
}

bool LoadTls::try_shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) return true;
  has_failed_ = SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ;
  return false;
}

void LoadTls::feed(std::string_view sealed) {
  BIO_write(SSL_get_rbio(session_.get()), sealed.data(), static_cast<int>(sealed.size()));
}

std::size_t LoadTls::open(std::span<char> plain) {
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(session_.get(), plain.data(), plain.size(), &bytes);
  if (result == 1) return bytes;
  has_failed_ = SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ;
  return 0;
}

void LoadTls::seal(std::string_view plain) {
  SSL_write(session_.get(), plain.data(), static_cast<int>(plain.size()));
}

std::string LoadTls::take_sealed() {
  BIO* const out = SSL_get_wbio(session_.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

}  // namespace broadcast

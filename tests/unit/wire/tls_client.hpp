#pragma once
// The other end of a TlsSession, and certificates for it: OpenSSL's own, in this process.

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "host/wire/tls.hpp"

namespace broadcast {

template <auto Free>
struct Freed {
  void operator()(auto* one) const { Free(one); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

// What both ends of TlsRecords need.

inline const SSL_CIPHER& aes_128_gcm() {
  static SSL_CTX* const kContext = SSL_CTX_new(TLS_client_method());
  static SSL* const kSession = SSL_new(kContext);
  const unsigned char number[] = {0x13, 0x01};
  return *SSL_CIPHER_find(kSession, number);
}

inline TlsSecret tls_secret(unsigned char of) {
  TlsSecret made(32);
  std::ranges::fill(made.bytes(), of);
  return made;
}

/// A directory of certificates, gone with the test.
class MadeCertificates {
 public:
  MadeCertificates() {
    std::string pattern = std::filesystem::temp_directory_path() / "tls.XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~MadeCertificates() { std::filesystem::remove_all(directory_); }
  MadeCertificates(const MadeCertificates&) = delete;
  MadeCertificates& operator=(const MadeCertificates&) = delete;

  /// A certificate for `name`, signed by itself, that expires in `seconds`.
  TlsIdentity make(const std::string& name, long seconds = 3600) {
    return make(name, seconds, Key(EVP_EC_gen("P-256")));
  }
  TlsIdentity make_rsa(const std::string& name) { return make(name, 3600, Key(EVP_RSA_gen(2048))); }

  [[nodiscard]] std::string file_of(const std::string& name, const std::string& text) const {
    write(directory_ + "/" + name, [&](FILE* file) { std::fputs(text.c_str(), file); });
    return directory_ + "/" + name;
  }

 private:
  TlsIdentity make(const std::string& name, long seconds, const Key& key) {
    const Certificate certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), seconds);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* const subject = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), subject);
    const std::string names = "DNS:" + name;
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    TlsIdentity identity{.names = {},
                         .certificate = directory_ + "/" + name + ".pem",
                         .key = directory_ + "/" + name + ".key"};
    write(identity.certificate, [&](FILE* file) { PEM_write_X509(file, certificate.get()); });
    write(identity.key, [&](FILE* file) {
      PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return identity;
  }
  static void write(const std::string& path, const std::function<void(FILE*)>& use) {
    FILE* const file = std::fopen(path.c_str(), "w");
    use(file);
    std::fclose(file);
  }

  std::string directory_;
  long serial_ = 0;
};

/// OpenSSL's own client, on bytes.
class TlsClient {
 public:
  explicit TlsClient(const std::function<void(SSL*)>& prepare = [](SSL*) {})
      : context_(SSL_CTX_new(TLS_client_method())), session_(SSL_new(context_.get())) {
    SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(session_.get());
    prepare(session_.get());
  }
  [[nodiscard]] SSL* get() { return session_.get(); }
  /// True: its side of the handshake is done.
  bool shake_hands() { return SSL_do_handshake(session_.get()) == 1; }
  void receive(std::string_view bytes) {
    BIO_write(SSL_get_rbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }
  /// What it has to send.
  std::string take() {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(session_.get())), '\0');
    if (!bytes.empty()) {
      BIO_read(SSL_get_wbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
    }
    return bytes;
  }
  void send(std::string_view text) {
    SSL_write(session_.get(), text.data(), static_cast<int>(text.size()));
  }
  std::string read() {
    std::string all;
    std::array<char, 4096> part{};
    for (int n = 0; (n = SSL_read(session_.get(), part.data(), part.size())) > 0;) {
      all.append(part.data(), static_cast<std::size_t>(n));
    }
    return all;
  }
  [[nodiscard]] bool was_told_the_end() {
    return (SSL_get_shutdown(session_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  [[nodiscard]] std::string shown_name() {
    const Certificate shown(SSL_get1_peer_certificate(session_.get()));
    std::array<char, 256> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name.data(),
                              name.size());
    return name.data();
  }

 private:
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Freed<SSL_free>> session_;
};

}  // namespace broadcast

#pragma once
// TLS on bytes, without sockets but for the handshake's answers: a TlsContext is what the
// configuration says (certificates, versions, whose clients), a TlsSession is one connection's
// keys. What is sealed cannot be superseded any more, so whoever writes seals no more than the
// socket takes. Idle sessions hold no buffers.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/bio.h>
#include <openssl/types.h>

#include "host/wire/tls_kernel.hpp"
#include "host/wire/tls_records.hpp"

namespace broadcast {

enum class TlsVersion : std::uint8_t { k12, k13 };

/// One certificate, and for which names it is shown.
struct TlsIdentity {
  std::vector<std::string> names;  ///< "a.example", "*.example"; none: those of the certificate
  std::string certificate;         ///< file: the certificate and its chain, PEM
  std::string key;                 ///< file: its private key, PEM, not encrypted
  bool operator==(const TlsIdentity&) const = default;
};

struct TlsOptions {
  /// The first one is for clients that name no host, or an unknown one. None: no TLS.
  std::vector<TlsIdentity> identities;
  std::string client_ca;  ///< file; not empty: clients need a certificate that it has signed
  TlsVersion min_version = TlsVersion::k12;
  bool operator==(const TlsOptions&) const = default;
};

/// Immutable; shared by all shards, and by sessions after a newer one has taken its place. [any]
class TlsContext {
 public:
  /// Throws std::runtime_error that names the file and what to do.
  explicit TlsContext(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// What an operator should know, a line each: "/etc/tls/a.pem has expired on ...".
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// What it shows, in the order of its options: "/etc/tls/a.pem, until 2027-03-01".
  [[nodiscard]] const std::vector<std::string>& certificates() const { return certificates_; }
  /// The server's side of a connection, for who brings its own input and output; the caller frees
  /// it, and keeps this until then. Throws std::bad_alloc.
  [[nodiscard]] SSL* new_session() const;

 private:
  friend class TlsSession;
  struct Free {
    void operator()(SSL_CTX* context) const;
  };
  using ContextPtr = std::unique_ptr<SSL_CTX, Free>;
  struct Identity {
    std::vector<std::string> names;
    ContextPtr context;
  };
  [[nodiscard]] Identity load(const TlsIdentity& identity, const TlsOptions& options);
  [[nodiscard]] SSL_CTX* context_for(const char* name) const;
  static int on_server_name(SSL* session, int* alert, void* self);

  std::vector<Identity> identities_;
  std::vector<std::string> certificates_;
  std::vector<std::string> warnings_;
};

/// The server's side of one connection. Its owner's thread.
class TlsSession {
 public:
  /// Writes what the handshake has to say to `socket`, which does not block. `kernel` may seal
  /// behind it; null: it does not. Both outlive the session. Throws std::bad_alloc.
  TlsSession(std::shared_ptr<const TlsContext> context, int socket,
             const TlsKernel* kernel = nullptr);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// What the socket has received. It need not outlive the calls that use it up: handshake() until
  /// it is not kDone, open() until it gives nothing.
  void feed(std::string_view received);

  enum class Handshake : std::uint8_t {
    kDone,
    kWantsToRead,
    kWantsToWrite,  ///< again once the socket takes bytes
    kIsHttp,        ///< the client speaks plain HTTP; nothing of it is used up
    kFailed,        ///< problem() says why; the client was told
  };
  /// Goes on with what feed() gave.
  [[nodiscard]] Handshake handshake();
  /// "no shared cipher". Of kFailed.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  using Opened = TlsOpened;
  using OpenResult = TlsRecords::OpenResult;
  /// Decrypts into `plain` what feed() gave, until it says anything but kBytes. May have something
  /// to say itself: see is_sealing() and take_sealed(). REQUIRES: the handshake is done.
  [[nodiscard]] OpenResult open(std::span<char> plain);

  /// False: the kernel encrypts what is written to the socket. REQUIRES: the handshake is done.
  [[nodiscard]] bool is_sealing() const { return !records_ || records_->is_sealing(); }
  /// Encrypts `plain`, at most kMostSealed bytes, behind what take_sealed() has not taken.
  /// REQUIRES: is_sealing().
  void seal(std::string_view plain);
  static constexpr std::size_t kMostSealed = TlsRecordKey::kMostPlain;  ///< one record
  /// Says that nothing follows: sealed, or where the kernel encrypts, written to the socket. False:
  /// that takes no more now, and it is to be called again.
  [[nodiscard]] bool try_seal_end();
  /// What is to be written to the socket; empty: nothing is.
  [[nodiscard]] std::string take_sealed() { return std::exchange(sealed_, {}); }
  [[nodiscard]] bool has_sealed() const { return !sealed_.empty(); }
  [[nodiscard]] std::size_t sealed_bytes() const { return sealed_.size(); }

  /// Held for what has come in part; none while the session is idle.
  [[nodiscard]] std::size_t kept_bytes() const;
  /// What feed() gave is gone, and what follows it cannot be opened.
  void forget_input();
  /// "TLSv1.3, TLS_AES_128_GCM_SHA256". REQUIRES: the handshake is done.
  [[nodiscard]] std::string cipher() const;
  /// What it keeps while it is idle, about.
  [[nodiscard]] std::size_t idle_bytes() const;

 private:
  friend class TlsContext;
  struct Free {
    void operator()(SSL* session) const;
  };
  static void on_secret(const SSL* session, const char* line);
  static void on_message(int is_ours, int version, int type, const void* bytes, std::size_t count,
                         SSL* session, void* self);
  static int read_input(BIO* bio, char* to, int most);
  static int write_sealed(BIO* bio, const char* from, int count);
  static long control(BIO* bio, int command, long number, void* pointer);
  static BIO_METHOD* bio_method();
  void keep_input();
  void take_over();

  std::shared_ptr<const TlsContext> context_;  // as long as session_
  const int socket_;
  const TlsKernel* const kernel_;
  std::unique_ptr<SSL, Free> session_;  // null: records_ have taken over
  std::optional<TlsRecords> records_;
  TlsSecret from_client_;  // until then
  TlsSecret to_client_;    // also
  // Records that OpenSSL has sealed with the key of the application's traffic: tickets, which come
  // behind the client's Finished. There is no early data, and nothing is sent before it.
  std::uint64_t sent_by_it_ = 0;
  bool has_finished_ = false;  // the client's part of the handshake
  std::string_view input_;
  std::string kept_;  // what input_ is of, where it has to outlive who has fed it
  std::string sealed_;
  std::string problem_;
  bool is_done_ = false;  // the handshake
  int asked_ = 0;         // handshake messages since feed(), behind the handshake
};

}  // namespace broadcast

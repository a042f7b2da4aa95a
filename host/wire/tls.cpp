#include "host/wire/tls.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "host/base/assert.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kHttp11 = "\x08http/1.1";
constexpr std::string_view kSessionContext = "broadcast-host";
/// New keys cost a client next to nothing to ask for, and us a derivation each.
constexpr int kMostAsked = 32;
/// Of OpenSSL's answers that nobody takes, in bytes.
constexpr std::size_t kMostAnswers = 64 * 1024;
/// Of OpenSSL's buffer for one that has come in part.
constexpr std::size_t kRecordOverhead = 1024;
/// What is kept for a connection that is idle.
constexpr std::size_t kOfRecords = 3 * 1024;
constexpr std::size_t kOfOpenSsl = 15 * 1024;
/// OpenSSL's.
constexpr std::size_t kSmallestFragment = 512;

/// Where a session of OpenSSL's has the TlsSession that it is of.
int own_index() {
  static const int kIndex = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}

/// The newest reason in OpenSSL's queue, which is empty afterwards.
std::string take_reason() {
  std::string reason;
  while (const unsigned long error = ERR_get_error()) {
    const char* const text = ERR_reason_error_string(error);
    reason = text != nullptr ? text : "error " + std::to_string(error);
  }
  return reason.empty() ? "unknown error" : reason;
}

[[noreturn]] void fail(const std::string& file, const std::string& why) {
  throw std::runtime_error(file + ": " + why);
}

/// Instead of asking at the terminal.
int refuse_password(char*, int, int, void*) { return -1; }

void check_readable(const std::string& file) {
  std::unique_ptr<FILE, int (*)(FILE*)> stream(std::fopen(file.c_str(), "re"), &std::fclose);
  if (!stream) fail(file, "cannot be read: " + std::generic_category().message(errno));
}

/// Only HTTP/1.1 is spoken. Whoever offers protocols without it would not understand us.
int on_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
            const unsigned char* offered, unsigned offered_bytes, void*) {
  unsigned char* found = nullptr;
  const auto* const ours = reinterpret_cast<const unsigned char*>(kHttp11.data());
  if (SSL_select_next_proto(&found, chosen_bytes, ours, static_cast<unsigned>(kHttp11.size()),
                            offered, offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(timegm(&parts)) : 0;
}

std::string date_of(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts)};
}

/// `name` is `pattern`, or one label below "*.example".
bool matches(std::string_view pattern, std::string_view name) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  const auto is_same = [&](char a, char b) { return lower(a) == lower(b); };
  if (pattern.starts_with("*.")) {
    pattern.remove_prefix(1);
    const std::size_t dot = name.find('.');
    if (dot == 0 || dot == std::string_view::npos) return false;
    name.remove_prefix(dot);
  }
  return std::ranges::equal(pattern, name, is_same);
}

}  // namespace

void TlsContext::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
void TlsSession::Free::operator()(SSL* session) const { SSL_free(session); }

TlsContext::TlsContext(const TlsOptions& options) {
  BROADCAST_ASSERT(!options.identities.empty(), "TLS without a certificate");
  for (const TlsIdentity& identity : options.identities) {
    identities_.push_back(load(identity, options));
  }
  SSL_CTX* const first = identities_.front().context.get();
  SSL_CTX_set_tlsext_servername_callback(first, &TlsContext::on_server_name);
  SSL_CTX_set_tlsext_servername_arg(first, this);
}

TlsContext::~TlsContext() = default;

TlsContext::Identity TlsContext::load(const TlsIdentity& identity, const TlsOptions& options) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) throw std::bad_alloc();
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(
      raw, options.min_version == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Sessions live in tickets that clients keep; one is enough. No early data: it can be replayed.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_set_max_early_data(raw, 0);
  SSL_CTX_set_session_id_context(raw,
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 static_cast<unsigned>(kSessionContext.size()));
  SSL_CTX_set_alpn_select_cb(raw, &on_alpn, nullptr);
  SSL_CTX_set_keylog_callback(raw, &TlsSession::on_secret);
  SSL_CTX_set_default_passwd_cb(raw, &refuse_password);
  check_readable(identity.certificate);
  if (SSL_CTX_use_certificate_chain_file(raw, identity.certificate.c_str()) != 1) {
    fail(identity.certificate, "holds no certificate in PEM: " + take_reason());
  }
  check_readable(identity.key);
  if (SSL_CTX_use_PrivateKey_file(raw, identity.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const std::string reason = take_reason();
    if (reason == "key values mismatch")
      fail(identity.key, "is not the key of " + identity.certificate);
    fail(identity.key, "holds no private key in PEM, or an encrypted one: " + reason);
  }
  // A key of another type would stand beside the certificate, without one of its own.
  if (SSL_CTX_check_private_key(raw) != 1) {
    fail(identity.key, "is not the key of " + identity.certificate);
  }
  if (!options.client_ca.empty()) {
    check_readable(options.client_ca);
    if (SSL_CTX_load_verify_locations(raw, options.client_ca.c_str(), nullptr) != 1) {
      fail(options.client_ca, "holds no certificate in PEM: " + take_reason());
    }
    SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(options.client_ca.c_str()));
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  const X509* const shown = SSL_CTX_get0_certificate(raw);
  const std::int64_t expires_at = seconds_of(X509_get0_notAfter(shown));
  certificates_.push_back(identity.certificate + ", until " + date_of(expires_at));
  const std::int64_t begins_at = seconds_of(X509_get0_notBefore(shown));
  if (begins_at > std::time(nullptr)) {
    warnings_.push_back(identity.certificate + " is not valid before " + date_of(begins_at) +
                        "; clients refuse it until then");
  }
  if (expires_at < std::time(nullptr)) {
    warnings_.push_back(identity.certificate + " has expired on " + date_of(expires_at) +
                        "; clients refuse it");
  }
  return {identity.names, std::move(context)};
}

/// Null: none is for `name`.
SSL_CTX* TlsContext::context_for(const char* name) const {
  for (const Identity& identity : identities_) {
    const bool is_for_it = identity.names.empty()
                               ? X509_check_host(SSL_CTX_get0_certificate(identity.context.get()),
                                                 name, 0, 0, nullptr) == 1
                               : std::ranges::any_of(identity.names, [&](const std::string& one) {
                                   return matches(one, name);
                                 });
    if (is_for_it) return identity.context.get();
  }
  return nullptr;
}

SSL* TlsContext::new_session() const {
  SSL* const session = SSL_new(identities_.front().context.get());
  if (session == nullptr) throw std::bad_alloc();
  return session;
}

int TlsContext::on_server_name(SSL* session, int*, void* self) {
  const char* const name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
  SSL_CTX* const found =
      name == nullptr ? nullptr : static_cast<const TlsContext*>(self)->context_for(name);
  if (found != nullptr) SSL_set_SSL_CTX(session, found);
  return SSL_TLSEXT_ERR_OK;  // another name: the first certificate, and the client decides
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int socket,
                       const TlsKernel* kernel)
    : context_(std::move(context)),
      socket_(socket),
      kernel_(kernel),
      session_(context_->new_session()) {
  BIO* const source = BIO_new(bio_method());
  BIO* const sink = BIO_new_socket(socket, BIO_NOCLOSE);
  if (source == nullptr || sink == nullptr) throw std::bad_alloc();
  BIO_set_data(source, this);
  BIO_set_init(source, 1);
  SSL_set0_rbio(session_.get(), source);
  SSL_set0_wbio(session_.get(), sink);
  SSL_set_accept_state(session_.get());
  SSL_set_ex_data(session_.get(), own_index(), this);
  SSL_set_msg_callback(session_.get(), &TlsSession::on_message);
  SSL_set_msg_callback_arg(session_.get(), this);
}

TlsSession::~TlsSession() = default;

void TlsSession::feed(std::string_view received) {
  asked_ = 0;
  if (input_.empty()) {
    input_ = received;
  } else {
    keep_input();
    kept_.append(received);
    input_ = kept_;
  }
}

/// What is not used up outlives whoever has fed it, in no more room than it needs.
void TlsSession::keep_input() {
  if (input_.empty() || input_.data() != kept_.data()) std::string(input_).swap(kept_);
  input_ = kept_;
}

void TlsSession::forget_input() {
  input_ = {};
  std::string().swap(kept_);
}

/// A line of NSS's key log, which is how OpenSSL gives its secrets away.
void TlsSession::on_secret(const SSL* session, const char* line) {
  auto* const self = static_cast<TlsSession*>(SSL_get_ex_data(session, own_index()));
  if (self == nullptr) return;  // another's, with the same context
  const std::string_view text(line);
  TlsSecret* const secret = text.starts_with("CLIENT_TRAFFIC_SECRET_0 ")   ? &self->from_client_
                            : text.starts_with("SERVER_TRAFFIC_SECRET_0 ") ? &self->to_client_
                                                                           : nullptr;
  if (secret == nullptr) return;
  *secret = TlsSecret::of_hex(line + text.rfind(' ') + 1);
}

void TlsSession::on_message(int is_ours, int, int type, const void* bytes, std::size_t count, SSL*,
                            void* self) {
  auto& me = *static_cast<TlsSession*>(self);
  if (is_ours != 0) {
    if (type == SSL3_RT_HEADER && me.has_finished_) ++me.sent_by_it_;
    return;
  }
  if (type != SSL3_RT_HANDSHAKE) return;
  if (count > 0 && *static_cast<const unsigned char*>(bytes) == SSL3_MT_FINISHED) {
    me.has_finished_ = true;
  }
  if (me.is_done_ && ++me.asked_ > kMostAsked) me.input_ = {};
}

int TlsSession::read_input(BIO* bio, char* to, int most) {
  auto& self = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.input_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t bytes = std::min(self.input_.size(), static_cast<std::size_t>(most));
  std::memcpy(to, self.input_.data(), bytes);
  self.input_.remove_prefix(bytes);
  return static_cast<int>(bytes);
}

int TlsSession::write_sealed(BIO* bio, const char* from, int count) {
  BIO_clear_retry_flags(bio);
  std::string& sealed = static_cast<TlsSession*>(BIO_get_data(bio))->sealed_;
  if (sealed.size() > kMostAnswers) return -1;
  try {  // OpenSSL is C
    sealed.append(from, static_cast<std::size_t>(count));
  } catch (const std::bad_alloc&) {
    return -1;
  }
  return count;
}

long TlsSession::control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/// What reads what feed() gave, and writes to sealed_.
BIO_METHOD* TlsSession::bio_method() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes");
    BIO_meth_set_read(made, &TlsSession::read_input);
    BIO_meth_set_write(made, &TlsSession::write_sealed);
    BIO_meth_set_ctrl(made, &TlsSession::control);
    return made;
  }();
  return kMethod;
}

TlsSession::Handshake TlsSession::handshake() {
  ERR_clear_error();
  const std::string_view before = input_;
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) {
    is_done_ = true;
    take_over();
    return Handshake::kDone;
  }
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Handshake::kWantsToRead;
    case SSL_ERROR_WANT_WRITE:
      keep_input();
      return Handshake::kWantsToWrite;
    default:
      break;
  }
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) {
    ERR_clear_error();
    input_ = before;
    return Handshake::kIsHttp;
  }
  problem_ = take_reason();
  return Handshake::kFailed;
}

/// From now on nothing is written to the socket here; the kernel may seal what others write to it.
void TlsSession::take_over() {
  const SSL_CIPHER& suite = *SSL_get_current_cipher(session_.get());
  const bool has_secrets = !from_client_.empty() && !to_client_.empty();  // TLS 1.3
  const bool wants_small_records =
      SSL_SESSION_get_max_fragment_length(SSL_get0_session(session_.get())) !=
      TLSEXT_max_fragment_length_DISABLED;
  TlsSecret from_client = std::move(from_client_);
  TlsSecret to_client = std::move(to_client_);
  if (has_secrets && !wants_small_records && TlsRecords::can_use(suite) &&
      SSL_has_pending(session_.get()) == 0) {
    records_.emplace(suite, std::move(from_client), std::move(to_client), sent_by_it_);
    session_.reset();
    context_.reset();
    if (kernel_ != nullptr) static_cast<void>(records_->try_give_to(*kernel_, socket_));
    return;
  }
  BIO* const sink = BIO_new(bio_method());
  if (sink == nullptr) throw std::bad_alloc();
  BIO_set_data(sink, this);
  BIO_set_init(sink, 1);
  SSL_set0_wbio(session_.get(), sink);
}

TlsSession::OpenResult TlsSession::open(std::span<char> plain) {
  if (records_) {
    const OpenResult result = records_->open(input_, plain);
    if (result.what == Opened::kNothing) keep_input();
    return result;
  }
  ERR_clear_error();
  std::size_t bytes = 0;
  if (SSL_read_ex(session_.get(), plain.data(), plain.size(), &bytes) == 1) {
    return {Opened::kBytes, bytes};
  }
  if (asked_ > kMostAsked) return {Opened::kBroken};
  switch (SSL_get_error(session_.get(), 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {Opened::kNothing};
    case SSL_ERROR_ZERO_RETURN:
      return {Opened::kClosed};
    default:
      ERR_clear_error();
      return {Opened::kBroken};
  }
}

void TlsSession::seal(std::string_view plain) {
  if (plain.empty()) return;
  if (records_) return records_->seal(plain, sealed_);
  ERR_clear_error();
  // OpenSSL takes a buffer for the largest record that is allowed, and gives it back, each time.
  const auto most = static_cast<long>(std::clamp(plain.size(), kSmallestFragment, kMostSealed));
  SSL_set_max_send_fragment(session_.get(), most);
  SSL_set_split_send_fragment(session_.get(), most);
  std::size_t written = 0;
  // Into memory: it is written whole, unless the session is broken, and then nothing is sent.
  while (!plain.empty() &&
         SSL_write_ex(session_.get(), plain.data(), plain.size(), &written) == 1) {
    plain.remove_prefix(written);
  }
}

bool TlsSession::try_seal_end() {
  if (records_) return records_->try_seal_end(sealed_);
  ERR_clear_error();
  static_cast<void>(SSL_shutdown(session_.get()));  // into memory
  ERR_clear_error();
  return true;
}

std::size_t TlsSession::kept_bytes() const {
  const std::size_t own = kept_.empty() ? 0 : kept_.capacity();
  if (records_) return own + records_->left_bytes();
  return own + (SSL_has_pending(session_.get()) == 1 ? kMostSealed + kRecordOverhead : 0);
}

std::string TlsSession::cipher() const {
  if (records_) return std::string("TLSv1.3, ") + SSL_CIPHER_get_name(&records_->suite());
  return std::string(SSL_get_version(session_.get())) + ", " + SSL_get_cipher_name(session_.get());
}

std::size_t TlsSession::idle_bytes() const { return records_ ? kOfRecords : kOfOpenSsl; }

}  // namespace broadcast

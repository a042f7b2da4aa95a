#include "host/ingest/redis_socket.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>

#include "host/ingest/name_lookup.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;

/// What all of them share: `Stream` is read and written, its lowest layer closed.
template <class Stream>
class StreamSocket : public RedisSocket, public std::enable_shared_from_this<StreamSocket<Stream>> {
 public:
  template <class... Args>
  explicit StreamSocket(Args&&... args) : stream_(std::forward<Args>(args)...) {}

  void async_read(asio::mutable_buffer buffer, Read done) override {
    stream_.async_read_some(buffer, [self = this->shared_from_this(), done = std::move(done)](
                                        error_code error, std::size_t size) { done(error, size); });
  }
  void async_write(std::string bytes, Done done) override {
    // Kept by the operation: with TLS it may still look at them when the connection was given up.
    const auto owned = std::make_shared<const std::string>(std::move(bytes));
    asio::async_write(stream_, asio::buffer(*owned),
                      [self = this->shared_from_this(), owned, done = std::move(done)](
                          error_code error, std::size_t) { done(error); });
  }
  void close() override {
    error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

 protected:
  Stream stream_;
};

class UnixSocket final : public StreamSocket<stream_protocol::socket> {
 public:
  UnixSocket(asio::io_context& io, std::string path) : StreamSocket(io), path_(std::move(path)) {}

  void async_connect(Done done) override {
    stream_.async_connect(path_, [self = shared_from_this(),
                                  done = std::move(done)](error_code error) { done(error); });
  }

 private:
  const std::string path_;
};

template <class Stream>
class NetworkSocket : public StreamSocket<Stream> {
 public:
  template <class... Args>
  NetworkSocket(asio::io_context& io, const RedisUrl& url, std::size_t first, Args&&... args)
      : StreamSocket<Stream>(io, std::forward<Args>(args)...), url_(url), io_(io), first_(first) {}

  void async_connect(RedisSocket::Done done) override {
    error_code error;
    const auto address = asio::ip::make_address(url_.host, error);
    if (!error) return connect({tcp::endpoint(address, url_.port)}, std::move(done));
    lookup_.emplace(io_, url_.host, url_.port,
                    [this, self = this->shared_from_this(), done = std::move(done)](
                        error_code failed, std::vector<tcp::endpoint> found) {
                      if (failed) return done(failed);
                      connect(std::move(found), done);
                    });
  }
  void close() override {
    if (lookup_) lookup_->cancel();
    StreamSocket<Stream>::close();
  }

 protected:
  virtual void on_connected(const RedisSocket::Done& done) { done({}); }

  const RedisUrl& url_;

 private:
  void connect(std::vector<tcp::endpoint> endpoints, RedisSocket::Done done) {
    const auto first = static_cast<std::ptrdiff_t>(first_ % endpoints.size());
    std::rotate(endpoints.begin(), endpoints.begin() + first, endpoints.end());
    asio::async_connect(this->stream_.lowest_layer(), endpoints,
                        [this, self = this->shared_from_this(), done = std::move(done)](
                            error_code error, const tcp::endpoint&) {
                          if (error) return done(error);
                          this->stream_.lowest_layer().set_option(tcp::no_delay(true), error);
                          on_connected(done);
                        });
  }

  asio::io_context& io_;
  const std::size_t first_;
  std::optional<NameLookup> lookup_;
};

class TlsSocket final : public NetworkSocket<asio::ssl::stream<tcp::socket>> {
 public:
  TlsSocket(asio::io_context& io, const RedisUrl& url, std::size_t first, asio::ssl::context& tls)
      : NetworkSocket(io, url, first, tls) {}

 private:
  void on_connected(const Done& done) override {
    using Verify = RedisUrl::Tls::Verify;
    error_code error;
    if (url_.tls.verify != Verify::kNothing) {
      stream_.set_verify_mode(asio::ssl::verify_peer, error);
    }
    if (url_.tls.verify == Verify::kAuthorityAndName) {
      stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host), error);
    }
    error_code no_address;
    asio::ip::make_address(url_.host, no_address);
    // Names only: an address is not to be sent as one.
    if (no_address) SSL_set_tlsext_host_name(stream_.native_handle(), url_.host.c_str());
    stream_.async_handshake(asio::ssl::stream_base::client,
                            [self = shared_from_this(), done](error_code failed) { done(failed); });
  }
};

void refuse_file(const std::string& key, const std::string& file, const error_code& error) {
  if (!error) return;
  throw std::runtime_error("redis." + key + ": " + file + ": cannot be read as PEM (" +
                           error.message() + ")");
}

}  // namespace

void prepare_tls(asio::ssl::context& tls, const RedisUrl& url, const std::string& key,
                 const std::string& ca) {
  if (url.transport != RedisUrl::Transport::kTls) return;
  error_code error;
  if (url.tls.verify != RedisUrl::Tls::Verify::kNothing) {
    if (!ca.empty()) {
      tls.load_verify_file(ca, error);
      refuse_file("ca", ca, error);
    } else if (!url.tls.ca.empty()) {
      tls.load_verify_file(url.tls.ca, error);
      refuse_file(key + ": ssl_ca_certs", url.tls.ca, error);
    } else {
      tls.set_default_verify_paths(error);
      refuse_file("ca", "the system's certificates", error);
    }
  }
  if (url.tls.certificate.empty()) return;
  tls.use_certificate_chain_file(url.tls.certificate, error);
  refuse_file(key + ": ssl_certfile", url.tls.certificate, error);
  // OpenSSL would ask the terminal for the password of a key that has one.
  tls.set_password_callback([](std::size_t, asio::ssl::context::password_purpose) { return ""; });
  const bool is_in_same = url.tls.key.empty();
  const std::string& file = is_in_same ? url.tls.certificate : url.tls.key;
  tls.use_private_key_file(file, asio::ssl::context::pem, error);
  refuse_file(key + (is_in_same ? ": ssl_certfile" : ": ssl_keyfile"), file, error);
}

std::shared_ptr<RedisSocket> make_redis_socket(asio::io_context& io, const RedisUrl& url,
                                               asio::ssl::context& tls, std::size_t first) {
  switch (url.transport) {
    case RedisUrl::Transport::kUnix:
      return std::make_shared<UnixSocket>(io, url.path);
    case RedisUrl::Transport::kTls:
      return std::make_shared<TlsSocket>(io, url, first, tls);
    case RedisUrl::Transport::kTcp:
      break;
  }
  return std::make_shared<NetworkSocket<tcp::socket>>(io, url, first);
}

}  // namespace broadcast

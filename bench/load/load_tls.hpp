#pragma once
// The client's end of one TLS connection, on bytes: OpenSSL's. Nobody's certificate is checked, for
// the load is measured and not the server's name. One thread.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace broadcast {

class LoadTls {
 public:
  LoadTls();

  /// Goes on with what feed() gave. False: more is needed, or failed() says why not.
  [[nodiscard]] bool try_shake_hands();
  [[nodiscard]] bool is_shaken() const { return SSL_is_init_finished(session_.get()) == 1; }
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  void feed(std::string_view sealed);
  /// How many bytes of what was fed are in `plain` now; 0: none is left.
  [[nodiscard]] std::size_t open(std::span<char> plain);
  void seal(std::string_view plain);
  /// What is to be sent.
  [[nodiscard]] std::string take_sealed();

 private:
  struct End {
    void operator()(SSL* session) const { SSL_free(session); }
  };
  std::unique_ptr<SSL, End> session_;
  bool has_failed_ = false;
};

}  // namespace broadcast

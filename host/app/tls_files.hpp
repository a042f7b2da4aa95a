#pragma once
// A certificate lives for weeks, and a host for longer: its files are read again when one of them
// changes, at a reload, and nobody is dropped for it. Connections that are there keep what they
// have. Owned by Server; [main].

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/app/config.hpp"
#include "host/base/clock.hpp"
#include "host/wire/tls.hpp"

namespace broadcast {

/// Lines such as "server.tls: /x.pem: ...".
struct TlsFindings {
  std::vector<std::string> problems;  ///< why what the configuration says cannot be had
  std::vector<std::string> warnings;  ///< such as a certificate that has expired
};
[[nodiscard]] TlsFindings look_at_tls(const Config& config);  ///< [any]

class TlsFiles {
 public:
  /// `key` is where the YAML has `options`. Throws std::runtime_error as TlsContext does.
  TlsFiles(std::string key, TlsOptions options);

  /// Null: there is no TLS.
  [[nodiscard]] const std::shared_ptr<const TlsContext>& context() const { return context_; }
  /// Reads the files again, by `options` from now on, if they or those have changed. Why what was
  /// stays, which is logged; empty: nothing is wrong.
  [[nodiscard]] std::string reload(const TlsOptions& options);
  /// About once a second. True: a file has changed, and context() is another.
  [[nodiscard]] bool on_tick(MonoTime now);

 private:
  struct Stamp {
    std::string file;
    std::filesystem::file_time_type changed;
    std::uintmax_t bytes = 0;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] std::vector<Stamp> look_at_files() const;
  [[nodiscard]] std::string read();
  void tell_warnings() const;

  const std::string key_;
  TlsOptions options_;
  std::shared_ptr<const TlsContext> context_;
  std::vector<Stamp> stamps_;
  std::string problem_;  // with these
  MonoTime looked_at_{};
};

}  // namespace broadcast

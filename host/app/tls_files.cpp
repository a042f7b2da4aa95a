#include "host/app/tls_files.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

namespace broadcast {

namespace {

/// Programs that renew certificates replace two files, one after the other.
constexpr std::chrono::seconds kLookEvery{5};

std::shared_ptr<const TlsContext> context_of(const TlsOptions& options) {
  return options.identities.empty() ? nullptr : std::make_shared<const TlsContext>(options);
}

}  // namespace

TlsFindings look_at_tls(const Config& config) {
  TlsFindings findings;
  for (const auto& [key, options] :
       {std::pair("server.tls: ", config.server.tls), std::pair("admin.tls: ", config.admin.tls)}) {
    try {
      const auto context = context_of(options);
      if (!context) continue;
      for (const std::string& warning : context->warnings()) {
        findings.warnings.push_back(key + warning);
      }
    } catch (const std::exception& error) {
      findings.problems.push_back(key + std::string(error.what()));
    }
  }
  return findings;
}

TlsFiles::TlsFiles(std::string key, TlsOptions options)
    : key_(std::move(key)), options_(std::move(options)), stamps_(look_at_files()) {
  try {
    context_ = context_of(options_);
  } catch (const std::exception& error) {
    throw std::runtime_error(key_ + ": " + error.what());
  }
  tell_warnings();
}

void TlsFiles::tell_warnings() const {
  if (!context_) return;
  for (const std::string& warning : context_->warnings()) spdlog::warn("{}: {}", key_, warning);
}

std::vector<TlsFiles::Stamp> TlsFiles::look_at_files() const {
  std::vector<Stamp> stamps;
  const auto look_at = [&](const std::string& file) {
    std::error_code ignored;
    stamps.push_back({file, std::filesystem::last_write_time(file, ignored),
                      std::filesystem::file_size(file, ignored)});
  };
  for (const TlsIdentity& identity : options_.identities) {
    look_at(identity.certificate);
    look_at(identity.key);
  }
  if (!options_.client_ca.empty()) look_at(options_.client_ca);
  return stamps;
}

std::string TlsFiles::read() {
  stamps_ = look_at_files();
  try {
    context_ = context_of(options_);
  } catch (const std::exception& error) {
    problem_ = key_ + ": " + error.what();
    spdlog::error("{}; {}", problem_,
                  context_ ? "the certificates that were read before stay in use"
                           : "there is no TLS as before");
    return problem_;
  }
  problem_.clear();
  if (!context_) return {};
  tell_warnings();
  for (const std::string& certificate : context_->certificates()) {
    spdlog::info("{}: the certificates were read again: {}", key_, certificate);
  }
  return {};
}

std::string TlsFiles::reload(const TlsOptions& options) {
  const bool is_same = options == options_;
  if (options.identities.empty() && !options_.identities.empty()) {
    spdlog::warn("{} is off from now on: new connections are not encrypted", key_);
  }
  options_ = options;
  return is_same && look_at_files() == stamps_ ? problem_ : read();
}

bool TlsFiles::on_tick(MonoTime now) {
  if (options_.identities.empty() || now - looked_at_ < kLookEvery) return false;
  looked_at_ = now;
  return look_at_files() != stamps_ && read().empty();
}

}  // namespace broadcast

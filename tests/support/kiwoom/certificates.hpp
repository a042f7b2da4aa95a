#pragma once
// An authority of the test's own, and certificates that it signs.

#include <string>

namespace broadcast::test {

struct Certificate {
  std::string chain;  // PEM
  std::string key;
};

class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  /// What clients trust, as PEM.
  [[nodiscard]] std::string certificate() const;
  /// `name`: of a host, or an IPv4 address.
  [[nodiscard]] Certificate issue(const std::string& name) const;

 private:
  struct Pair;
  Pair* pair_;
};

}  // namespace broadcast::test

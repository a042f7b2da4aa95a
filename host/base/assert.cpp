#include "host/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace broadcast {

void assertion_failed(const char* condition, const char* words, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: %s (%s)\n", file, line, words, condition);
  std::abort();
}

}  // namespace broadcast

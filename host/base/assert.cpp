#include "host/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

#include "host/base/standard_files.hpp"

namespace broadcast {

void assertion_failed(const char* condition, const char* words, const char* file, int line) {
  ::dprintf(standard_error(), "%s:%d: %s (%s)\n", file, line, words, condition);
  std::abort();
}

}  // namespace broadcast

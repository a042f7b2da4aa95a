#include "host/base/terminate.hpp"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include <unistd.h>

namespace broadcast {

namespace {

void tell(const char* text) {
  // Nothing can be done about a line that finds no reader.
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

[[noreturn]] void tell_and_abort() {
  if (std::current_exception()) {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      tell_out_of_memory();
    } catch (const std::exception& error) {
      tell("error the host ends: ");
      tell(error.what());
      tell("\n");
    } catch (...) {
      tell("error the host ends: an exception that nobody knows\n");
    }
  }
  std::abort();
}

}  // namespace

void tell_before_terminating() { std::set_terminate(tell_and_abort); }

void tell_out_of_memory() {
  tell(
      "error the host ends: out of memory; give it more (ulimit -v, the container's limit), or "
      "lower limits.* in its YAML\n");
}

}  // namespace broadcast

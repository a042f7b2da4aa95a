#include "host/base/terminate.hpp"

#include <cstdlib>
#include <exception>
#include <new>

#include "host/base/standard_files.hpp"

namespace broadcast {

namespace {

[[noreturn]] void tell_and_abort() {
  if (std::current_exception()) {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      tell_out_of_memory();
    } catch (const std::exception& error) {
      last_words("error the host ends: ");
      last_words(error.what());
      last_words("\n");
    } catch (...) {
      last_words("error the host ends: an unknown exception\n");
    }
  }
  std::abort();
}

}  // namespace

void tell_before_terminating() { std::set_terminate(tell_and_abort); }

void tell_out_of_memory() {
  last_words(
      "error the host ends: out of memory; give it more (ulimit -v, the container's limit), or "
      "lower limits.* in its YAML\n");
}

}  // namespace broadcast

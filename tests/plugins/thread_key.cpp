// Keeps something for each thread by pthread_key, as C libraries do: its destructor is code of this
// library, and runs as the thread ends.

#include <cstdlib>

#include <pthread.h>

#include "tests/plugins/raw_plugin.hpp"

namespace {

constexpr char kManifest[] = R"({"name":"thread_key","version":"1.0.0","abi":[1,0],)"
                             R"("topics":[{"pattern":"thread_key:log","delivery":"all"}]})";

pthread_key_t make_key() {
  pthread_key_t key{};
  if (::pthread_key_create(&key, [](void* kept) { std::free(kept); }) != 0) std::abort();
  return key;
}
const pthread_key_t key = make_key();

void keep_something() {
  if (::pthread_getspecific(key) == nullptr) ::pthread_setspecific(key, std::malloc(16));
}

// While the library is loaded, which is another thread's work than what follows.
const bool is_begun = (keep_something(), true);

bc_status create(const bc_host*, const char*, void**) { return is_begun ? BC_OK : BC_E_INVALID; }
bc_status handle(void*, const bc_event*) {
  keep_something();
  return BC_OK;
}
void destroy(void*) { keep_something(); }

}  // namespace

RAW_PLUGIN(kManifest, create, handle, destroy)

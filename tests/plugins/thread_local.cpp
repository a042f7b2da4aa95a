// Static and thread_local objects with destructors: they pin a library until its thread has ended.

#include <string>
#include <vector>

#include "tests/plugins/raw_plugin.hpp"

namespace {

constexpr char kManifest[] = R"({"name":"thread_local","version":"1.0.0","abi":[1,0],)"
                             R"("topics":[{"pattern":"thread_local:log","delivery":"all"}]})";

std::vector<std::string> static_words = {"made by dlopen", "and gone with dlclose"};
thread_local std::vector<std::string> thread_words;

// While the library is loaded, which is another thread's work than what follows.
const bool is_begun = !thread_words.emplace_back("made by a static constructor").empty();

bc_status create(const bc_host*, const char* instance, void** self) {
  if (is_begun) thread_words.emplace_back(instance);
  *self = &static_words;
  return BC_OK;
}

bc_status handle(void*, const bc_event*) {
  thread_words.emplace_back("one more event, long enough to live on the heap");
  return BC_OK;
}

void destroy(void*) { thread_words.emplace_back("destroyed"); }

}  // namespace

RAW_PLUGIN(kManifest, create, handle, destroy)

// The smallest plugin there can be, with one thing wrong at a time: which one, CMakeLists.txt says.

#include "tests/plugins/raw_plugin.hpp"

#ifndef TEST_NAME
#define TEST_NAME "minimal"
#endif
#ifndef TEST_ABI
#define TEST_ABI "[1,0]"
#endif
#ifndef TEST_MEMBERS
#define TEST_MEMBERS ""
#endif
#ifndef TEST_MAGIC
#define TEST_MAGIC BC_MAGIC
#endif
#ifndef TEST_SIZE
#define TEST_SIZE sizeof(bc_entry)
#endif
#ifndef TEST_ENTRY_ABI
#define TEST_ENTRY_ABI BC_ABI_MAJOR
#endif
#ifndef TEST_ENTRY_MANIFEST
#define TEST_ENTRY_MANIFEST kManifest
#endif
#ifndef TEST_DESTROY
#define TEST_DESTROY destroy
#endif

#ifdef TEST_UNDEFINED
extern "C" void function_that_nobody_defines();
#endif

namespace {

constexpr char kManifest[] =
    "{\"name\":\"" TEST_NAME "\",\"version\":\"2.1.0\",\"abi\":" TEST_ABI TEST_MEMBERS "}";

[[maybe_unused]] bc_status create(const bc_host*, const char*, void**) { return BC_OK; }
[[maybe_unused]] bc_status handle(void*, const bc_event*) {
#ifdef TEST_UNDEFINED
  function_that_nobody_defines();
#endif
  return BC_OK;
}
#ifdef TEST_THROW_IN_DESTROY
[[maybe_unused]] void destroy(void*) { throw 1; }
#else
[[maybe_unused]] void destroy(void*) {}
#endif

}  // namespace

#ifndef TEST_NO_NOTE
RAW_NOTE(kManifest)
#endif
#ifndef TEST_NO_ENTRY
RAW_ENTRY(TEST_MAGIC, TEST_SIZE, TEST_ENTRY_ABI, TEST_ENTRY_MANIFEST, create, handle, TEST_DESTROY)
#endif

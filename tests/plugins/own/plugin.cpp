// Brings a library along, and does not start where it was bound to another one.

#include "tests/plugins/raw_plugin.hpp"

extern "C" void* redisReaderCreate();
extern "C" bool is_reader_of_mine(const void* reader);

namespace {

constexpr char kManifest[] = R"({"name":"own","version":"1.0.0","abi":[1,0]})";

bc_status create(const bc_host*, const char*, void**) { return BC_OK; }
bc_status handle(void*, const bc_event* event) {
  if (event->kind != BC_EV_START) return BC_OK;
  return is_reader_of_mine(redisReaderCreate()) ? BC_OK : BC_E_INVALID;
}
void destroy(void*) {}

}  // namespace

RAW_PLUGIN(kManifest, create, handle, destroy)

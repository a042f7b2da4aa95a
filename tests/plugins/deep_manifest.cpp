// A manifest that overflows the stack of who copies it unread.

#include "tests/plugins/raw_plugin.hpp"

asm(R"(
  .pushsection .note.bc, "a", %note
  .balign 4
  .long 3, 240000, 1
  .asciz "BC"
  .balign 4
  .fill 240000, 1, '['
  .popsection)");

namespace {

bc_status create(const bc_host*, const char*, void**) { return BC_OK; }
bc_status handle(void*, const bc_event*) { return BC_OK; }
void destroy(void*) {}

}  // namespace

RAW_ENTRY(BC_MAGIC, sizeof(bc_entry), BC_ABI_MAJOR, "[", create, handle, destroy)

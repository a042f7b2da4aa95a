#include "allocations.hpp"

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t made = 0;
thread_local std::size_t freed = 0;
}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// A sanitizer has operators of its own, and two sets do not link.
#include <sanitizer/allocator_interface.h>

void __sanitizer_malloc_hook(const volatile void*, std::size_t) { ++made; }
void __sanitizer_free_hook(const volatile void*) { ++freed; }
#else
// GCC inlines the one and not the other, and takes them for two allocators.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t bytes) {
  ++made;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++made;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept {
  if (memory != nullptr) ++freed;
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
#endif

namespace broadcast {
std::size_t allocations() { return made; }
std::size_t deallocations() { return freed; }
}  // namespace broadcast

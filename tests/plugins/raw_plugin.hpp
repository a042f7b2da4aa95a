#pragma once
// Entry and manifest note by hand: what BROADCAST_PLUGIN does, without the SDK's fence, so that the
// host's own net and checks can be tested.

#include <cstddef>
#include <cstdint>

#include <broadcast/abi.h>

template <std::size_t N>
struct RawNote {
  std::uint32_t name_bytes = 3;
  std::uint32_t text_bytes = N;
  std::uint32_t type = 1;
  char name[4] = "BC";
  char text[(N + 3) / 4 * 4] = {};
  constexpr explicit RawNote(const char (&manifest)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = manifest[i];
  }
};

#define RAW_NOTE(MANIFEST)                                                                    \
  extern "C" {                                                                                \
  __attribute__((used, section(".note.bc"), aligned(4),                                       \
                 visibility("hidden"))) extern constexpr RawNote raw_manifest_note{MANIFEST}; \
  }

#define RAW_ENTRY(MAGIC, SIZE, ABI_MAJOR, MANIFEST, CREATE, HANDLE, DESTROY)              \
  extern "C" {                                                                            \
  __attribute__((used, visibility("default"))) extern constexpr bc_entry bc_plugin_entry{ \
      MAGIC, SIZE, ABI_MAJOR, 0, MANIFEST, CREATE, HANDLE, DESTROY};                      \
  }

#define RAW_PLUGIN(MANIFEST, CREATE, HANDLE, DESTROY) \
  RAW_NOTE(MANIFEST)                                  \
  RAW_ENTRY(BC_MAGIC, sizeof(bc_entry), BC_ABI_MAJOR, MANIFEST, CREATE, HANDLE, DESTROY)

/* Where everything of ABI 1.0 stands on a 64-bit machine. Included behind an abi.h, in C11 and C++.
 * A struct may have grown: sizes are those of 1.0 at least, and exactly where nothing tells a
 * reader the size. */
#include <assert.h>

#define AT(type, member, offset) \
  static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")
#define SIZED(type, bytes) static_assert(sizeof(type) >= (bytes), #type " has shrunk")
#define EXACTLY(type, bytes) static_assert(sizeof(type) == (bytes), #type " has another size")

EXACTLY(bc_status, 4);
EXACTLY(bc_str, 16);
AT(bc_str, ptr, 0);
AT(bc_str, len, 8);

SIZED(bc_publish, 48);
AT(bc_publish, size, 0);
AT(bc_publish, flags, 4);
AT(bc_publish, topic, 8);
AT(bc_publish, payload, 24);
AT(bc_publish, source_time_ns, 40);

SIZED(bc_event, 88);
AT(bc_event, size, 0);
AT(bc_event, kind, 4);
AT(bc_event, flags, 6);
AT(bc_event, id, 8);
AT(bc_event, mono_ns, 16);
AT(bc_event, num, 24);
AT(bc_event, topic, 32);
AT(bc_event, source, 48);
AT(bc_event, data, 64);
AT(bc_event, ptr, 80);

SIZED(bc_host, 112);
AT(bc_host, size, 0);
AT(bc_host, abi_major, 4);
AT(bc_host, abi_minor, 8);
AT(bc_host, reserved, 12);
AT(bc_host, name, 16);
AT(bc_host, version, 24);
AT(bc_host, impl, 32);
AT(bc_host, get_extension, 40);
AT(bc_host, log, 48);
AT(bc_host, fail, 56);
AT(bc_host, publish, 64);
AT(bc_host, timer, 72);
AT(bc_host, post, 80);
AT(bc_host, mono_ns, 88);
AT(bc_host, wall_ns, 96);
AT(bc_host, stopping, 104);

SIZED(bc_entry, 48);
AT(bc_entry, magic, 0);
AT(bc_entry, size, 4);
AT(bc_entry, abi_major, 8);
AT(bc_entry, abi_minor, 12);
AT(bc_entry, manifest, 16);
AT(bc_entry, create, 24);
AT(bc_entry, handle, 32);
AT(bc_entry, destroy, 40);

EXACTLY(bc_ext_demand, 8);
EXACTLY(bc_ext_status, 8);
EXACTLY(bc_ext_metrics, 16);
AT(bc_ext_metrics, define, 0);
AT(bc_ext_metrics, record, 8);
EXACTLY(bc_ext_clients, 24);
AT(bc_ext_clients, count, 0);
AT(bc_ext_clients, send_all, 8);
AT(bc_ext_clients, close_idle, 16);
EXACTLY(bc_ext_cache, 8);

/* abi.h is C11, and its structs are where they were: a plugin built before relies on every offset.
 */
#include <broadcast/abi.h>

_Static_assert(sizeof(bc_str) == 16, "bc_str");
_Static_assert(offsetof(bc_publish, topic) == 8, "bc_publish.topic");
_Static_assert(offsetof(bc_publish, payload) == 24, "bc_publish.payload");
_Static_assert(offsetof(bc_publish, source_time_ns) == 40, "bc_publish.source_time_ns");
_Static_assert(offsetof(bc_event, kind) == 4, "bc_event.kind");
_Static_assert(offsetof(bc_event, id) == 8, "bc_event.id");
_Static_assert(offsetof(bc_event, mono_ns) == 16, "bc_event.mono_ns");
_Static_assert(offsetof(bc_event, num) == 24, "bc_event.num");
_Static_assert(offsetof(bc_event, topic) == 32, "bc_event.topic");
_Static_assert(offsetof(bc_event, source) == 48, "bc_event.source");
_Static_assert(offsetof(bc_event, data) == 64, "bc_event.data");
_Static_assert(offsetof(bc_event, ptr) == 80, "bc_event.ptr");
_Static_assert(offsetof(bc_host, name) == 16, "bc_host.name");
_Static_assert(offsetof(bc_host, impl) == 32, "bc_host.impl");
_Static_assert(offsetof(bc_host, publish) == 64, "bc_host.publish");
_Static_assert(offsetof(bc_host, stopping) == 104, "bc_host.stopping");
_Static_assert(offsetof(bc_entry, manifest) == 16, "bc_entry.manifest");
_Static_assert(offsetof(bc_entry, destroy) == 40, "bc_entry.destroy");

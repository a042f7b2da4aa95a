/* broadcast/abi/heartbeat.h: bc.heartbeat/1, WebSocket pings to clients that are silent. A pong is
 * a sign of life like any other frame, so with this and close_idle() of bc.clients/1 dead
 * connections are found. The operator grants it: `permissions: [clients]`. */
#ifndef BROADCAST_ABI_HEARTBEAT_H
#define BROADCAST_ABI_HEARTBEAT_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_HEARTBEAT "bc.heartbeat/1"
typedef struct bc_ext_heartbeat {
  /* [any] From START until this generation ends, a client that sends nothing for `interval_ns` gets
   * a ping. Clients are told both times in their `connected` message. `timeout_ns` is what you call
   * close_idle() with: the host itself closes nobody. A second call replaces the first.
   *   BC_E_INVALID  before START; an interval below 100 ms; a timeout that is not longer than the
   *                 interval
   *   BC_E_REVOKED  this generation is being replaced, has failed or is over */
  bc_status (*keep)(const bc_host*, int64_t interval_ns, int64_t timeout_ns);
} bc_ext_heartbeat;
#ifdef __cplusplus
}
#endif
#endif

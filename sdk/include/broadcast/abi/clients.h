/* broadcast/abi/clients.h: bc.clients/1, all clients of the host, whatever they subscribe to. The
 * operator grants it: `permissions: [clients]`. */
#ifndef BROADCAST_ABI_CLIENTS_H
#define BROADCAST_ABI_CLIENTS_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_CLIENTS "bc.clients/1"
typedef struct bc_ext_clients {
  /* [any] Connections that are open now. A snapshot; 0 once this generation has failed or is over.
   */
  int64_t (*count)(const bc_host*);

  /* [any] Sends a message to every client, outside of all topics and without a number. `json` is
   * any JSON of at most 64 KiB, by the rules of bc_publish.payload; an object has no `topic` and no
   * `seq` at its top level.
   *   BC_OK         it is queued for all
   *   BC_E_INVALID  it is not such a text; the host's log says why
   *   BC_E_BUSY     the host is full; nobody gets it
   *   BC_E_REVOKED  this generation is being replaced, has failed or is over */
  bc_status (*send_all)(const bc_host*, bc_str json);

  /* [any] Asks the host to close every connection that has sent nothing for `idle_ns`, pongs
   * included. It is done later, some at a time. Time in which the host itself stood still does not
   * count. `code` is a WebSocket close code: 1000, 1001, 1008, 1011 or 3000 to 4999; `reason` has
   * at most 123 bytes of UTF-8, and clients read it.
   *   BC_OK         it is asked for
   *   BC_E_INVALID  a time below 0, another code, or another reason
   *   BC_E_BUSY     the call before is still waiting
   *   BC_E_REVOKED  this generation is being replaced, has failed or is over */
  bc_status (*close_idle)(const bc_host*, int64_t idle_ns, uint16_t code, bc_str reason);
} bc_ext_clients;
#ifdef __cplusplus
}
#endif
#endif

/* broadcast/abi/status.h: bc.status/1, how the broadcaster is. Clients read it on the topic
 * status:{broadcaster}, operators in /readyz and in the metrics: say nothing in it that they must
 * not know. No permission needed. */
#ifndef BROADCAST_ABI_STATUS_H
#define BROADCAST_ABI_STATUS_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_STATUS "bc.status/1"
enum {
  BC_STATUS_OK,       /* what a generation has that reports nothing */
  BC_STATUS_DEGRADED, /* it serves, but not as it should; the host stays ready */
  BC_STATUS_STALE,    /* what clients see is out of date; the host is not ready */
  BC_STATUS_DOWN      /* it does not serve; the host is not ready */
};
typedef struct bc_ext_status {
  /* [any] From create() on. Replaces what was reported before; the same again does nothing. What is
   * reported before START has returned BC_OK is shown then, because until then the generation
   * before has the word. `detail` says why, in UTF-8, and is cut at 1024 bytes.
   *   BC_E_INVALID  no such state
   *   BC_E_REVOKED  this generation is being replaced, has failed or is over */
  bc_status (*report)(const bc_host*, int32_t state, bc_str detail);
} bc_ext_status;
#ifdef __cplusplus
}
#endif
#endif

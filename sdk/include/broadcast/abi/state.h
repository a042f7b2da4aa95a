/* broadcast/abi/state.h: bc.state/1, bytes that a broadcaster keeps from one generation to the
 * next. The host does not look into them, and keeps all of them or none. They survive a restart and
 * a replacement of the broadcaster, and disabling and enabling it. Where the host has `state.path`,
 * they also survive a restart of the host; a crash of it may lose what was set in the last second
 * (`state.latest_every`), because writes to the disk are gathered. No permission needed. */
#ifndef BROADCAST_ABI_STATE_H
#define BROADCAST_ABI_STATE_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_STATE "bc.state/1"
#define BC_STATE_BYTES 1048576u /* the most that is kept of one broadcaster */
typedef struct bc_ext_state {
  /* [any] From START until STOP has returned: keeps `state` in place of what was kept. No bytes:
   * nothing is kept any more. What is set in START counts once that has returned BC_OK, because
   * until then the generation before may go on.
   *   BC_E_INVALID  before START, or more than BC_STATE_BYTES; what was kept stays
   *   BC_E_REVOKED  this generation is being replaced, has failed or is over: its successor has
   *                 read what it begins with */
  bc_status (*set)(const bc_host*, bc_str state);

  /* [any] From START on: the number of bytes that are kept, 0 for nothing. They are copied to `to`
   * if there are no more than `capacity`; else nothing is copied, so ask again with more room. `to`
   * may be NULL where `capacity` is 0. A failure is a bc_status, below 0:
   *   BC_E_INVALID  before START, when an earlier generation may still set them
   *   BC_E_REVOKED  as for set() */
  int64_t (*get)(const bc_host*, char* to, size_t capacity);
} bc_ext_state;
#ifdef __cplusplus
}
#endif
#endif

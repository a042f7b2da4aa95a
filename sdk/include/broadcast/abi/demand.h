/* broadcast/abi/demand.h: bc.demand/1, how many subscribers a topic has. No permission needed. To
 * be told instead of asking, put "demand": true into the manifest: DEMAND events do not need this
 * table. */
#ifndef BROADCAST_ABI_DEMAND_H
#define BROADCAST_ABI_DEMAND_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_DEMAND "bc.demand/1"
typedef struct bc_ext_demand {
  /* [any] Clients that get `topic` now, by its name or through a pattern. A snapshot: it may have
   * changed when the call returns. 0: nobody, there is no such topic, or this generation has
   * failed. */
  int64_t (*subscribers)(const bc_host*, bc_str topic);
} bc_ext_demand;
#ifdef __cplusplus
}
#endif
#endif

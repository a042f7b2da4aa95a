/* broadcast/abi/metrics.h: bc.metrics/1, numbers of the broadcaster's own among the host's metrics,
 * as broadcast_plugin_<name>{broadcaster="…"}. They have no other labels. They belong to the
 * broadcaster, not to a generation: the next one defines them again, and the numbers go on. No
 * permission needed. */
#ifndef BROADCAST_ABI_METRICS_H
#define BROADCAST_ABI_METRICS_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_METRICS "bc.metrics/1"
enum {
  BC_COUNTER,  /* only goes up; it is shown with _total behind its name */
  BC_GAUGE,    /* is what it was set to last */
  BC_HISTOGRAM /* counts what was observed by size; for durations, in seconds */
};
typedef struct bc_ext_metrics {
  /* [plugin] Before START returns. Makes `id`, which is the broadcaster's own number, stand for the
   * metric `name`: 1 to 64 of a-z, 0-9 and _, the first one a letter. `help` says what it is.
   *   BC_E_INVALID       START has returned; another kind or name than these; the id is taken; the
   *                      name is defined as another kind; a gauge or histogram whose name ends in
   *                      _total, _bucket, _count or _sum
   *   BC_E_BUSY          this generation has 64
   *   BC_E_WRONG_THREAD  not the broadcaster's thread
   * Give a metric one id only: FakeHost takes a second one for a mistake. */
  bc_status (*define)(const bc_host*, uint32_t id, int32_t kind, bc_str name, bc_str help);
  /* [any] Adds `value` to a counter, sets a gauge to it, or lets a histogram observe it. Nothing
   * happens for an id that was not defined, NaN, an infinite value, a counter's negative one, or
   * once this generation has failed or is over. */
  void (*record)(const bc_host*, uint32_t id, double value);
} bc_ext_metrics;
#ifdef __cplusplus
}
#endif
#endif

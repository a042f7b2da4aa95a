/* broadcast/abi/cache.h: bc.cache/1, keys that producers cached in Redis. A host offers it where
 * Redis is configured (`redis.url` or `redis.cache`), and the operator grants it:
 * `permissions: [cache]`. */
#ifndef BROADCAST_ABI_CACHE_H
#define BROADCAST_ABI_CACHE_H
#include <broadcast/abi/core.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_EXT_CACHE "bc.cache/1"
typedef struct bc_ext_cache {
  /* [any] Asks for every key that matches `pattern` to be deleted; it is done later. `pattern` is a
   * glob of Redis, 1 to 256 bytes, whose first character is none of * ? [ and \, so that it can
   * never mean a whole database.
   *   BC_OK         it is queued; a pattern that waits already is queued once
   *   BC_E_INVALID  another pattern
   *   BC_E_BUSY     too many wait
   *   BC_E_REVOKED  this generation is being replaced, has failed or is over */
  bc_status (*drop)(const bc_host*, bc_str pattern);
} bc_ext_cache;
#ifdef __cplusplus
}
#endif
#endif

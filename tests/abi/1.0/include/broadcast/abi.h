/* broadcast/abi.h: the border between host and broadcasters, ABI 1.0, frozen: what stands here
 * stays as it is, so that a library built today is loaded by every later host of ABI 1. C11 and
 * C++11. Threads: [any] any thread that the plugin owns; [plugin] only the broadcaster's own
 * thread. Argument structs start with `size` and only grow at the tail: the reader copies min(size,
 * its own sizeof), zero-fills the rest, and answers BC_E_UNSUPPORTED if the caller set a non-zero
 * byte beyond what it knows. The table of an extension is frozen with its id: a new function is a
 * new id. */
#ifndef BROADCAST_ABI_H
#define BROADCAST_ABI_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_ABI_MAJOR 1u
#define BC_MAGIC 0x31504342u /* "BCP1" */
#define BC_ENTRY_SYMBOL "bc_plugin_entry"

/* 0 ok, < 0 error; unknown negatives are plain failures. Out of handle(), EXCEPTION and RESTART end
 * the instance and a new one is made; so does any failure in create(), CONFIG and START. Any other
 * failure of MESSAGE is the producer's answer. */
typedef int32_t bc_status;
enum {
  BC_OK = 0,
  BC_E_INVALID = -1,
  BC_E_UNSUPPORTED = -2,
  BC_E_BUSY = -3,
  BC_E_REVOKED = -4,
  BC_E_DENIED = -5,
  BC_E_EXCEPTION = -6,
  BC_E_RESTART = -7,
  BC_E_NOMEM = -8,
  BC_E_WRONG_THREAD = -9
};
enum { BC_LOG_TRACE, BC_LOG_DEBUG, BC_LOG_INFO, BC_LOG_WARN, BC_LOG_ERROR };

typedef struct bc_str {
  const char* ptr;
  size_t len;
} bc_str; /* UTF-8, no NUL promised, borrowed for the call */
typedef struct bc_host bc_host;

typedef struct bc_publish {
  uint32_t size, flags; /* flags: 0 in ABI 1 */
  bc_str topic;         /* one that the manifest owns, else BC_E_DENIED */
  /* A JSON object with `type` and without top-level `topic` and `seq`, which the host writes;
   * UTF-8; copied before return; with the host's part at most limits.publish, else BC_E_INVALID. */
  bc_str payload;
  /* Wall clock of the event itself, 0 = unknown; only for latency metrics. */
  int64_t source_time_ns;
} bc_publish;

/* Kinds. Unknown kinds are ignored, unknown flags too. */
enum {
  BC_EV_START = 1,
  BC_EV_STOP,
  BC_EV_CONFIG,
  BC_EV_TIMER,
  BC_EV_POST,
  BC_EV_DEMAND,
  BC_EV_MESSAGE
};
enum { BC_EVF_REPLAY = 1 /* DEMAND: told again after a start */ };
typedef struct bc_event {
  uint32_t size;
  uint16_t kind, flags;
  uint64_t id;     /* TIMER, POST: the plugin's own id */
  int64_t mono_ns; /* when the host queued it; TIMER: when it was due */
  int64_t num;     /* DEMAND: subscribers now; STOP: deadline, absolute mono ns */
  bc_str topic;    /* DEMAND, MESSAGE */
  bc_str source;   /* MESSAGE: "http", "redis", "stream" */
  bc_str data;     /* CONFIG: JSON, defaults filled in; MESSAGE: payload */
  void* ptr; /* POST; delivered exactly once, before STOP, also when stopping or START failed */
} bc_event;

struct bc_host {
  uint32_t size, abi_major, abi_minor, reserved;
  const char *name, *version; /* of the host; NUL-terminated, live as long as the instance */
  void* impl;
  /* [any] NULL: not offered, or not permitted in YAML. */
  const void* (*get_extension)(const bc_host*, const char* id);
  /* [any] */
  void (*log)(const bc_host*, int32_t level, bc_str text);
  /* [plugin] Text for the status about to be returned. */
  void (*fail)(const bc_host*, bc_str why);
  /* [any] Never blocks. BC_E_INVALID before START; BC_E_BUSY when the host is full (`all` topics).
   * BC_E_REVOKED while this generation is being replaced, and once it is over: if its successor
   * fails to start, it goes on and publishes again. So REVOKED is no reason to give up; STOP is. */
  bc_status (*publish)(const bc_host*, const bc_publish*);
  /* [plugin] delay < 0 cancels; the same id re-arms; a period never stacks: a late one fires once.
   * BC_E_BUSY beyond 4096 timers. */
  bc_status (*timer)(const bc_host*, uint64_t id, int64_t delay_ns, int64_t period_ns);
  /* [any] Becomes POST on the plugin thread. What was posted by a create() that then failed is
   * dropped: there is no instance to deliver it to. */
  bc_status (*post)(const bc_host*, uint64_t id, void* ptr);
  /* [any] Virtual under FakeHost. */
  int64_t (*mono_ns)(const bc_host*);
  /* [any] */
  int64_t (*wall_ns)(const bc_host*);
  /* [any] Ask it in long loops. */
  int32_t (*stopping)(const bc_host*);
};

#define BC_EXT_DEMAND "bc.demand/1" /* manifest: "demand": true makes DEMAND events arrive */
typedef struct bc_ext_demand {
  int64_t (*subscribers)(const bc_host*, bc_str topic); /* [any] snapshot */
} bc_ext_demand;
#define BC_EXT_STATUS "bc.status/1"
enum { BC_STATUS_OK, BC_STATUS_DEGRADED, BC_STATUS_STALE, BC_STATUS_DOWN };
typedef struct bc_ext_status {
  bc_status (*report)(const bc_host*, int32_t state, bc_str detail); /* [any] */
} bc_ext_status;
#define BC_EXT_METRICS "bc.metrics/1"
enum { BC_COUNTER, BC_GAUGE, BC_HISTOGRAM };
typedef struct bc_ext_metrics {
  /* [plugin] Before START returns. name: a-z, 0-9 and _, at most 64 bytes; one id, one name, or
   * INVALID; BUSY beyond 64. A restarted instance defines them again, and the numbers go on. */
  bc_status (*define)(const bc_host*, uint32_t id, int32_t kind, bc_str name, bc_str help);
  /* [any] counter +=, gauge =, histogram observe */
  void (*record)(const bc_host*, uint32_t id, double value);
} bc_ext_metrics;
#define BC_EXT_CLIENTS "bc.clients/1" /* permission `clients` */
typedef struct bc_ext_clients {
  /* [any] Snapshot. */
  int64_t (*count)(const bc_host*);
  /* [any] No topic, no seq. */
  bc_status (*send_all)(const bc_host*, bc_str json);
  /* [any] Asynchronous. */
  bc_status (*close_idle)(const bc_host*, int64_t idle_ns, uint16_t code, bc_str reason);
} bc_ext_clients;
#define BC_EXT_CACHE "bc.cache/1" /* permission `cache`; offered when Redis is configured */
typedef struct bc_ext_cache {
  bc_status (*drop)(const bc_host*, bc_str pattern); /* [any] asynchronous */
} bc_ext_cache;

typedef struct bc_entry {
  uint32_t magic, size, abi_major, abi_minor;
  /* JSON, NUL-terminated; the same bytes in ELF note ".note.bc" (owner "BC", type 1). */
  const char* manifest;
  /* [plugin] instance: its name in YAML; lives, as the host's table does, until destroy returned.
   */
  bc_status (*create)(const bc_host*, const char* instance, void** self);
  bc_status (*handle)(void* self, const bc_event*); /* [plugin] */
  void (*destroy)(void* self);                      /* [plugin] own threads joined on return */
} bc_entry;
/* extern const bc_entry bc_plugin_entry; the one exported symbol. A static constructor of the
 * library must not throw: that ends the process while it is loaded, and nothing can catch it. */
#ifdef __cplusplus
}
#endif
#endif

/* broadcast/abi/core.h: what every broadcaster and every host of ABI 1 has. The host loads the
 * library, finds bc_plugin_entry in it, and calls create(), handle() and destroy(); the broadcaster
 * calls the functions of bc_host. No exception crosses the border in either direction.
 *
 * Two words say where a function may be called:
 *   [plugin] on the broadcaster's own thread only. The host makes one for each generation and calls
 *            create(), handle() and destroy() there, one call at a time.
 *   [any]    on any thread that the broadcaster owns, several at once, from the beginning of
 *            create() until destroy() returns. No function of the host blocks.
 * A generation is one life of a broadcaster, from create() to destroy(). Its successor is created
 * while it still serves.
 *
 * What the host passes to a callback is valid until that callback returns. What the broadcaster
 * passes to the host is copied before the call returns. */
#ifndef BROADCAST_ABI_CORE_H
#define BROADCAST_ABI_CORE_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define BC_ABI_MAJOR 1u      /* a host loads what has the same major version, whatever the minor */
#define BC_MAGIC 0x31504342u /* "BCP1" */
#define BC_ENTRY_SYMBOL "bc_plugin_entry"

/* The result of a call in either direction: 0 is success, a negative number a failure. Take a
 * negative number that is not listed here for a plain failure.
 *
 * What handle() returns decides what follows:
 *   EXCEPTION, RESTART  The instance is destroyed and a new one is made.
 *   any failure of create(), CONFIG or START: the same; the next try comes after 1 s, then 2 s, up
 *     to a minute. Where an older generation serves, it goes on instead.
 *   BUSY, REVOKED, NOMEM out of MESSAGE: its producer is told to try again (HTTP 503).
 *   another failure of MESSAGE: the producer's message is refused (HTTP 422).
 *   another failure of anything else: it is logged and counted. */
typedef int32_t bc_status;
enum {
  BC_OK = 0,
  BC_E_INVALID = -1,     /* an argument is wrong, or this is not the moment for the call */
  BC_E_UNSUPPORTED = -2, /* the caller used what the other side does not know */
  BC_E_BUSY = -3,        /* a queue or a limit of the host is full: try again later */
  BC_E_REVOKED = -4,     /* this generation has no say now: it is being replaced, or is over */
  BC_E_DENIED = -5,      /* the topic belongs to somebody else */
  BC_E_EXCEPTION = -6,   /* from handle(): the state of the instance is unknown */
  BC_E_RESTART = -7,     /* from handle(): the instance asks to be replaced by a new one */
  BC_E_NOMEM = -8,       /* out of memory; the call had no effect */
  BC_E_WRONG_THREAD = -9 /* a [plugin] function was called on another thread; no effect */
};
/* Levels of log(), from the least to the most urgent. A level outside of them counts as the
 * nearest. */
enum { BC_LOG_TRACE, BC_LOG_DEBUG, BC_LOG_INFO, BC_LOG_WARN, BC_LOG_ERROR };

/* A text in UTF-8 that somebody else owns, valid for the duration of the call. There need not be a
 * NUL behind it. `ptr` may be NULL where `len` is 0. */
typedef struct bc_str {
  const char* ptr;
  size_t len; /* bytes */
} bc_str;
typedef struct bc_host bc_host;

/* One message that a broadcaster publishes. Set every byte that has no meaning for you to 0. */
typedef struct bc_publish {
  uint32_t size, flags; /* size: sizeof(bc_publish); flags: 0 in ABI 1, else BC_E_UNSUPPORTED */
  bc_str topic;         /* one that the manifest owns, else BC_E_DENIED */
  /* A JSON object with a member `type`, and without `topic` and `seq` at its top level, which the
   * host adds; else BC_E_INVALID, and the host's log says why. The host parses all of it: UTF-8,
   * nothing before `{` or behind `}`, at least one member, nested at most 1024 deep, numbers that
   * are 64-bit integers or finite doubles. Together with what the host adds it has at most
   * limits.publish bytes (256 KiB unless YAML says otherwise). A host asks for `type` only where
   * plugins.strict is set. */
  bc_str payload;
  /* When the event itself happened: wall clock, nanoseconds since 1970 UTC; 0: unknown. It changes
   * nothing about the message, and a host may ignore it. */
  int64_t source_time_ns;
} bc_publish;

/* What an event is about, with the members of bc_event that it sets besides size, kind, flags and
 * mono_ns. All others are 0. Answer kinds and flags that you do not know with BC_OK.
 *
 * The order of a life is CONFIG, START, then any number of the others, STOP. */
enum {
  /* Once, after CONFIG, when the generation before is paused or gone. From here on the broadcaster
   * may publish. Beside an older generation it has 10 s to return; see bc_entry.create. */
  BC_EV_START = 1,
  /* The last event, if START returned BC_OK, also after a failure. `num` is when it should have
   * returned: in the clock of mono_ns(), nanoseconds. A generation that is late is left behind. */
  BC_EV_STOP,
  /* Once, directly after create(). `data` is the `config:` of the YAML as JSON, already checked
   * against the manifest's schema, with its defaults filled in. */
  BC_EV_CONFIG,
  /* A timer is due. `id` is the one that it was armed with. Only after START. */
  BC_EV_TIMER,
  /* What post() was given: `id` and `ptr`. After START and before STOP; where START never came or
   * has failed, before destroy(). */
  BC_EV_POST,
  /* `topic`, which the manifest owns, is wanted from now on, or is wanted no more; `num` is the
   * number of its subscribers now, 0 if it is wanted no more. A client that subscribes by the
   * topic's name wants it. A client that has it through a pattern wants it only where the
   * broadcaster published on it first, unasked. That nobody wants it is told 30 s after the last
   * one has left. Only with "demand": true in the manifest. */
  BC_EV_DEMAND,
  /* A producer sent `data`, a JSON text, for `topic`, which the manifest owns. `source` is how it
   * came: "http", "redis" (Pub/Sub) or "stream" (a Redis stream). */
  BC_EV_MESSAGE
};
/* DEMAND: the topic was wanted before START already. Each generation is told everything anew. */
enum { BC_EVF_REPLAY = 1 };

/* What the host has to tell. BC_EV_… says which members are set. The host owns all of it. */
typedef struct bc_event {
  uint32_t size;
  uint16_t kind, flags; /* BC_EV_…, BC_EVF_… */
  uint64_t id;          /* TIMER, POST: the number that the broadcaster gave */
  int64_t mono_ns;      /* when the host queued it, TIMER: when it was due; clock of mono_ns() */
  int64_t num;          /* DEMAND: subscribers; STOP: deadline */
  bc_str topic;         /* DEMAND, MESSAGE */
  bc_str source;        /* MESSAGE */
  bc_str data;          /* CONFIG, MESSAGE */
  /* POST: what post() was given. It is handed over exactly once, also while stopping and where
   * START failed, so it may own memory. */
  void* ptr;
} bc_event;

/* The host as one generation sees it. The host owns the table; it is valid from the beginning of
 * create() until destroy() returns, and nothing in it changes meanwhile. Pass it as the first
 * argument of each of its functions. */
struct bc_host {
  uint32_t size, abi_major, abi_minor, reserved;
  const char *name, *version; /* of the host, NUL-terminated; valid as long as the table */
  void* impl;                 /* the host's own; do not touch */

  /* [any] The table of an extension, to be cast to the type beside its id: `id` is BC_EXT_….
   * NULL: this host does not offer it, or YAML does not grant the permission for it. The answer is
   * the same throughout a generation, and valid as long as this table. */
  const void* (*get_extension)(const bc_host*, const char* id);

  /* [any] Writes a line into the host's log, under the broadcaster's name. `level` is BC_LOG_…. */
  void (*log)(const bc_host*, int32_t level, bc_str text);

  /* [plugin] Says in words why the callback that is running will return a failure. A producer reads
   * it, or the operator in the log. The last call counts; it is forgotten if the callback returns
   * BC_OK. Ignored on another thread. */
  void (*fail)(const bc_host*, bc_str why);

  /* [any] Publishes one message: it gets a number and goes to every subscriber of the topic.
   *   BC_OK             the host has it
   *   BC_E_INVALID      before START, or the payload is not what bc_publish asks for
   *   BC_E_DENIED       the manifest does not own the topic
   *   BC_E_BUSY         the host is full, and did not take it: on `all` topics because readers or
   *                     the disk are behind, on a new topic of any kind because there are as many
   *                     topics as there may be. Merge or try later, but do not spin.
   *   BC_E_REVOKED      this generation is being replaced, has failed or is over. Do not give up:
   *                     if its successor fails to start, it publishes again; else STOP follows.
   *   BC_E_UNSUPPORTED  a flag or a member that this host does not know */
  bc_status (*publish)(const bc_host*, const bc_publish*);

  /* [plugin] Arms timer `id`, which is the broadcaster's own number: TIMER comes after `delay_ns`
   * and then, if `period_ns` is above 0, every `period_ns`. Allowed from create() on, but nothing
   * fires before START has returned. The same `id` arms the timer anew; `delay_ns` below 0 cancels
   * it, whether it was armed or not. A periodic timer that is late fires once and then keeps its
   * beat; what it missed is not made up for.
   *   BC_E_INVALID       a period below 0
   *   BC_E_BUSY          4096 timers are armed
   *   BC_E_REVOKED       this generation has failed or is over
   *   BC_E_WRONG_THREAD  not the broadcaster's thread */
  bc_status (*timer)(const bc_host*, uint64_t id, int64_t delay_ns, int64_t period_ns);

  /* [any] Queues a POST event with `id` and `ptr` for the broadcaster's thread. The host does not
   * look at either. What create() posted is dropped if create() then fails.
   *   BC_OK         `ptr` will be handed over exactly once
   *   BC_E_BUSY     4096 are waiting; not taken
   *   BC_E_REVOKED  STOP is next or has begun; not taken */
  bc_status (*post)(const bc_host*, uint64_t id, void* ptr);

  /* [any] The monotonic clock, nanoseconds; no relation to the date. FakeHost's is virtual. */
  int64_t (*mono_ns)(const bc_host*);
  /* [any] The wall clock, nanoseconds since 1970 UTC; it may be set back. FakeHost's is virtual. */
  int64_t (*wall_ns)(const bc_host*);
  /* [any] Not 0: the broadcaster is to stop. Ask it in long loops, and return soon. */
  int32_t (*stopping)(const bc_host*);
};

/* What the library exports, under the name bc_plugin_entry:
 *
 *   extern const bc_entry bc_plugin_entry;
 *
 * Nothing else needs to be exported. The host reads the manifest before it runs any code of the
 * library. A static constructor of the library runs on a thread that ends with the loading; it must
 * not throw, because nothing could catch it and the process would end. */
typedef struct bc_entry {
  uint32_t magic, size, abi_major, abi_minor; /* BC_MAGIC, sizeof(bc_entry), BC_ABI_MAJOR, 0 */

  /* What the broadcaster says of itself: a JSON object, NUL-terminated. The same bytes, with their
   * NUL, stand in the ELF note ".note.bc" (owner "BC", type 1). Members:
   *   name, version  texts, for people; `name` of a-z, 0-9, _ and -
   *   abi            [1,0]
   *   topics         what it owns: [{"pattern":"price:{ticker}","match":"[0-9]{6}",
   *                  "delivery":"latest"}]. `pattern` is a topic, or a topic's beginning with one
   *                  {placeholder} at the end, whose whole text has to match the regular expression
   *                  `match`, if there is one. `delivery` is "latest" (a slow reader may lose what
   *                  is superseded) or "all" (nothing is skipped; a reader too slow is closed).
   *   requires       ids of extensions without which it is not to be started
   *   demand         true: DEMAND events come
   *   exclusive      true: there are never two generations at once; the old one is stopped first
   *   config         a JSON Schema for `config:` in YAML (keywords: broadcast/schema.hpp); without
   *                  it, no key is allowed there
   * Only name, version and abi have to be there. */
  const char* manifest;

  /* [plugin] Makes the instance and stores it in `*self`, which is the broadcaster's own.
   * `instance` is the broadcaster's name in YAML; it is valid as long as the table. Do not publish
   * here: an older generation may still serve. On a failure there is no instance, and none of the
   * other two is called for it. Where an older generation serves meanwhile, create() and CONFIG
   * together have 30 s, and START 10 s. Where none does, all three together have 10 s when an
   * operator asked for the change, and no limit otherwise. */
  bc_status (*create)(const bc_host*, const char* instance, void** self);
  /* [plugin] Takes one event. It may block, which delays nobody but the broadcaster itself. */
  bc_status (*handle)(void* self, const bc_event*);
  /* [plugin] Ends the instance, always, if create() returned BC_OK. When it returns, all threads of
   * the broadcaster's own have ended: their code is unmapped next. */
  void (*destroy)(void* self);
} bc_entry;
#ifdef __cplusplus
}
#endif
#endif

/* ABI 1.0 in plain C: every function of the host's table and what a plugin needs of the extensions.
 * What happens to it is told on kept_c:log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <broadcast/abi.h>

#define MANIFEST                                                                 \
  "{\"name\":\"kept_c\",\"version\":\"1.0.0\",\"abi\":[1,0],\"demand\":true,"    \
  "\"requires\":[\"bc.demand/1\",\"bc.status/1\",\"bc.metrics/1\"],\"topics\":[" \
  "{\"pattern\":\"kept_c:log\",\"delivery\":\"all\"}]}"

static const struct {
  uint32_t owner_bytes, text_bytes, type;
  char owner[4];
  char text[(sizeof MANIFEST + 3) / 4 * 4];
} note __attribute__((used, section(".note.bc"), aligned(4))) = {3, sizeof MANIFEST, 1, "BC",
                                                                 MANIFEST};

static bc_str str(const char* text) {
  const bc_str result = {text, strlen(text)};
  return result;
}

static bc_status tell(const bc_host* host, const char* what, bc_str detail) {
  char text[256];
  bc_publish call;
  memset(&call, 0, sizeof call);
  snprintf(text, sizeof text, "{\"type\":\"kept\",\"event\":\"%s %.*s\"}", what, (int)detail.len,
           detail.len == 0 ? "" : detail.ptr);
  call.size = sizeof call;
  call.topic = str("kept_c:log");
  call.payload = str(text);
  call.source_time_ns = host->wall_ns(host);
  return host->publish(host, &call);
}

static bc_status start(const bc_host* host) {
  const bc_ext_status* status = host->get_extension(host, BC_EXT_STATUS);
  const bc_ext_metrics* metrics = host->get_extension(host, BC_EXT_METRICS);
  const bc_ext_demand* demand = host->get_extension(host, BC_EXT_DEMAND);
  host->log(host, BC_LOG_INFO, str("starting"));
  if (metrics->define(host, 1, BC_COUNTER, str("starts"), str("How often")) != BC_OK) return -1;
  metrics->record(host, 1, 1);
  if (demand->subscribers(host, str("kept_c:log")) != 1) return BC_E_INVALID;
  if (status->report(host, BC_STATUS_DEGRADED, str("as it was built")) != BC_OK) return -1;
  if (host->timer(host, 7, 0, 0) != BC_OK) return BC_E_INVALID;
  if (host->stopping(host) != 0 || host->mono_ns(host) <= 0) return BC_E_INVALID;
  return host->post(host, 8, (void*)host);
}

static bc_status create(const bc_host* host, const char* instance, void** self) {
  if (strcmp(instance, "kept") != 0) return BC_E_INVALID;
  *self = (void*)host;
  return BC_OK;
}

static bc_status handle(void* self, const bc_event* event) {
  const bc_host* host = self;
  switch (event->kind) {
    case BC_EV_CONFIG:
      return event->data.len == 2 ? BC_OK : BC_E_INVALID;
    case BC_EV_START:
      return start(host);
    case BC_EV_TIMER:
      return tell(host, event->id == 7 ? "timer" : "?", str(""));
    case BC_EV_POST:
      return tell(host, event->id == 8 && event->ptr == self ? "post" : "?", str(""));
    case BC_EV_DEMAND:
      return tell(host, event->num == 1 && event->flags == BC_EVF_REPLAY ? "demand" : "?",
                  event->topic);
    case BC_EV_MESSAGE:
      if (event->data.len > 0 && event->data.ptr[0] == '1') {
        return tell(host, "message", event->source);
      }
      host->fail(host, str("not a 1"));
      return BC_E_INVALID;
    case BC_EV_STOP:
      return event->num > 0 ? tell(host, "stop", str("")) : BC_E_INVALID;
    default:
      return BC_OK;
  }
}

static void destroy(void* self) { (void)self; }

extern const bc_entry bc_plugin_entry;
__attribute__((visibility("default"))) const bc_entry bc_plugin_entry = {
    BC_MAGIC, sizeof(bc_entry), BC_ABI_MAJOR, 0, MANIFEST, create, handle, destroy};

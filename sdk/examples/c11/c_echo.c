/* A broadcaster in plain C11, straight against abi.h: "c:echo" publishes what producers send,
 * wrapped. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <broadcast/abi.h>

#define MANIFEST                                                \
  "{\"name\":\"c_echo\",\"version\":\"1.0.0\",\"abi\":[1,0],"   \
  "\"topics\":[{\"pattern\":\"c:echo\",\"delivery\":\"all\"}]," \
  "\"config\":{\"type\":\"object\",\"additionalProperties\":false}}"

static const struct {
  uint32_t owner_bytes, text_bytes, type;
  char owner[4];
  char text[(sizeof MANIFEST + 3) / 4 * 4];
} note __attribute__((used, section(".note.bc"), aligned(4))) = {3, sizeof MANIFEST, 1, "BC",
                                                                 MANIFEST};

struct echo {
  const bc_host* host;
};

static bc_status create(const bc_host* host, const char* instance, void** self) {
  struct echo* echo = malloc(sizeof *echo);
  (void)instance;
  if (echo == NULL) return BC_E_NOMEM;
  echo->host = host;
  *self = echo;
  return BC_OK;
}

static bc_status publish_wrapped(const struct echo* echo, bc_str data) {
  static const char head[] = "{\"type\":\"echo\",\"data\":";
  const size_t size = sizeof head - 1 + data.len + 1;
  char* text = malloc(size);
  bc_publish call = {0};
  bc_status status;
  if (text == NULL) return BC_E_NOMEM;
  memcpy(text, head, sizeof head - 1);
  memcpy(text + sizeof head - 1, data.ptr, data.len);
  text[size - 1] = '}';
  call.size = sizeof call;
  call.topic = (bc_str){"c:echo", 6};
  call.payload = (bc_str){text, size};
  status = echo->host->publish(echo->host, &call);
  free(text);
  return status;
}

static bc_status handle(void* self, const bc_event* event) {
  const struct echo* echo = self;
  static const char empty[] = "the message is empty";
  if (event->kind != BC_EV_MESSAGE) return BC_OK;
  if (event->data.len == 0) {
    echo->host->fail(echo->host, (bc_str){empty, sizeof empty - 1});
    return BC_E_INVALID;
  }
  return publish_wrapped(echo, event->data);
}

static void destroy(void* self) { free(self); }

extern const bc_entry bc_plugin_entry;
__attribute__((visibility("default"))) const bc_entry bc_plugin_entry = {
    BC_MAGIC, sizeof(bc_entry), BC_ABI_MAJOR, 0, MANIFEST, create, handle, destroy};

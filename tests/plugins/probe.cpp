// Does what it is told, and tells what happens to it on probe:log. Told by its config,
// {"in":"START","do":"throw"}, or by a message, {"do":"throw"}. Exceptions leave it through the C
// border, unfenced on purpose.

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

#include "tests/plugins/raw_plugin.hpp"

namespace {

constexpr char kManifest[] =
    R"({"name":"probe","version":"1.0.0","abi":[1,0],"requires":["bc.demand/1"],"demand":true,)"
    R"("topics":[{"pattern":"probe:log","delivery":"all"},)"
    R"({"pattern":"probe:{name}","match":"[a-z]+","delivery":"latest"}],)"
    R"("config":{"type":"object","additionalProperties":true},)"
#ifdef TEST_EXCLUSIVE
    R"("exclusive":true,)"
#endif
    R"("from_the_future":{"ignored":[1]}})";

std::string_view view(bc_str text) { return text.ptr ? std::string_view(text.ptr, text.len) : ""; }
bc_str borrow(std::string_view text) { return {text.data(), text.size()}; }

int descriptor_in(std::string_view order) {
  const std::size_t at = order.find("\"fd\":");
  return at == std::string_view::npos ? -1 : std::atoi(order.data() + at + 5);
}

int nice_value() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }
const int nice_while_loaded = nice_value();

enum MetricId : std::uint32_t { kOrders = 1, kDepth, kTook, kRefused };

struct Probe {
  const bc_host* host;
  std::string config;

  bc_status publish(std::string_view topic, const std::string& payload) const {
    bc_publish message{};
    message.size = sizeof message;
    message.topic = borrow(topic);
    message.payload = borrow(payload);
    return host->publish(host, &message);
  }

  void tell(const std::string& what) const {
    publish("probe:log", R"({"type":"probe","event":")" + what + "\"}");
  }

  bc_status fail(bc_status status, std::string_view why) const {
    host->fail(host, borrow(why));
    return status;
  }

  bc_status wait_for_byte(std::string_view order) const {
    tell("stuck");
    char byte = 0;
    return read(descriptor_in(order), &byte, 1) == 1 ? BC_OK : BC_E_INVALID;
  }

  /// What no plugin may do: fails, and leaves a thread that calls the host once it is sent a byte,
  /// and answers with one.
  [[noreturn]] void haunt(std::string_view order) const {
    std::thread([host = host, fd = descriptor_in(order)] {
      char byte = 0;
      if (read(fd, &byte, 1) != 1) return;
      byte = host->stopping(host) != 0 ? 's' : '?';
      if (write(fd, &byte, 1) != 1) std::abort();
    }).detach();
    throw std::runtime_error("with a thread left");
  }

  /// One publish from a thread of its own: no part of the verdict.
  bc_status publish_elsewhere() const {
    bc_status status = BC_OK;
    std::thread([&] { status = publish("probe:elsewhere", R"({"type":"probe"})"); }).join();
    return status;
  }

  const bc_ext_metrics* metrics() const {
    return static_cast<const bc_ext_metrics*>(host->get_extension(host, BC_EXT_METRICS));
  }

  /// One of each kind, and one that the host refuses; with help that is not to spoil the others.
  void define_metrics() const {
    const auto define = [&](std::uint32_t id, std::int32_t kind, const char* name) {
      metrics()->define(host, id, kind, borrow(name), borrow("\"What\" the \\probe\ncounts."));
    };
    define(kOrders, BC_COUNTER, "orders_total");
    define(kDepth, BC_GAUGE, "depth");
    define(kTook, BC_HISTOGRAM, "took_seconds");
    define(kRefused, BC_GAUGE, "took_seconds_count");
  }

  bc_status record_all() const {
    for (const MetricId id : {kOrders, kDepth, kTook, kRefused}) {
      metrics()->record(host, id, 1);
    }
    return BC_OK;
  }

  const bc_ext_state* state() const {
    return static_cast<const bc_ext_state*>(host->get_extension(host, BC_EXT_STATE));
  }

  /// {"do":"keep","state":"abc"}
  bc_status keep(std::string_view order) const {
    constexpr std::string_view kKey = "\"state\":\"";
    const std::string_view text = order.substr(order.find(kKey) + kKey.size());
    return state()->set(host, borrow(text.substr(0, text.find('"'))));
  }

  void tell_kept() const {
    std::string kept(64, '\0');
    const std::int64_t size = state()->get(host, kept.data(), kept.size());
    if (size > 0) tell("kept " + kept.substr(0, static_cast<std::size_t>(size)));
  }

  bc_status obey(std::string_view order) const {
    const auto is = [&](const char* what) {
      return order.find(std::string("\"do\":\"") + what + '"') != std::string_view::npos;
    };
    if (is("throw")) throw std::runtime_error("thrown \xff on\nrequest");
    if (is("throw_int")) throw 42;
    if (is("fenced")) return fail(BC_E_EXCEPTION, "no such table");
    if (is("refuse")) return fail(BC_E_INVALID, "signals[0].ticker is missing");
    if (is("refuse_silently")) return BC_E_INVALID;
    if (is("tell_nice")) {
      return fail(BC_E_INVALID, std::to_string(nice_value()) + ", loaded with " +
                                    std::to_string(nice_while_loaded));
    }
    if (is("busy")) return BC_E_BUSY;
    if (is("restart")) return fail(BC_E_RESTART, "new settings");
    if (is("stuck")) return wait_for_byte(order);
    if (is("stuck_and_tell")) {
      const bc_status status = wait_for_byte(order);
      tell("freed");
      return status;
    }
    if (is("haunt")) haunt(order);
    if (is("elsewhere")) return publish_elsewhere();
    if (is("publish_twice")) {
      publish("probe:first", R"({"type":"probe"})");
      return publish("probe:second", R"({"type":"probe"})");
    }
    if (is("publish_and_throw")) {
      publish("probe:once", R"({"type":"probe"})");
      throw std::runtime_error("having published one");
    }
    if (is("metric")) return record_all();
    if (is("keep")) return keep(order);
    if (is("post")) return host->post(host, 7, nullptr);
    if (is("timer")) return host->timer(host, 9, 0, 0);
    if (is("post_and_throw")) {
      host->post(host, 7, nullptr);
      throw std::runtime_error("with a post on its way");
    }
    return BC_OK;
  }

  bc_status reach(std::string_view stage) const {
    const bool is_meant = config.find("\"in\":\"" + std::string(stage) + '"') != std::string::npos;
    return is_meant ? obey(config) : BC_OK;
  }
};

bc_status create(const bc_host* host, const char*, void** self) {
  *self = new Probe{host, {}};
  return BC_OK;
}

bc_status handle(void* self, const bc_event* event) {
  Probe& probe = *static_cast<Probe*>(self);
  switch (event->kind) {
    case BC_EV_CONFIG:
      probe.config = view(event->data);
      return probe.reach("CONFIG");
    case BC_EV_START:
      probe.tell("START");
      probe.tell_kept();
      probe.define_metrics();
      return probe.reach("START");
    case BC_EV_TIMER:
      probe.tell("TIMER " + std::to_string(event->id));
      return probe.reach("TIMER");
    case BC_EV_POST:
      probe.tell("POST " + std::to_string(event->id));
      return probe.reach("POST");
    case BC_EV_DEMAND:
      probe.tell("DEMAND " + std::string(view(event->topic)) + " " + std::to_string(event->num) +
                 ((event->flags & BC_EVF_REPLAY) != 0 ? " replay" : ""));
      return probe.reach("DEMAND");
    case BC_EV_MESSAGE:
      return probe.obey(view(event->data));
    case BC_EV_STOP:
      probe.tell("STOP");
      return probe.reach("STOP");
    default:
      return BC_OK;
  }
}

void destroy(void* self) {
  const std::unique_ptr<Probe> probe(static_cast<Probe*>(self));
  probe->reach("destroy");
}

}  // namespace

RAW_PLUGIN(kManifest, create, handle, destroy)

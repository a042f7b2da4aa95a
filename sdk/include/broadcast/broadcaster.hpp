#pragma once
// The C++20 layer over abi.h: derive from Broadcaster, name it with BROADCAST_PLUGIN, done.
// Header-only, std only.
//
// Threads: [plugin] the broadcaster's own thread, where the host calls everything virtual here, one
// call at a time; it may block and hurts only itself. [any] any thread that the plugin owns.
// Threads that a plugin starts must be joined when its destructor returns; <broadcast/thread.hpp>
// does it. Exceptions never cross
// the border: every entry is fenced.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <broadcast/abi.h>
#include <broadcast/units.hpp>

namespace broadcast {

inline constexpr std::string_view kSdkVersion = "1.1.0";

[[nodiscard]] inline bc_str borrow(std::string_view text) { return {text.data(), text.size()}; }
[[nodiscard]] inline std::string_view view(bc_str text) {
  return text.len == 0 ? std::string_view() : std::string_view(text.ptr, text.len);
}

/// The size rule of abi.h: what both know is copied, what only we know is zero. False: `from` sets
/// a byte that we do not know.
template <class Struct>
[[nodiscard]] bool read_sized(const Struct* from, Struct& to) noexcept {
  to = {};
  const std::size_t known = std::min<std::size_t>(from->size, sizeof to);
  std::memcpy(&to, from, known);
  to.size = sizeof to;
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  return std::all_of(bytes + known, bytes + from->size,
                     [](unsigned char byte) { return byte == 0; });
}

/// A call into the host that failed. Thrown out of a callback, its status is what the callback
/// returns.
class Error : public std::runtime_error {
 public:
  Error(bc_status status, const std::string& what) : std::runtime_error(what), status_(status) {}
  [[nodiscard]] bc_status status() const noexcept { return status_; }

 private:
  bc_status status_;
};

/// Thrown from on_message(): the message is wrong, and `what` says where ("signals[2].ticker:
/// missing"). The producer reads it (HTTP 422).
class Refused : public Error {
 public:
  explicit Refused(const std::string& what) : Error(BC_E_INVALID, what) {}
};

/// Thrown from a callback: nothing is wrong with the message, but it cannot be handled now (HTTP
/// 503).
class Busy : public Error {
 public:
  explicit Busy(const std::string& what) : Error(BC_E_BUSY, what) {}
};

/// Thrown from a callback: this instance cannot go on; make a new one.
class RestartRequired : public Error {
 public:
  explicit RestartRequired(const std::string& what) : Error(BC_E_RESTART, what) {}
};

enum class PublishResult {
  kOk,
  kBusy,     ///< the host is full (`all` topics only): slow down or merge, do not spin
  kRevoked,  ///< this generation is being replaced: nothing to do; it goes on if that fails
};

enum class LogLevel : std::int32_t {
  kTrace = BC_LOG_TRACE,
  kDebug = BC_LOG_DEBUG,
  kInfo = BC_LOG_INFO,
  kWarn = BC_LOG_WARN,
  kError = BC_LOG_ERROR
};

enum class Health : std::int32_t {
  kOk = BC_STATUS_OK,
  kDegraded = BC_STATUS_DEGRADED,
  kStale = BC_STATUS_STALE,
  kDown = BC_STATUS_DOWN
};

/// What a producer sent for one of our topics. Views live for the call.
struct Message {
  std::string_view topic;
  std::string_view source;   ///< "http", "redis", "stream"
  std::string_view payload;  ///< JSON text
};

/// Every client of the host (bc.clients/1). Empty where the host does not offer it or YAML does not
/// permit it: then there are none, and nothing is done. [any]
class Clients {
 public:
  Clients(const bc_host* host, const bc_ext_clients* table) : host_(host), table_(table) {}

  [[nodiscard]] explicit operator bool() const { return table_ != nullptr; }
  [[nodiscard]] std::int64_t count() const { return table_ != nullptr ? table_->count(host_) : 0; }
  /// JSON without topic and number to everybody. False: not sent; the host is full, or refused it.
  [[nodiscard]] bool try_send_all(std::string_view json) const {
    return table_ != nullptr && table_->send_all(host_, borrow(json)) == BC_OK;
  }
  /// Closes, some time later, who has sent nothing for `idle`. False: as above.
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds idle, std::uint16_t code,
                                    std::string_view reason) const {
    return table_ != nullptr &&
           table_->close_idle(host_, idle.count(), code, borrow(reason)) == BC_OK;
  }

 private:
  const bc_host* host_;
  const bc_ext_clients* table_;
};

enum class MetricKind : std::int32_t {
  kCounter = BC_COUNTER,
  kGauge = BC_GAUGE,
  kHistogram = BC_HISTOGRAM
};

/// A number for the operator (bc.metrics/1). Empty where the host does not offer it: then nothing
/// is recorded. [any]
class Metric {
 public:
  Metric() = default;
  Metric(const bc_host* host, const bc_ext_metrics* table, std::uint32_t id)
      : host_(host), table_(table), id_(id) {}

  [[nodiscard]] explicit operator bool() const { return table_ != nullptr; }
  /// Adds to a counter, sets a gauge, is observed by a histogram.
  void record(double value) const {
    if (table_ != nullptr) table_->record(host_, id_, value);
  }

 private:
  const bc_host* host_ = nullptr;
  const bc_ext_metrics* table_ = nullptr;
  std::uint32_t id_ = 0;
};

class Broadcaster {
 public:
  using TimerId = std::uint64_t;

  /// [plugin] `host` lives as long as the instance.
  explicit Broadcaster(const bc_host* host) : host_(host) {}
  virtual ~Broadcaster() = default;
  Broadcaster(const Broadcaster&) = delete;
  Broadcaster& operator=(const Broadcaster&) = delete;

 protected:
  // What a plugin overrides. [plugin]

  /// Before on_start(): the `config:` of the YAML as JSON, checked against the manifest's schema,
  /// defaults filled in.
  virtual void on_config(std::string_view /*json*/) {}
  virtual void on_start() {}
  /// The last call. `deadline`: absolute, in the host's mono clock.
  virtual void on_stop(std::chrono::nanoseconds /*deadline*/) {}
  /// Throw Refused to refuse it. The default refuses everything.
  virtual void on_message(const Message& message) {
    throw Refused("topic \"" + std::string(message.topic) + "\" takes no messages");
  }
  /// A topic is wanted from now on, or has not been for a while (then `subscribers` is 0). Whoever
  /// asks for it by its name wants it; whoever has it by a pattern does where the first message on
  /// it came unasked. Needs "demand": true in the manifest. `replay`: told again after a start.
  virtual void on_demand(std::string_view /*topic*/, std::int64_t /*subscribers*/,
                         bool /*replay*/) {}

  // What a plugin calls.

  /// [any] Publishes a JSON object with `type` and without top-level `topic` and `seq`; the text is
  /// copied. Never blocks. `source_time_ns`: wall clock of the event itself, 0 unknown. Throws
  /// Error: not our topic, not such an object, too large, or before on_start().
  PublishResult publish(std::string_view topic, std::string_view payload,
                        std::int64_t source_time_ns = 0) {
    bc_publish call{};
    call.size = sizeof call;
    call.topic = borrow(topic);
    call.payload = borrow(payload);
    call.source_time_ns = source_time_ns;
    const bc_status status = host_->publish(host_, &call);
    if (status == BC_OK) return PublishResult::kOk;
    if (status == BC_E_BUSY) return PublishResult::kBusy;
    if (status == BC_E_REVOKED) return PublishResult::kRevoked;
    throw Error(status,
                "publish on \"" + std::string(topic) + "\" refused by the host: " +
                    (status == BC_E_DENIED
                         ? "not a topic of this broadcaster"
                         : "not a JSON object with \"type\" and without \"topic\" and \"seq\", too "
                           "large, or not started"));
  }

  /// [plugin] Calls `run` every `period`, the first time after one. A late one fires once, never
  /// several times.
  TimerId every(std::chrono::nanoseconds period, std::function<void()> run) {
    if (period.count() <= 0) throw Error(BC_E_INVALID, "every() needs a period above 0");
    return arm(period, period, std::move(run));
  }
  /// [plugin] Calls `run` once; a `delay` below 0 is 0.
  TimerId after(std::chrono::nanoseconds delay, std::function<void()> run) {
    return arm(std::max(delay, std::chrono::nanoseconds(0)), std::chrono::nanoseconds(0),
               std::move(run));
  }
  /// [plugin]
  void cancel(TimerId id) {
    if (timers_.erase(id) > 0) static_cast<void>(host_->timer(host_, id, -1, 0));
  }

  /// [any] Runs `run` on the plugin's thread, exactly once, also while stopping. False: full, or
  /// over; it is not run.
  [[nodiscard]] bool post(std::function<void()> run) {
    auto owned = std::make_unique<std::function<void()>>(std::move(run));
    if (host_->post(host_, 0, owned.get()) != BC_OK) return false;
    static_cast<void>(owned.release());  // on_post takes it back
    return true;
  }

  /// [any]
  void log(LogLevel level, std::string_view text) const {
    host_->log(host_, static_cast<std::int32_t>(level), borrow(text));
  }
  /// [any] What subscribers see on status:{name}. Nothing happens where the host does not offer
  /// bc.status/1.
  void report(Health health, std::string_view detail) const {
    if (const auto* status = extension<bc_ext_status>(BC_EXT_STATUS)) {
      static_cast<void>(status->report(host_, static_cast<std::int32_t>(health), borrow(detail)));
    }
  }
  /// [any] Subscribers of one of our topics now; nothing where the host does not offer bc.demand/1.
  [[nodiscard]] std::optional<std::int64_t> subscribers(std::string_view topic) const {
    const auto* demand = extension<bc_ext_demand>(BC_EXT_DEMAND);
    if (demand == nullptr) return std::nullopt;
    return demand->subscribers(host_, borrow(topic));
  }
  /// [any] Drops cached keys by pattern. False: not offered, or refused.
  bool drop_cache(std::string_view pattern) const {
    const auto* cache = extension<bc_ext_cache>(BC_EXT_CACHE);
    return cache != nullptr && cache->drop(host_, borrow(pattern)) == BC_OK;
  }
  /// [any] From on_start() on: clients that are silent for `interval` get a WebSocket ping, which
  /// browsers and libraries answer by themselves, and are told both times when they connect.
  /// `timeout` is what you call clients().try_close_idle() with. False: not offered, not permitted
  /// (`permissions: [clients]`), or refused: an interval below 100 ms, or no shorter than the
  /// timeout.
  bool keep_heartbeat(std::chrono::nanoseconds interval, std::chrono::nanoseconds timeout) const {
    const auto* heartbeat = extension<bc_ext_heartbeat>(BC_EXT_HEARTBEAT);
    return heartbeat != nullptr &&
           heartbeat->keep(host_, interval.count(), timeout.count()) == BC_OK;
  }
  /// [any] Needs `permissions: [clients]` in YAML.
  [[nodiscard]] Clients clients() const {
    return {host_, extension<bc_ext_clients>(BC_EXT_CLIENTS)};
  }
  /// [any] From on_start() to the end of on_stop(): keeps `bytes`, at most 1 MiB, for the
  /// generations that follow, in place of what was kept. They survive restart, replacement, and
  /// disabling; where the host has `state.path` its own restart, too, but for the last second
  /// before a crash. In on_start() it counts once that has returned. False: not offered, or this
  /// generation is being replaced or has failed. Throws Error: too large, or before on_start().
  bool keep_state(std::string_view bytes) const {
    const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
    if (state == nullptr) return false;
    const bc_status status = state->set(host_, borrow(bytes));
    if (status == BC_OK || status == BC_E_REVOKED) return status == BC_OK;
    throw Error(status, "a state of " + std::to_string(bytes.size()) +
                            " bytes refused by the host: too large, or not started");
  }
  /// [any] From on_start() on: what was kept last, by this generation or one before; empty: nothing
  /// was, or not offered. Throws Error: before on_start(), when an earlier generation may still
  /// keep another.
  [[nodiscard]] std::string kept_state() const {
    const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
    if (state == nullptr) return {};
    std::string bytes;
    for (;;) {  // another thread may keep a larger one between two calls
      const std::int64_t size = state->get(host_, bytes.data(), bytes.size());
      if (size == BC_E_REVOKED) return {};
      if (size < 0) throw Error(static_cast<bc_status>(size), "no state before on_start()");
      const bool is_whole = static_cast<std::size_t>(size) <= bytes.size();
      bytes.resize(static_cast<std::size_t>(size));
      if (is_whole) return bytes;
    }
  }
  /// [plugin] Before on_start() returns. Empty: not offered, or refused.
  [[nodiscard]] Metric define_metric(MetricKind kind, std::string_view name,
                                     std::string_view help) {
    const auto* metrics = extension<bc_ext_metrics>(BC_EXT_METRICS);
    if (metrics == nullptr) return {};
    const std::uint32_t id = ++last_metric_;
    const bc_status status =
        metrics->define(host_, id, static_cast<std::int32_t>(kind), borrow(name), borrow(help));
    return status == BC_OK ? Metric(host_, metrics, id) : Metric();
  }
  /// [any] Monotonic and wall clock, nanoseconds; virtual under FakeHost.
  [[nodiscard]] std::int64_t mono_ns() const { return host_->mono_ns(host_); }
  [[nodiscard]] std::int64_t wall_ns() const { return host_->wall_ns(host_); }
  /// [any] Ask it in long loops.
  [[nodiscard]] bool stopping() const { return host_->stopping(host_) != 0; }
  /// [any] A table of services, or null where the host does not offer it or YAML does not permit
  /// it.
  template <class Table>
  [[nodiscard]] const Table* extension(const char* id) const {
    return static_cast<const Table*>(host_->get_extension(host_, id));
  }
  [[nodiscard]] const bc_host* host() const { return host_; }

 private:
  friend struct PluginGlue;
  friend class Thread;

  struct Timer {
    std::function<void()> run;
    bool once;
  };

  TimerId arm(std::chrono::nanoseconds delay, std::chrono::nanoseconds period,
              std::function<void()> run) {
    const TimerId id = ++last_timer_;
    const bc_status status = host_->timer(host_, id, delay.count(), period.count());
    if (status != BC_OK) throw Error(status, "the host refused a timer");
    timers_[id] = {std::move(run), period.count() == 0};
    return id;
  }

  void dispatch(const bc_event& event) {
    switch (event.kind) {
      case BC_EV_CONFIG:
        return on_config(view(event.data));
      case BC_EV_START:
        return on_start();
      case BC_EV_STOP:
        return stop(std::chrono::nanoseconds(event.num));
      case BC_EV_TIMER:
        return on_timer(event.id);
      case BC_EV_POST:
        return on_post(event.ptr);
      case BC_EV_DEMAND:
        return on_demand(view(event.topic), event.num, (event.flags & BC_EVF_REPLAY) != 0);
      case BC_EV_MESSAGE:
        return on_message({view(event.topic), view(event.source), view(event.data)});
      default:
        return;  // kinds of a newer host
    }
  }
  /// Threads are told before on_stop(), which may wake what they wait for, and joined after it.
  void stop(std::chrono::nanoseconds deadline) {
    struct Joined {
      Broadcaster& self;
      ~Joined() { self.join_threads(); }
    };
    takes_threads_ = false;
    const Joined joined{*this};
    for (std::jthread* thread : threads_) thread->request_stop();
    on_stop(deadline);
  }
  void join_threads() {
    takes_threads_ = false;
    for (std::jthread* thread : threads_) thread->request_stop();
    for (std::jthread* thread : threads_) {
      if (thread->joinable()) thread->join();
    }
  }
  void on_timer(TimerId id) {
    const auto found = timers_.find(id);
    if (found == timers_.end()) return;                   // cancelled while it was on its way
    const std::function<void()> run = found->second.run;  // it may cancel itself
    if (found->second.once) timers_.erase(found);
    run();
  }
  static void on_post(void* ptr) {
    const std::unique_ptr<std::function<void()>> run(static_cast<std::function<void()>*>(ptr));
    (*run)();
  }

  const bc_host* const host_;
  std::map<TimerId, Timer> timers_;
  TimerId last_timer_ = 0;
  std::uint32_t last_metric_ = 0;
  bool takes_threads_ = false;
  std::vector<std::jthread*> threads_;  // of each Thread that there is
};

/// Between the C entry points and a Broadcaster. Used by BROADCAST_PLUGIN.
struct PluginGlue {
  struct Instance {
    const bc_host* host;
    std::unique_ptr<Broadcaster> broadcaster;
  };

  /// Runs `body`; an exception becomes a status and the text for it.
  template <class F>
  static bc_status fence(const bc_host* host, F&& body) noexcept {
    try {
      try {
        body();
        return BC_OK;
      } catch (const Error& error) {
        host->fail(host, borrow(error.what()));
        return error.status();
      } catch (const std::bad_alloc& error) {
        host->fail(host, borrow(error.what()));
        return BC_E_NOMEM;
      } catch (const std::exception& error) {
        host->fail(host, borrow(error.what()));
        return BC_E_EXCEPTION;
      }
    } catch (...) {
      host->fail(host, borrow("unknown exception"));
      return BC_E_EXCEPTION;
    }
  }

  template <class T>
  static bc_status create(const bc_host* host, const char* /*instance*/, void** self) noexcept {
    return fence(host, [&] {
      auto instance = std::make_unique<Instance>();
      instance->host = host;
      instance->broadcaster = std::make_unique<T>(host);
      instance->broadcaster->takes_threads_ = true;
      *self = instance.release();
    });
  }
  static bc_status handle(void* self, const bc_event* from) noexcept {
    auto* instance = static_cast<Instance*>(self);
    bc_event event;
    if (!read_sized(from, event)) return BC_E_UNSUPPORTED;
    return fence(instance->host, [&] { instance->broadcaster->dispatch(event); });
  }
  static void destroy(void* self) noexcept {
    const std::unique_ptr<Instance> instance(static_cast<Instance*>(self));
    static_cast<void>(fence(instance->host, [&] {
      instance->broadcaster->join_threads();  // before any member that they use is gone
      instance->broadcaster.reset();
    }));
  }
};

/// An ELF note: the manifest where the host can read it without running anything.
template <std::size_t N>
struct ManifestNote {
  std::uint32_t owner_bytes = 3;
  std::uint32_t text_bytes = N;
  std::uint32_t type = 1;
  char owner[4] = {'B', 'C', '\0', '\0'};
  char text[(N + 3) / 4 * 4] = {};

  constexpr explicit ManifestNote(const char (&manifest)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = manifest[i];
  }
};

}  // namespace broadcast

// clang's AddressSanitizer would pad the note, and a padded note cannot be read.
#if defined(__clang__)
#define BROADCAST_NOT_PADDED [[clang::no_sanitize("address")]]
#else
#define BROADCAST_NOT_PADDED
#endif

/// BROADCAST_PLUGIN(Class, "name", "1.0.0",
/// R"("topics":[…],"requires":[…],"demand":true,"config":{…})") once in a library: its manifest
/// (the given members behind name, version and abi), the ELF note, and the one exported symbol.
/// `Class` derives from Broadcaster and is constructed from `const bc_host*`.
#define BROADCAST_PLUGIN(Class, name, version, members)                                         \
  namespace {                                                                                   \
  constexpr char kBroadcastManifest[] =                                                         \
      "{\"name\":\"" name "\",\"version\":\"" version "\",\"abi\":[1,0]," members "}";          \
  BROADCAST_NOT_PADDED                                                                          \
  [[gnu::used, gnu::section(".note.bc"),                                                        \
    gnu::aligned(4)]] constinit const ::broadcast::ManifestNote<sizeof kBroadcastManifest>      \
      kBroadcastManifestNote{kBroadcastManifest};                                               \
  }                                                                                             \
  extern "C" {                                                                                  \
  [[gnu::used, gnu::visibility("default")]] extern constinit const bc_entry bc_plugin_entry = { \
      BC_MAGIC,                                                                                 \
      sizeof(bc_entry),                                                                         \
      BC_ABI_MAJOR,                                                                             \
      0,                                                                                        \
      kBroadcastManifest,                                                                       \
      &::broadcast::PluginGlue::create<Class>,                                                  \
      &::broadcast::PluginGlue::handle,                                                         \
      &::broadcast::PluginGlue::destroy};                                                       \
  }

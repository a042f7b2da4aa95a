#pragma once
// What a plugin in C++20 is built on: derive from Broadcaster, override what concerns you, and put
// BROADCAST_PLUGIN into one source file of the library. Needs nothing but the standard library.
//
// A broadcaster lives on a thread of its own, marked [plugin], where the host calls everything that
// is virtual here, one call at a time: it needs no locks, and it may block, which delays nobody but
// itself. What is marked [any] may be called on any thread that the plugin owns, from the beginning
// of the constructor until the destructor returns; no such call blocks. All threads of a plugin's
// own have to be joined when its destructor returns, because their code is unmapped next; those of
// <broadcast/thread.hpp> are.
//
// The host makes a generation of the broadcaster (constructor, on_config(), on_start()), and when
// it is replaced, another one: only what keep_state() keeps is handed on. Each generation has its
// own copy of the library, static objects included. A generation has no say while it is being
// replaced, once it has failed, and once it is over: what it publishes, reports or sends is not
// taken then.
//
// Failures are exceptions, see Error in <broadcast/abi.hpp>. std::bad_alloc is taken for a Busy.
// After any other exception nobody knows the state of the instance, so it is destroyed and a new
// one is made. No exception crosses the border to the host.
//
// Longer than most files, because the entry of the library that drives the class belongs to it.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <broadcast/abi.h>
#include <broadcast/abi.hpp>
#include <broadcast/services.hpp>
#include <broadcast/units.hpp>

namespace broadcast {

/// The SDK's version. Every host of ABI 1 loads plugins that were built with any 1.x.
inline constexpr std::string_view kSdkVersion = "1.1.0";

/// What a plugin derives from: one broadcaster, in one generation. The plugin overrides the virtual
/// functions and calls the others. Not to be copied, and made by the host alone.
class Broadcaster {
 public:
  /// What every() and after() return for cancel(). Not used again in a generation.
  using TimerId = std::uint64_t;

  /// [plugin] `host` is valid until the destructor returns. An older generation may still serve, so
  /// the constructor of a plugin takes nothing that can only be held once. It may log, post,
  /// report, arm timers and define metrics, but neither publish nor begin a Thread. Beside an older
  /// generation, constructor and on_config() together have 30 s; without one, what an operator
  /// starts has 10 s until on_start() has returned.
  explicit Broadcaster(const bc_host* host) : host_(host) {}
  virtual ~Broadcaster() = default;
  Broadcaster(const Broadcaster&) = delete;
  Broadcaster& operator=(const Broadcaster&) = delete;

 protected:
  // What a plugin overrides. [plugin] Texts are valid until the function returns.

  /// Called once, after the constructor: `json` is the `config:` of the YAML, checked against the
  /// manifest's schema, with its defaults filled in; read it by <broadcast/config.hpp>. What a
  /// schema cannot say, refuse by an Error in words for the operator. May do what the constructor
  /// may, and begin a Thread.
  virtual void on_config(std::string_view /*json*/) {}
  /// Called once, after on_config(), when the generation before is paused or gone: from here on
  /// everything is allowed, publish() and kept_state() included. Metrics are defined before it
  /// returns. It has 10 s, so make slow connections in a Thread or a timer.
  virtual void on_start() {}
  /// The last call, also after a failure, but only if on_start() succeeded. post() takes nothing
  /// any more. What is published here is answered kRevoked if this generation has failed, or was
  /// replaced by one that serves already, as it is unless it is `exclusive`; otherwise it arrives.
  /// `deadline` is when it should have returned, in the clock of mono_ns(); a generation that is
  /// late is left behind, and its memory with it.
  virtual void on_stop(std::chrono::nanoseconds /*deadline*/) {}
  /// A producer sent a message for a topic of ours. To return is to accept it. Throw Refused where
  /// the message is wrong, Busy where it cannot be handled now. The same entry of a Redis stream
  /// comes again after a crash, so publish what follows from a message here, not later from a timer
  /// or thread: then the host leaves out what it had already. The default refuses everything.
  virtual void on_message(const Message& message) {
    throw Refused("topic \"" + std::string(message.topic) + "\" takes no messages");
  }
  /// Called only with "demand": true in the manifest. `topic` is wanted from now on and has
  /// `subscribers`, or nobody has wanted it for 30 s, and `subscribers` is 0. A client that
  /// subscribes by the topic's name wants it; one that has it through a pattern wants it only where
  /// the broadcaster published on it first, unasked. `replay`: it was wanted before on_start()
  /// already. Each generation is told everything anew, so there is no need to hand it on.
  virtual void on_demand(std::string_view /*topic*/, std::int64_t /*subscribers*/,
                         bool /*replay*/) {}

  // What a plugin calls. Texts are copied before the call returns.

  /// [any] From on_start() on: publishes a message, which gets a number and goes to every
  /// subscriber of `topic`. `payload` is a JSON object with `type`, and without `topic` and `seq`
  /// at its top level, which the host adds; abi/core.h has the rest of its rules. `source_time_ns`
  /// is when the event itself happened, by the wall clock; 0: unknown; the host may ignore it.
  /// Throws Error: not a topic of the manifest, not such a payload, larger than limits.publish (256
  /// KiB unless YAML says otherwise), or before on_start(). The host's log says why it refused a
  /// payload.
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

  /// [plugin] Calls `run` on the plugin's thread every `period`, the first time after one, but not
  /// before on_start() has returned. A beat that is late fires once and the next ones come when
  /// they would have; what was missed is not made up for. Throws Error: a period of 0 or below,
  /// an empty `run`, another thread, more than 4096 timers, or after a failure.
  TimerId every(std::chrono::nanoseconds period, std::function<void()> run) {
    if (period.count() <= 0) throw Error(BC_E_INVALID, "every() needs a period above 0");
    return arm(period, period, std::move(run));
  }
  /// [plugin] Calls `run` on the plugin's thread once, after `delay`, but not before on_start() has
  /// returned; a `delay` below 0 is 0. Throws Error as every() does.
  TimerId after(std::chrono::nanoseconds delay, std::function<void()> run) {
    return arm(std::max(delay, std::chrono::nanoseconds(0)), std::chrono::nanoseconds(0),
               std::move(run));
  }
  /// [plugin] The timer does not fire any more, even if it is due already. A timer may cancel
  /// itself. Nothing happens where it has fired for the last time or never was. Throws Error:
  /// another thread.
  void cancel(TimerId id) {
    check_timer(host_->timer(host_, id, -1, 0));
    timers_.erase(id);
  }

  /// [any] Runs `run` on the plugin's thread, after on_start() has returned and before on_stop(),
  /// as if it were a callback. True: exactly once, even if on_start() fails; but what a constructor
  /// posted that then throws is lost. False: it is not run, because 4096 are waiting, or on_stop()
  /// is next. Throws Error: an empty `run`.
  [[nodiscard]] bool post(std::function<void()> run) {
    if (!run) throw Error(BC_E_INVALID, "post() needs something to run");
    auto owned = std::make_unique<std::function<void()>>(std::move(run));
    if (host_->post(host_, 0, owned.get()) != BC_OK) return false;
    static_cast<void>(owned.release());  // on_post takes it back
    return true;
  }

  /// [any] Writes a line into the host's log, under the broadcaster's name.
  void log(LogLevel level, std::string_view text) const {
    host_->log(host_, static_cast<std::int32_t>(level), borrow(text));
  }
  /// [any] Says how the broadcaster is, until the next report: clients read it on the topic
  /// status:{name}, so no paths and no secrets in `detail`, of which 1024 bytes are shown. What is
  /// reported before on_start() has returned is shown then. Nothing happens where the host does not
  /// offer bc.status/1, or this generation has no say now.
  void report(Health health, std::string_view detail) const {
    if (const auto* status = extension<bc_ext_status>(BC_EXT_STATUS)) {
      static_cast<void>(status->report(host_, static_cast<std::int32_t>(health), borrow(detail)));
    }
  }
  /// [any] Clients that get `topic` now, by its name or through a pattern; a snapshot. Nothing: the
  /// host does not offer bc.demand/1.
  [[nodiscard]] std::optional<std::int64_t> subscribers(std::string_view topic) const {
    const auto* demand = extension<bc_ext_demand>(BC_EXT_DEMAND);
    if (demand == nullptr) return std::nullopt;
    return demand->subscribers(host_, borrow(topic));
  }
  /// [any] Asks for the keys in Redis that match `pattern` to be deleted, some time later: a glob
  /// of 1 to 256 bytes with text before its first wildcard. False: not asked, because there is no
  /// Redis, YAML does not grant `permissions: [cache]`, it is another pattern, too many wait, or
  /// this generation has no say now.
  bool drop_cache(std::string_view pattern) const {
    const auto* cache = extension<bc_ext_cache>(BC_EXT_CACHE);
    return cache != nullptr && cache->drop(host_, borrow(pattern)) == BC_OK;
  }
  /// [any] From on_start() until this generation ends: clients that are silent for `interval` get a
  /// WebSocket ping, which browsers and libraries answer by themselves, and are told both times
  /// when they connect. `timeout` is what you call clients().try_close_idle() with; the host itself
  /// closes nobody. A second call replaces the first. False: without effect, because the host does
  /// not offer it, YAML does not grant `permissions: [clients]`, the interval is below 100 ms or
  /// not shorter than the timeout, it is before on_start(), or this generation has no say now.
  bool keep_heartbeat(std::chrono::nanoseconds interval, std::chrono::nanoseconds timeout) const {
    const auto* heartbeat = extension<bc_ext_heartbeat>(BC_EXT_HEARTBEAT);
    return heartbeat != nullptr &&
           heartbeat->keep(host_, interval.count(), timeout.count()) == BC_OK;
  }
  /// [any] All clients of the host. Empty unless YAML grants `permissions: [clients]`.
  [[nodiscard]] Clients clients() const {
    return {host_, extension<bc_ext_clients>(BC_EXT_CLIENTS)};
  }
  /// [any] From on_start() to the end of on_stop(): keeps `bytes`, at most 1 MiB, for the
  /// generations that follow, in place of what was kept; none: nothing is kept any more. Bytes
  /// survive a restart, a replacement and disabling of the broadcaster; where the host has
  /// `state.path` also its own restart, but for the last second before a crash. Keep them when they
  /// change, because on_stop() is too late for a generation that has failed, or was replaced by one
  /// that serves already. What
  /// is kept in on_start() counts once that has returned. True: kept. False: the host does not
  /// offer bc.state/1, or this generation has no say now. Throws Error: too large, or before
  /// on_start().
  bool keep_state(std::string_view bytes) const {
    const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
    if (state == nullptr) return false;
    const bc_status status = state->set(host_, borrow(bytes));
    if (status == BC_OK || status == BC_E_REVOKED) return status == BC_OK;
    throw Error(status, "a state of " + std::to_string(bytes.size()) +
                            " bytes refused by the host: too large, or not started");
  }
  /// [any] From on_start() on: what was kept last, by this generation or one before, perhaps by
  /// another version of the plugin. Empty: nothing was, the host does not offer bc.state/1, or this
  /// generation has no say now. Throws Error: before on_start(), when an earlier generation may
  /// still keep another.
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
  /// [plugin] Before on_start() returns: a metric broadcast_plugin_{name}, for which `help` is what
  /// operators read. The next generation defines it again, and the number goes on. `name` is 1 to
  /// 64 of a-z, 0-9 and _, a letter first; only a counter's may end in _total, _bucket, _count or
  /// _sum. Define each name once. Empty: the host does not offer bc.metrics/1 or refused the call,
  /// because the name is another one, there are 64 already, on_start() has returned, or it is
  /// another thread.
  [[nodiscard]] Metric define_metric(MetricKind kind, std::string_view name,
                                     std::string_view help) {
    const auto* metrics = extension<bc_ext_metrics>(BC_EXT_METRICS);
    if (metrics == nullptr) return {};
    const std::uint32_t id = ++last_metric_;
    const bc_status status =
        metrics->define(host_, id, static_cast<std::int32_t>(kind), borrow(name), borrow(help));
    return status == BC_OK ? Metric(host_, metrics, id) : Metric();
  }
  /// [any] The monotonic clock, in nanoseconds; it has no relation to the date. Virtual under
  /// FakeHost.
  [[nodiscard]] std::int64_t mono_ns() const { return host_->mono_ns(host_); }
  /// [any] The wall clock, in nanoseconds since 1970 UTC; it may be set back. Virtual under
  /// FakeHost.
  [[nodiscard]] std::int64_t wall_ns() const { return host_->wall_ns(host_); }
  /// [any] Is this generation to end? Ask it in long loops, and return soon.
  [[nodiscard]] bool stopping() const { return host_->stopping(host_) != 0; }
  /// [any] The table of an extension, for services that have no function here: `Table` is the type
  /// that stands beside `id` in abi/. Null: the host does not offer it, or YAML does not grant the
  /// permission for it. Valid until the destructor returns.
  template <class Table>
  [[nodiscard]] const Table* extension(const char* id) const {
    return static_cast<const Table*>(host_->get_extension(host_, id));
  }
  /// [any] The host's own table, the first argument of every function in a Table.
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
    if (!run) throw Error(BC_E_INVALID, "a timer needs something to run");
    const TimerId id = ++last_timer_;
    check_timer(host_->timer(host_, id, delay.count(), period.count()));
    timers_[id] = {std::move(run), period.count() == 0};
    return id;
  }

  /// Before anything of ours is touched: the host knows which thread this is.
  static void check_timer(bc_status status) {
    if (status == BC_OK) return;
    throw Error(status, status == BC_E_WRONG_THREAD ? "timers are for the plugin's own thread"
                                                    : "the host refused a timer");
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
  const std::thread::id thread_ = std::this_thread::get_id();  // the plugin's own
  // Counted before the host has said that it is the wrong thread.
  std::atomic<TimerId> last_timer_ = 0;
  std::atomic<std::uint32_t> last_metric_ = 0;
  bool takes_threads_ = false;
  std::vector<std::jthread*> threads_;  // of each Thread that there is
};

/// Stands between the C entry points of a library and its Broadcaster: events become calls,
/// exceptions become statuses. BROADCAST_PLUGIN fills bc_entry with it; a test that links a
/// broadcaster in may do so itself, for FakeHost. All of it is [plugin].
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

  /// bc_entry::create of a broadcaster `T`, made from its `const bc_host*`.
  template <class T>
  static bc_status create(const bc_host* host, const char* /*instance*/, void** self) noexcept {
    static_assert(std::is_convertible_v<T*, Broadcaster*>,
                  "the class of BROADCAST_PLUGIN derives publicly from broadcast::Broadcaster");
    static_assert(std::is_constructible_v<T, const bc_host*>,
                  "the class of BROADCAST_PLUGIN has a public constructor from const bc_host*");
    return fence(host, [&] {
      auto instance = std::make_unique<Instance>();
      instance->host = host;
      instance->broadcaster = std::make_unique<T>(host);
      instance->broadcaster->takes_threads_ = true;
      *self = instance.release();
    });
  }
  /// bc_entry::handle of an instance that create() made.
  static bc_status handle(void* self, const bc_event* from) noexcept {
    auto* instance = static_cast<Instance*>(self);
    bc_event event;
    if (!read_sized(from, event)) return BC_E_UNSUPPORTED;
    return fence(instance->host, [&] { instance->broadcaster->dispatch(event); });
  }
  /// bc_entry::destroy. Joins what is left of the Threads first.
  static void destroy(void* self) noexcept {
    const std::unique_ptr<Instance> instance(static_cast<Instance*>(self));
    static_cast<void>(fence(instance->host, [&] {
      instance->broadcaster->join_threads();  // before any member that they use is gone
      instance->broadcaster.reset();
    }));
  }
};

/// An ELF note with the manifest, so that the host can read it without running any code of the
/// library. `N` counts the manifest's NUL. Used by BROADCAST_PLUGIN.
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

/// BROADCAST_PLUGIN(Class, "name", "1.0.0", R"(members)"), once in a library and outside of any
/// namespace, makes it a plugin: its manifest, the ELF note of it, and the one symbol that is
/// exported. `Class` derives from Broadcaster and has a constructor from `const bc_host*`. Name
/// (a-z, 0-9, _ and -) and version are for people; the name that counts is the one in the YAML.
/// `members` are those of the manifest behind name, version and abi, as JSON without braces, at
/// least one; abi/core.h, bc_entry, says what each means:
///
///   BROADCAST_PLUGIN(Rates, "rates", "1.0.0",
///                    R"("topics":[{"pattern":"rate:{pair}","delivery":"latest"}],"demand":true)")
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

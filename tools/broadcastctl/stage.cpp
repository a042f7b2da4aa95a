#include "tools/broadcastctl/stage.hpp"

#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "host/app/version.hpp"
#include "host/base/guarded.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/loader/abi_text.hpp"
#include "host/loader/host_services.hpp"
#include "host/loader/no_services.hpp"
#include "host/loader/plugin_refused.hpp"
#include "host/loader/plugin_runner.hpp"

namespace broadcast {

namespace {

/// Takes part in nothing: what is published in its name is refused.
class Nobody final : public TopicOwner {
 public:
  [[nodiscard]] std::string_view owner_name() const override { return "nobody"; }
  void post_message(ProducerMessage, std::function<void(Verdict)>) override {}
  void post_demand(std::string_view, std::int64_t) override {}
};

/// The host's log, of which only the first refusal is kept.
class RefusalLog final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  [[nodiscard]] std::string first() const {
    return first_.with_lock([](const std::string& text) { return text; });
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    if (text.find(": publish on ") == text.npos || text.find(" refused: ") == text.npos) return;
    first_.with_lock([&](std::string& first) {
      if (first.empty()) first = text.substr(text.find("publish on "));
    });
  }
  void flush_() override {}
  Guarded<std::string> first_;
};

/// More than any call of a plugin posts, and far less than a machine has memory.
constexpr std::size_t kMaxPostsOfACall = 100'000;

const std::vector<std::string> kEveryPermission = {"clients", "cache"};

bc_event event_of(std::uint16_t kind) {
  bc_event event{};
  event.size = sizeof event;
  event.kind = kind;
  event.mono_ns = mono_now().time_since_epoch().count();
  return event;
}

}  // namespace

struct Stage::Parts {
  explicit Parts(const StagedPlugin& plugin)
      : log(std::make_shared<RefusalLog>()),
        hub({.strict = true}, counters),
        runner(PluginRunner::make(plugin.file,
                                  {.name = plugin.file->manifest().name,
                                   .config = plugin.config,
                                   .permissions = kEveryPermission,
                                   .host_version = kHostVersion},
                                  {.hub = hub,
                                   .clients = &clients,
                                   .cache = &cache,
                                   .states = &states,
                                   .before = [this](std::string_view what) {
                                     if (what == "TIMER") ++timers;
                                     if (what == "POST") ++posts;
                                   }})) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("stage", log));
    spdlog::set_level(spdlog::level::warn);
    if (hub.topics().try_claim(*runner, plugin.file->file_name(), plugin.file->manifest().topics)) {
      throw PluginRefused(
          plugin.file->file_name() +
          ": one of the topics in its manifest is the host's own. Choose another name.");
    }
  }
  const std::shared_ptr<RefusalLog> log;
  Counters counters;
  TopicHub hub;
  NoClients clients;
  NoCache cache;
  std::atomic<std::uint64_t> timers{0};
  std::atomic<std::uint64_t> posts{0};
  PluginStates states;
  std::shared_ptr<PluginRunner> runner;
};

Stage::Stage(const StagedPlugin& plugin) : parts_(std::make_unique<Parts>(plugin)) {}
Stage::~Stage() = default;

std::string Stage::start(MonoTime until) {
  parts_->runner->start();
  return parts_->runner->wait_first_start(until);
}

void Stage::demand(const std::string& topic) { parts_->runner->post_demand(topic, 1); }

void Stage::post(const std::string& topic, const std::string& payload) {
  parts_->runner->post_message({.topic = topic, .source = "http", .payload = payload},
                               [](const Verdict&) {});
}

std::optional<Verdict> Stage::send(const std::string& topic, const std::string& payload,
                                   MonoTime until) {
  auto promise = std::make_shared<std::promise<Verdict>>();
  auto verdict = promise->get_future();
  parts_->runner->post_message({.topic = topic, .source = "http", .payload = payload},
                               [promise](Verdict given) { promise->set_value(std::move(given)); });
  if (verdict.wait_until(until) != std::future_status::ready) return std::nullopt;
  return verdict.get();
}

std::string Stage::last_error() const { return parts_->runner->view().last_error; }

Stage::Publishes Stage::publishes() const {
  const Counters::Values counts = parts_->runner->counters().values();
  const auto count = [&](Counter counter) { return counts[static_cast<std::size_t>(counter)]; };
  return {.taken = count(Counter::kMessagesPublished),
          .refused = count(Counter::kPublishInvalid) + count(Counter::kPublishDenied),
          .why = parts_->log->first()};
}

std::uint64_t Stage::timers() const { return parts_->timers.load(); }
std::uint64_t Stage::posts() const { return parts_->posts.load(); }

bool Stage::stop_within(std::chrono::nanoseconds duration) {
  return parts_->runner->stop_within(duration);
}

bool Stage::is_left_mapped() const { return parts_->runner->libraries_left() > 0; }

namespace {

/// [plugin] The instance's side of RawInstance.
class Raw {
 public:
  Raw(const StagedPlugin& plugin, const std::function<void(const std::string&)>& before,
      const RawInstance::Told& told)
      : before_(before),
        told_(told),
        file_name_(plugin.file->file_name()),
        name_(plugin.file->manifest().name),
        inbox_(name_, {}),
        hub_({}, counters_),
        library_(*plugin.file, name_, {}),
        services_({.name = name_,
                   .host_version = version_,
                   .permissions = kEveryPermission,
                   .hub = hub_,
                   .owner = nobody_,
                   .clients = &clients_,
                   .cache = &cache_,
                   .states = &states_,
                   .inbox = inbox_,
                   .counters = counters_,
                   .metrics = metrics_}) {
    inbox_.open();
  }

  void run(const std::function<void(const RawInstance::Calls&)>& script) {
    const bc_entry& entry = library_.entry();
    const RawCall created =
        call("create", [&] { return entry.create(services_.table(), name_.c_str(), &self_); });
    if (created.status == BC_OK && !created.has_thrown) {
      services_.open();
      script({.config = [this](const std::string& config) { return on_config(config); },
              .start = [this] { return handle("START", event_of(BC_EV_START)); },
              .demand = [this](const std::string& topic) { return on_demand(topic); },
              .message = [this](const std::string& topic,
                                const std::string& payload) { return on_message(topic, payload); },
              .stop = [this] { return on_stop(); }});
      inbox_.close_posts();
      deliver_posts();
      call("destroy", [&]() -> bc_status { return entry.destroy(self_), BC_OK; });
    }
  }
  /// [main] After the thread has ended.
  void unload() {
    library_.unload();
    static_cast<void>(library_.release());
  }

 private:
  template <class F>
  RawCall call(const std::string& what, F&& function) {
    before_(what);
    RawCall call{.what = what};
    try {
      call.status = std::forward<F>(function)();
      call.text = services_.take_fail_text();
    } catch (const std::exception& error) {
      call.has_thrown = true;
      call.text = error.what();
    } catch (...) {
      call.has_thrown = true;
      call.text = "not a std::exception";
    }
    told_(call);
    return call;
  }
  RawCall handle(const std::string& what, const bc_event& event) {
    RawCall done = call(what, [&] { return library_.entry().handle(self_, &event); });
    deliver_posts();
    return done;
  }
  RawCall on_config(const std::string& config) {
    bc_event event = event_of(BC_EV_CONFIG);
    event.data = lend(config);
    return handle("CONFIG", event);
  }
  RawCall on_demand(const std::string& topic) {
    bc_event event = event_of(BC_EV_DEMAND);
    event.topic = lend(topic);
    event.num = 1;
    return handle("DEMAND on " + topic, event);
  }
  RawCall on_message(const std::string& topic, const std::string& payload) {
    bc_event event = event_of(BC_EV_MESSAGE);
    event.topic = lend(topic);
    event.source = lend("http");
    event.data = lend(payload);
    return handle("MESSAGE on " + topic, event);
  }
  RawCall on_stop() {
    inbox_.close_posts();
    deliver_posts();
    bc_event event = event_of(BC_EV_STOP);
    event.num = event.mono_ns + std::chrono::nanoseconds(std::chrono::seconds(5)).count();
    return handle("STOP", event);
  }
  /// Each is delivered exactly once, or what it points to is lost.
  void deliver_posts() {
    std::size_t count = 0;
    while (const auto post = inbox_.take_post()) {
      if (++count > kMaxPostsOfACall) {
        throw PluginRefused(file_name_ + ": posts to itself without end: one callback led to " +
                            std::to_string(kMaxPostsOfACall) +
                            " POST. Use a timer for repeated work.");
      }
      bc_event event = event_of(BC_EV_POST);
      event.id = post->id;
      event.ptr = post->ptr;
      call("POST", [&] { return library_.entry().handle(self_, &event); });
    }
  }

  const std::function<void(const std::string&)>& before_;
  const RawInstance::Told& told_;
  const std::string file_name_;
  const std::string name_;
  const std::string version_ = kHostVersion;
  Counters counters_;
  PluginMetrics metrics_;
  PluginInbox inbox_;
  TopicHub hub_;
  Nobody nobody_;
  NoClients clients_;
  NoCache cache_;
  PluginStates states_;
  PluginLibrary library_;
  HostServices services_;
  void* self_ = nullptr;
};

}  // namespace

void RawInstance::run(const StagedPlugin& plugin,
                      const std::function<void(const std::string&)>& before, const Told& told,
                      const std::function<void(const Calls&)>& script) {
  std::unique_ptr<Raw> raw;
  std::exception_ptr refused;
  std::thread([&] {
    try {
      raw = std::make_unique<Raw>(plugin, before, told);
      raw->run(script);
    } catch (...) {
      refused = std::current_exception();
    }
  }).join();
  if (refused) {
    static_cast<void>(raw.release());  // threads of it may still use it
    std::rethrow_exception(refused);
  }
  raw->unload();
}

}  // namespace broadcast

#include "host/loader/host_services.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <spdlog/spdlog.h>

#include "host/base/printable.hpp"
#include "host/base/utf8.hpp"
#include "host/hub/close_reason.hpp"
#include "host/hub/json_text.hpp"
#include "host/loader/abi_text.hpp"
#include "host/loader/manifest.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxStructBytes = 4096;  // no struct of any ABI 1.x comes near
/// The shards look for silent clients no more often.
constexpr std::chrono::milliseconds kShortestHeartbeat{100};
constexpr std::int64_t kLongestTimer = std::int64_t{10} * 365 * 24 * 3600 * 1'000'000'000;

/// The size rule: min(size, ours) is copied, the rest zero; a byte set beyond what we know is not
/// ours to ignore.
bc_status copy_sized(const bc_publish* caller, bc_publish& ours) {
  if (caller == nullptr) return BC_E_INVALID;
  std::uint32_t size = 0;
  std::memcpy(&size, caller, sizeof size);
  if (size < sizeof size || size > kMaxStructBytes) return BC_E_INVALID;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(caller);
  std::memcpy(&ours, bytes, std::min<std::size_t>(size, sizeof ours));
  const bool is_known = std::all_of(bytes + std::min<std::size_t>(size, sizeof ours), bytes + size,
                                    [](unsigned char byte) { return byte == 0; });
  return is_known ? BC_OK : BC_E_UNSUPPORTED;
}

bc_status status_of(PublishStatus status) {
  switch (status) {
    case PublishStatus::kOk:
      return BC_OK;
    case PublishStatus::kBusy:
    case PublishStatus::kFull:
      return BC_E_BUSY;
    case PublishStatus::kDenied:
      return BC_E_DENIED;
    case PublishStatus::kInvalid:
      break;
  }
  return BC_E_INVALID;
}

Counter counter_of(PublishStatus status) {
  switch (status) {
    case PublishStatus::kOk:
      return Counter::kMessagesPublished;
    case PublishStatus::kBusy:
      return Counter::kPublishBusy;
    case PublishStatus::kFull:
      return Counter::kPublishFull;
    case PublishStatus::kDenied:
      return Counter::kPublishDenied;
    case PublishStatus::kInvalid:
      break;
  }
  return Counter::kPublishInvalid;
}

}  // namespace

HostServices::~HostServices() {
  parts_.metrics.release(metric_ids_);
  if (parts_.clients != nullptr) parts_.clients->end_heartbeat(this);
}

HostServices::HostServices(const Parts& parts)
    : parts_(parts), thread_(std::this_thread::get_id()), table_{} {
  table_.size = sizeof table_;
  table_.abi_major = BC_ABI_MAJOR;
  table_.name = "broadcast-host";
  table_.version = parts_.host_version.c_str();
  table_.impl = this;
  table_.get_extension = [](const bc_host* host, const char* id) -> const void* {
    return id == nullptr ? nullptr : of(host).extension(id);
  };
  table_.log = [](const bc_host* host, std::int32_t level, bc_str text) {
    fenced([&]() -> bc_status { return of(host).log(level, text), BC_OK; });
  };
  table_.fail = [](const bc_host* host, bc_str why) {
    fenced([&]() -> bc_status { return of(host).fail(why), BC_OK; });
  };
  table_.publish = [](const bc_host* host, const bc_publish* message) {
    return fenced([&] { return of(host).publish(message); });
  };
  table_.timer = [](const bc_host* host, std::uint64_t id, std::int64_t delay_ns,
                    std::int64_t period_ns) {
    return fenced([&] { return of(host).arm(id, delay_ns, period_ns); });
  };
  table_.post = [](const bc_host* host, std::uint64_t id, void* ptr) {
    return fenced([&] { return of(host).parts_.inbox.try_post(id, ptr); });
  };
  table_.mono_ns = [](const bc_host*) -> std::int64_t {
    return mono_now().time_since_epoch().count();
  };
  table_.wall_ns = [](const bc_host*) { return wall_now_ns(); };
  table_.stopping = [](const bc_host* host) -> std::int32_t {
    const HostServices& services = of(host);
    return services.is_revoked() || services.parts_.inbox.is_stopping() ? 1 : 0;
  };
}

void HostServices::log(std::int32_t level, bc_str text) const {
  static constexpr std::array<spdlog::level::level_enum, 5> kLevels = {
      spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
      spdlog::level::err};
  const auto at =
      static_cast<std::size_t>(std::clamp<std::int32_t>(level, BC_LOG_TRACE, BC_LOG_ERROR));
  if (!is_usable(text) || !spdlog::should_log(kLevels[at])) return;
  spdlog::log(kLevels[at], "{}: {}", parts_.name, printable(text_of(text)));
}

void HostServices::fail(bc_str why) {
  if (is_plugin_thread() && is_usable(why)) fail_text_ = printable(text_of(why));
}

bc_status HostServices::publish(const bc_publish* caller) {
  bc_publish message{};
  bc_status malformed = copy_sized(caller, message);
  if (malformed == BC_OK && message.flags != 0) malformed = BC_E_UNSUPPORTED;
  if (malformed != BC_OK) {
    parts_.counters.add(Counter::kPublishInvalid);
    return malformed;
  }
  if (is_plugin_thread()) return publish_in_phase(message, is_handling_);
  // suspend() waits for these; the plugin's own thread is between two callbacks then.
  if (is_silenced()) return BC_E_REVOKED;
  ++publishing_;
  const bc_status status = fenced([&] { return publish_in_phase(message, false); });
  --publishing_;
  return status;
}

bc_status HostServices::counted(PublishStatus status) const {
  parts_.counters.add(counter_of(status));
  return status_of(status);
}

bc_status HostServices::publish_in_phase(const bc_publish& message, bool is_handling) {
  const Phase phase = phase_.load();
  if (phase >= Phase::kSuspended) {
    if (is_handling) was_revoked_ = true;
    return BC_E_REVOKED;
  }
  // Lengths first: what lies behind one that was never set is not ours to read.
  if (phase == Phase::kNotStarted || !is_usable(message.topic) || !is_usable(message.payload)) {
    return counted(PublishStatus::kInvalid);
  }
  if (message.topic.len > kMaxTopicBytes) return counted(PublishStatus::kDenied);
  if (is_handling && left_out_ < to_leave_out_) {
    ++left_out_;
    return BC_OK;
  }
  StreamPosition position;
  if (is_handling) position = position_after(position_, left_out_ + commits_.size() + 1);
  Published published = parts_.hub.publish(parts_.owner, text_of(message.topic),
                                           text_of(message.payload), std::move(position));
  const bc_status status = counted(published.status);
  if (!published.problem.empty()) {
    say_refused("publish on " + published.topic, published.problem,
                published.is_too_large ? std::nullopt : std::optional(text_of(message.payload)));
  }
  if (status == BC_OK && is_handling) {
    commits_.push_back(published.commit);
    published.commit = std::max(published.commit, last_.commit);  // the verdict waits for all
    last_ = std::move(published);
  }
  return status;
}

/// Once a minute.
std::optional<Seldom::Line> HostServices::refusal_line() {
  return refusals_.with_lock([](Seldom& refusals) { return refusals.line("", mono_now()); });
}

/// The plugin is told a status; its author reads why.
void HostServices::say_refused(const std::string& call, std::string_view problem,
                               std::optional<std::string_view> text) {
  const auto line = refusal_line();
  if (!line) return;
  const std::string where = !text || is_json(*text) ? "" : ", " + where_not_json(*text);
  spdlog::warn("{}: {} refused: {}{}{}", parts_.name, printable(call), problem, where,
               line->more());
}

bool HostServices::started() {
  is_started_ = true;
  return reports_.with_lock([&](Reports& reports) {
    reports.are_shown = true;
    if (reports.held_state) {
      parts_.states->set(parts_.name, *std::exchange(reports.held_state, std::nullopt));
    }
    const auto held = std::exchange(reports.held, std::nullopt);
    if (held) parts_.hub.report_status(parts_.name, held->state, held->detail);
    return held.has_value();
  });
}

void HostServices::open() {
  Phase before = Phase::kNotStarted;
  phase_.compare_exchange_strong(before, Phase::kOpen);
}

void HostServices::suspend() {
  reports_.with_lock([this](Reports&) {
    Phase phase = phase_.load();
    while (phase < Phase::kSuspended && !phase_.compare_exchange_weak(phase, Phase::kSuspended)) {
    }
  });
  while (publishing_.load() > 0) std::this_thread::yield();  // they never block
}

void HostServices::resume() {
  Phase suspended = Phase::kSuspended;
  phase_.compare_exchange_strong(suspended, Phase::kOpen);
}

void HostServices::revoke() {
  reports_.with_lock([this](Reports&) { phase_.store(Phase::kRevoked); });
}

bc_status HostServices::arm(std::uint64_t id, std::int64_t delay_ns, std::int64_t period_ns) {
  if (!is_plugin_thread()) return BC_E_WRONG_THREAD;
  if (delay_ns < 0) {
    timers_.cancel(id);
    return BC_OK;
  }
  if (period_ns < 0) return BC_E_INVALID;
  if (is_revoked()) return BC_E_REVOKED;
  const std::chrono::nanoseconds delay(std::min(delay_ns, kLongestTimer));
  const std::chrono::nanoseconds period(std::min(period_ns, kLongestTimer));
  return timers_.try_arm(id, delay, period, mono_now()) ? BC_OK : BC_E_BUSY;
}

bc_status HostServices::define_metric(std::uint32_t id, std::int32_t kind, bc_str name,
                                      bc_str help) {
  if (!is_plugin_thread()) return BC_E_WRONG_THREAD;
  if (is_started_ || !is_usable(name) || !is_usable(help)) return BC_E_INVALID;
  return parts_.metrics.define(metric_ids_, id, kind, text_of(name), text_of(help));
}

bc_status HostServices::report(std::int32_t state, bc_str detail) {
  static constexpr std::array<BroadcasterState, 4> kStates = {
      BroadcasterState::kOk, BroadcasterState::kDegraded, BroadcasterState::kStale,
      BroadcasterState::kDown};
  const auto at = static_cast<std::size_t>(state);
  if (state < 0 || at >= kStates.size() || !is_usable(detail)) return BC_E_INVALID;
  // Under the lock, so that no report overtakes another, or revoke().
  return reports_.with_lock([&](Reports& reports) -> bc_status {
    if (is_silenced()) return BC_E_REVOKED;
    Report report{.state = kStates[at], .detail = printable(text_of(detail))};
    if (reports.are_shown) {
      parts_.hub.report_status(parts_.name, report.state, report.detail);
    } else {
      reports.held = std::move(report);
    }
    return BC_OK;
  });
}

bc_status HostServices::send_all(bc_str json) {
  if (is_silenced()) return BC_E_REVOKED;
  if (!is_usable(json) || json.len > kMaxSendAllBytes) return BC_E_INVALID;
  if (const auto fault = checker_.fault_of_text(text_of(json))) {
    say_refused("send_all", words_of(*fault), text_of(json));
    return BC_E_INVALID;
  }
  return parts_.clients->try_send_all(text_of(json)) ? BC_OK : BC_E_BUSY;
}

bc_status HostServices::close_idle(std::int64_t idle_ns, std::uint16_t code, bc_str reason) {
  if (is_silenced()) return BC_E_REVOKED;
  const bool is_reason =
      is_usable(reason) && reason.len <= kMaxCloseTextBytes && is_utf8(text_of(reason));
  if (idle_ns < 0 || !is_sendable_close_code(code) || !is_reason) return BC_E_INVALID;
  return parts_.clients->try_close_idle(std::chrono::nanoseconds(idle_ns), code, text_of(reason))
             ? BC_OK
             : BC_E_BUSY;
}

bc_status HostServices::keep_heartbeat(std::int64_t interval_ns, std::int64_t timeout_ns) {
  if (is_silenced()) return BC_E_REVOKED;
  const Heartbeat heartbeat{.interval = std::chrono::nanoseconds(interval_ns),
                            .timeout = std::chrono::nanoseconds(timeout_ns)};
  // Before START, the generation that it is to replace has the word.
  if (phase_.load() == Phase::kNotStarted || heartbeat.interval < kShortestHeartbeat ||
      heartbeat.timeout <= heartbeat.interval) {
    return BC_E_INVALID;
  }
  parts_.clients->set_heartbeat(this, heartbeat);
  return BC_OK;
}

bc_status HostServices::drop_cache(bc_str pattern) {
  if (is_silenced()) return BC_E_REVOKED;
  if (!is_usable(pattern) || !is_cache_pattern(text_of(pattern))) return BC_E_INVALID;
  return parts_.cache->try_drop(text_of(pattern)) ? BC_OK : BC_E_BUSY;
}

bc_status HostServices::set_state(bc_str state) {
  if (!is_usable(state)) return BC_E_INVALID;
  if (state.len > BC_STATE_BYTES) {
    parts_.counters.add(Counter::kStateRefused);
    if (const auto line = refusal_line()) {
      spdlog::warn(
          "{}: a state of {} bytes refused: at most {} are kept; what it set before stays{}",
          parts_.name, state.len, BC_STATE_BYTES, line->more());
    }
    return BC_E_INVALID;
  }
  PluginState kept;
  if (state.len > 0) kept = std::make_shared<const std::string>(text_of(state));
  // Under the lock, so that none comes after suspend() or revoke(): then the next generation reads.
  return reports_.with_lock([&](Reports& reports) -> bc_status {
    if (is_silenced()) return BC_E_REVOKED;
    if (phase_.load() == Phase::kNotStarted) return BC_E_INVALID;
    if (reports.are_shown) {
      parts_.states->set(parts_.name, std::move(kept));
    } else {
      reports.held_state = std::move(kept);
    }
    return BC_OK;
  });
}

std::int64_t HostServices::get_state(char* to, std::size_t capacity) const {
  if (is_silenced()) return BC_E_REVOKED;
  if (phase_.load() == Phase::kNotStarted || (to == nullptr && capacity > 0)) return BC_E_INVALID;
  const PluginState kept = reports_.with_lock([&](const Reports& reports) {
    return reports.held_state ? *reports.held_state : parts_.states->get(parts_.name);
  });
  if (kept == nullptr) return 0;
  if (kept->size() <= capacity) kept->copy(to, capacity);
  return static_cast<std::int64_t>(kept->size());
}

void HostServices::begin_message(const ProducerMessage& message) {
  is_handling_ = true;
  was_revoked_ = false;
  position_ = message.position;
  to_leave_out_ = message.published_before;
  left_out_ = 0;
  last_ = {};
}

std::vector<std::uint64_t> HostServices::end_message(Verdict& verdict) {
  is_handling_ = false;
  if (was_revoked_) {
    verdict.outcome = Verdict::Outcome::kUnavailable;
    verdict.text = parts_.name + " is being replaced; try again";
  }
  verdict.published = commits_.size();
  verdict.last = std::move(last_);
  return std::exchange(commits_, {});
}

}  // namespace broadcast

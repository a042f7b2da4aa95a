#include "host/loader/host_services.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <spdlog/spdlog.h>

#include <broadcast/host_rules.hpp>

#include "host/base/printable.hpp"
#include "host/hub/json_text.hpp"
#include "host/loader/abi_text.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxStructBytes = 4096;  // no struct of any ABI 1.x comes near
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
    : parts_(parts), table_{}, turn_(parts_.name, parts_.hub.sequencer()) {
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
  if (owner_.is_current() && is_usable(why)) fail_text_ = printable(text_of(why));
}

std::string HostServices::take_fail_text() {
  owner_.check();
  return std::exchange(fail_text_, {});
}

bc_status HostServices::publish(const bc_publish* caller) {
  bc_publish message{};
  bc_status malformed = copy_sized(caller, message);
  if (malformed == BC_OK && message.flags != 0) malformed = BC_E_UNSUPPORTED;
  if (malformed != BC_OK) {
    parts_.counters.add(Counter::kPublishInvalid);
    return malformed;
  }
  if (owner_.is_current()) {
    return publish_in_phase(message, turn_.is_under_way() ? &turn_ : nullptr);
  }
  // suspend() waits for these; the plugin's own thread is between two callbacks then.
  if (is_silenced()) return BC_E_REVOKED;
  ++publishing_;
  const bc_status status = fenced([&] { return publish_in_phase(message, nullptr); });
  --publishing_;
  return status;
}

bc_status HostServices::counted(PublishStatus status) const {
  parts_.counters.add(counter_of(status));
  return status_of(status);
}

/// `turn` is that of the message on whose behalf this is; null: of none.
bc_status HostServices::publish_in_phase(const bc_publish& message, MessageTurn* turn) {
  const Phase phase = phase_.load();
  if (phase >= Phase::kSuspended) {
    if (turn != nullptr) turn->on_revoked();
    return BC_E_REVOKED;
  }
  // Lengths first: what lies behind one that was never set is not ours to read.
  if (phase == Phase::kNotStarted || !is_usable(message.topic) || !is_usable(message.payload)) {
    return counted(PublishStatus::kInvalid);
  }
  if (message.topic.len > kMaxTopicBytes) return counted(PublishStatus::kDenied);
  if (turn != nullptr && turn->try_leave_out()) return BC_OK;
  const Published published =
      parts_.hub.publisher().publish(parts_.owner, text_of(message.topic), text_of(message.payload),
                                     turn != nullptr ? turn->next_position() : StreamPosition{});
  const bc_status status = counted(published.status);
  if (!published.problem.empty()) {
    say_refused("publish on " + std::string(text_of(message.topic)), published.problem,
                published.is_too_large ? std::nullopt : std::optional(text_of(message.payload)));
  }
  if (status == BC_OK && turn != nullptr) turn->on_published(text_of(message.topic), published);
  return status;
}

/// Once a minute.
std::optional<LogThrottle::Line> HostServices::refusal_line() {
  return refusals_.with_lock([](LogThrottle& refusals) { return refusals.line("", mono_now()); });
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
  owner_.check();
  is_started_ = true;
  return reports_.with_lock([&](Reports& reports) {
    reports.are_shown = true;
    if (reports.held_state) {
      parts_.states->set(parts_.name, *std::exchange(reports.held_state, std::nullopt));
    }
    const auto held = std::exchange(reports.held, std::nullopt);
    if (held) parts_.hub.statuses().report(parts_.name, held->state, held->detail);
    return held.has_value();
  });
}

void HostServices::open() {
  owner_.check();
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
  if (!owner_.is_current()) return BC_E_WRONG_THREAD;
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

}  // namespace broadcast

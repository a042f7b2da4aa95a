#include "host/loader/thread_life.hpp"

#include <exception>
#include <system_error>
#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"
#include "host/base/background.hpp"
#include "host/base/last_words.hpp"
#include "host/base/printable.hpp"
#include "host/loader/abi_text.hpp"

namespace broadcast {

namespace {

/// What a failed instance is given to put its things in order before it is destroyed.
constexpr std::chrono::seconds kStopAfterFailure(5);

std::int64_t ns(MonoTime time) { return time.time_since_epoch().count(); }

bc_event event_of(std::uint16_t kind, MonoTime queued) {
  bc_event event{};
  event.size = sizeof event;
  event.kind = kind;
  event.mono_ns = ns(queued);
  return event;
}

/// Without what a position says beside it.
std::string_view id_of_entry(const StreamPosition& position) {
  return std::string_view(position.id).substr(0, position.id.find_first_of("@#"));
}

/// "failed (status -1): no such table"
std::string described(Callback callback, bc_status status, const std::string& text) {
  const std::string what(to_string(callback));
  std::string result;
  if (status == BC_E_EXCEPTION) {
    result = "exception in " + what;
  } else if (status == BC_E_RESTART) {
    result = "asked for a restart in " + what;
  } else {
    result = what + " failed (status " + std::to_string(status) + ")";
  }
  return text.empty() ? result : result + ": " + text;
}

}  // namespace

std::unique_ptr<Life> make_life(std::uint64_t number, PluginSpec spec, Life::Start start,
                                Life::Parts parts) {
  return std::make_unique<ThreadLife>(number, std::move(spec), start, std::move(parts));
}

ThreadLife::ThreadLife(std::uint64_t number, PluginSpec spec, Start start, Parts parts)
    : Life(number, std::move(spec), parts.inbox),
      start_(start),
      parts_(std::move(parts)),
      place_(parts_.marker, parts_.name, number,
             build_of(*this->spec().file, this->spec().config)) {}

void ThreadLife::launch() {
  BROADCAST_ASSERT(!keeper_.joinable(), "a life was launched twice");
  owner_.adopt();
  try {
    keeper_ = std::thread([this] {
      keep();
      enter(State::kEnded);
    });
  } catch (const std::system_error& error) {
    note_failure("could not start", std::string("cannot start a thread: ") + error.what());
    enter(State::kEnded);
  }
}

void ThreadLife::proceed() {
  owner_.check();
  BROADCAST_ASSERT(start_ == Start::kWhenTold, "a life was told to start that does so by itself");
  may_start_.store(true);
  inbox()->wake();
}

void ThreadLife::pause() {
  owner_.check();
  is_to_pause_.store(true);
  inbox()->wake();
}

void ThreadLife::suspend() {
  owner_.check();
  BROADCAST_ASSERT(has_services(), "a life was suspended before it was prepared");
  services_->suspend();
}

void ThreadLife::resume() {
  owner_.check();
  BROADCAST_ASSERT(has_services(), "a life was resumed before it was prepared");
  services_->resume();
  is_to_pause_.store(false);
  inbox()->wake();
}

void ThreadLife::request_stop(MonoTime deadline) {
  owner_.check();
  inbox()->request_stop(deadline);
}

void ThreadLife::quarantine() {
  owner_.check();
  if (!has_services()) return;
  services_->revoke();
  services_->turn().give_up();
}

bool ThreadLife::join_and_unload() {
  owner_.check();
  BROADCAST_ASSERT(has_ended(), "a life was taken down before it had ended");
  if (keeper_.joinable()) keeper_.join();
  return !library_ || library_->release();
}

bool ThreadLife::has_services() const {
  return state() >= State::kPrepared && services_.has_value();
}

std::optional<Life::Failure> ThreadLife::failure() const {
  return failure_.with_lock([](const auto& failure) { return failure; });
}

void ThreadLife::enter(State state) {
  state_.store(state);
  parts_.on_news();
}

void ThreadLife::run() {
  const SignalStack signal_stack;
  if (!try_load()) return;
  services_.emplace(HostServices::Parts{.name = parts_.name,
                                        .host_version = parts_.host_version,
                                        .permissions = spec().permissions,
                                        .hub = parts_.hub,
                                        .owner = parts_.owner,
                                        .clients = parts_.clients,
                                        .cache = parts_.cache,
                                        .states = parts_.states,
                                        .inbox = *inbox(),
                                        .counters = parts_.counters,
                                        .metrics = parts_.metrics});
  prepare();
  if (!is_over() && start_ != Start::kAtOnce) await_go();
  if (!is_over()) start();
  while (!is_over()) is_to_pause_.load() ? rest() : serve();
  end();
}

void ThreadLife::prepare() {
  const bc_entry& entry = library_->entry();
  const Outcome created = call(Callback::kCreate, [&] {
    return entry.create(services_->table(), parts_.name.c_str(), &self_);
  });
  is_created_ = created.status == BC_OK;
  if (start_ == Start::kUnconfigured) return;  // the real one will say what came of it
  judge_start(Callback::kCreate, created);
  if (has_failed_) return;
  bc_event config = event_of(BC_EV_CONFIG, mono_now());
  config.data = lend(spec().config);
  judge_start(Callback::kConfig, handle(Callback::kConfig, config));
}

void ThreadLife::await_go() {
  enter(State::kPrepared);
  while (!may_start_.load() && !inbox()->is_stopping()) inbox()->wait(std::nullopt);
}

void ThreadLife::start() {
  enter(State::kStarting);
  services_->open();
  judge_start(Callback::kStart, handle(Callback::kStart, event_of(BC_EV_START, mono_now())));
  if (has_failed_) return;
  started_ = mono_now();
  if (!parts_.on_started()) return fail("did not start in time", "START has not returned in time");
  has_started_.store(true);
  if (parts_.marker != nullptr) parts_.marker->forget_starts(parts_.name);
  if (!services_->started()) parts_.hub.statuses().report(parts_.name, BroadcasterState::kOk, "");
  enter(State::kRunning);
  if (spec().file->manifest().wants_demand) replay_demand();
}

void ThreadLife::rest() {
  enter(State::kPaused);
  while (is_to_pause_.load() && !inbox()->is_stopping()) inbox()->wait(std::nullopt);
  enter(State::kRunning);
}

void ThreadLife::replay_demand() {
  // Queued first, asked second: a change in between is told twice rather than never.
  inbox()->open_demand();
  for (auto& [topic, subscribers] : parts_.hub.audience().demand_of(parts_.owner)) {
    if (is_over()) return;
    serve_demand({std::move(topic), subscribers, mono_now()}, BC_EVF_REPLAY);
  }
}

void ThreadLife::serve() {
  const bool had_timer = serve_timer();
  if (is_over()) return;
  const bool had_item = serve_item();
  if (!had_timer && !had_item) inbox()->wait(services_->timers().next_due());
}

bool ThreadLife::serve_timer() {
  const auto due = services_->timers().take_due(mono_now());
  if (!due) return false;
  bc_event event = event_of(BC_EV_TIMER, due->due);
  event.id = due->id;
  judge(Callback::kTimer, handle(Callback::kTimer, event));
  return true;
}

bool ThreadLife::serve_item() {
  auto item = inbox()->take();
  if (!item) return false;
  if (auto* const message = std::get_if<PluginInbox::Message>(&*item)) {
    serve_message(*message);
  } else if (const auto* const demand = std::get_if<PluginInbox::Demand>(&*item)) {
    serve_demand(*demand, 0);
  } else {
    serve_post(std::get<PluginInbox::Post>(*item));
  }
  return true;
}

void ThreadLife::serve_message(PluginInbox::Message& message) {
  bc_event event = event_of(BC_EV_MESSAGE, message.queued);
  event.topic = lend(message.message.topic);
  event.source = lend(message.message.source);
  event.data = lend(message.message.payload);
  const StreamPosition& position = message.message.position;
  place_.set_entry(position.stream, id_of_entry(position));
  services_->turn().begin(message.message, std::move(message.done));
  const Outcome outcome = handle(Callback::kMessage, event);
  services_->turn().end(outcome.status, outcome.text);
  // A refusal is the producer's fault, and BUSY is nobody's.
  const bool is_failure = outcome.status == BC_E_EXCEPTION || outcome.status == BC_E_RESTART;
  if (is_failure) judge(Callback::kMessage, outcome);
}

void ThreadLife::serve_demand(const PluginInbox::Demand& demand, std::uint16_t flags) {
  bc_event event = event_of(BC_EV_DEMAND, demand.queued);
  event.flags = flags;
  event.num = demand.subscribers;
  event.topic = lend(demand.topic);
  judge(Callback::kDemand, handle(Callback::kDemand, event));
}

void ThreadLife::serve_post(const PluginInbox::Post& post) {
  bc_event event = event_of(BC_EV_POST, post.queued);
  event.id = post.id;
  event.ptr = post.ptr;
  judge(Callback::kPost, handle(Callback::kPost, event));
}

void ThreadLife::end() {
  inbox()->close_demand();
  inbox()->close_posts();
  deliver_posts();
  // STOP is the other half of a START that went well, also for an instance that failed later: it
  // joins threads.
  if (started_) {
    bc_event event = event_of(BC_EV_STOP, mono_now());
    event.num =
        ns(inbox()->is_stopping() ? inbox()->stop_deadline() : mono_now() + kStopAfterFailure);
    judge(Callback::kStop, handle(Callback::kStop, event));
  }
  services_->revoke();
  if (is_to_pause_.load()) move_to_background();  // its successor serves
  if (is_created_) destroy();
}

void ThreadLife::deliver_posts() {
  // Without an instance there is nobody to deliver to: create() failed.
  while (const auto post = inbox()->take_post()) {
    if (is_created_) serve_post(*post);
  }
}

void ThreadLife::destroy() {
  const Outcome outcome = call(Callback::kDestroy, [&]() -> bc_status {
    library_->entry().destroy(std::exchange(self_, nullptr));
    return BC_OK;
  });
  if (outcome.status == BC_OK) return;
  has_destroy_failed_ = true;
  count_error(Callback::kDestroy, outcome);
}

void ThreadLife::about_to(Callback callback) const {
  if (parts_.before) parts_.before(to_string(callback));
}

template <class F>
ThreadLife::Outcome ThreadLife::call(Callback callback, F&& function) {
  about_to(callback);
  const CallbackMark mark(place_, callback);
  Outcome outcome;
  // The second net: the SDK fences its side, but not every plugin is built with the SDK.
  try {
    outcome.status = std::forward<F>(function)();
  } catch (const std::exception& error) {
    outcome = {BC_E_EXCEPTION, printable(error.what())};
  } catch (...) {
    outcome = {BC_E_EXCEPTION, "unknown exception"};
  }
  const std::string said = services_->take_fail_text();
  if (outcome.text.empty() && outcome.status != BC_OK) outcome.text = said;
  if (outcome.status == BC_E_EXCEPTION) parts_.counters.add(Counter::kPluginExceptions);
  return outcome;
}

ThreadLife::Outcome ThreadLife::handle(Callback callback, const bc_event& event) {
  return call(callback, [&] { return library_->entry().handle(self_, &event); });
}

void ThreadLife::judge(Callback callback, const Outcome& outcome) {
  if (outcome.status == BC_OK) return;
  const bool is_fatal = outcome.status == BC_E_EXCEPTION || outcome.status == BC_E_RESTART;
  if (!is_fatal || is_over()) {
    count_error(callback, outcome);
  } else if (outcome.status == BC_E_EXCEPTION) {
    fail("is restarting after an exception", described(callback, outcome.status, outcome.text));
  } else {
    fail("is restarting at its own request", described(callback, outcome.status, outcome.text));
  }
}

void ThreadLife::judge_start(Callback callback, const Outcome& outcome) {
  if (outcome.status == BC_OK) return;
  const bool is_exception = outcome.status == BC_E_EXCEPTION;
  if (!is_exception && outcome.status != BC_E_RESTART) {
    parts_.counters.add(Counter::kPluginErrors);
  }
  fail(is_exception ? "is restarting after an exception" : "could not start",
       described(callback, outcome.status, outcome.text));
}

void ThreadLife::count_error(Callback callback, const Outcome& outcome) {
  if (outcome.status != BC_E_EXCEPTION) parts_.counters.add(Counter::kPluginErrors);
  ++errors_;
  // The first, the tenth, the hundredth...
  std::uint64_t power = 1;
  while (power < errors_ && power <= UINT64_MAX / 10) power *= 10;
  if (power != errors_) return;
  spdlog::warn("{}: {} ({} such errors so far)", parts_.name,
               described(callback, outcome.status, outcome.text), errors_);
}

void ThreadLife::fail(std::string words, std::string detail) {
  if (services_) services_->revoke();
  has_failed_ = true;
  note_failure(std::move(words), std::move(detail));
  enter(State::kFailed);
}

void ThreadLife::note_failure(std::string words, std::string detail) {
  failure_.with_lock([&](auto& failure) {
    failure = {.words = std::move(words),
               .detail = std::move(detail),
               .ran = started_ ? mono_now() - *started_ : std::chrono::nanoseconds(0)};
  });
}

}  // namespace broadcast

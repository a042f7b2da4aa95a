// One file: the turns of one thread, in the order in which a socket lives through them.
#include "host/net/shard.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <pthread.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace broadcast {

namespace {

constexpr std::size_t kReceiveBufferBytes = 256 * 1024;
/// Messages delivered in a row before sockets get their turn.
constexpr std::size_t kLot = 256;
/// So many messages in a drain are a burst.
constexpr std::size_t kBurst = 4;
/// A message may become so many times the limit of what is sent.
constexpr std::size_t kMaxInflation = 10;
constexpr std::chrono::milliseconds kTick{500};
constexpr std::chrono::seconds kPingTick{1};  // how often the silent are looked for
/// Idle clients that are closed in a tick, and a share of all where that is more: who is closed
/// connects again, and not all at once.
constexpr std::size_t kClosesATick = 64;
constexpr std::size_t kTicksToCloseAll = 16;
/// The same at a shutdown. Fewer connect again in a second without anybody's noticing.
constexpr std::size_t kGoodbyesATick = 500;
constexpr std::chrono::milliseconds kRetryFirst{500};
constexpr std::chrono::milliseconds kRetryLast{5000};

/// As the kernel has it; its header and the C library's cannot be included together.
struct SchedulerAttributes {
  std::uint32_t size = 0;
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t slice_ns = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

/// Whoever asks Linux 6.12 for short slices runs before those that have long ones: a broadcaster
/// that computes, or is being loaded, on the core of a shard holds up its clients less. Older
/// kernels, and those that refuse, leave all as it is. p99 of the other's messages while one of two
/// broadcasters was replaced every 20 ms, host on one core: 166 µs (164 to 229), without short
/// slices 229 (225 to 279; three rounds, 2026-11).
void ask_for_short_slices() {
  SchedulerAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;  // the operator's choice
  attributes.slice_ns = 100'000;                 // the least there is
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));
}

std::size_t frame_bytes_of(std::span<const MessagePtr> messages) {
  std::size_t bytes = 0;
  for (const MessagePtr& message : messages) bytes += message->frame().size();
  return bytes;
}

}  // namespace

Shard::Shard(TopicHub& hub, const Limits& limits, std::chrono::nanoseconds drain_time,
             const HandshakeRules& rules, Admission& admission, ClientMemory& memory,
             DoorLog& doors, const ClientFactory& factory, std::unique_ptr<Flusher> flusher)
    : limits_(limits),
      drain_time_(drain_time),
      rules_(rules),
      admission_(admission),
      memory_(memory),
      doors_(doors),
      factory_(factory),
      inbox_([this] {
        has_publications_.store(true, std::memory_order_relaxed);
        boost::asio::post(io_, [this] { drain(); });
      }),
      index_(hub.topics(), hub.audience(), hub.add_shard(inbox_)),
      flusher_(std::move(flusher)),
      receive_buffer_(kReceiveBufferBytes),
      sealed_buffer_(rules.tls ? kReceiveBufferBytes : 0),
      inflater_(limits.message_bytes * kMaxInflation),
      sockets_(io_),
      tick_(io_),
      ping_(Message::frame_of(Opcode::kPing, "")),
      slots_(io_) {}

Shard::~Shard() {
  io_.stop();
  join();
  owner_.adopt();
  deadline_ = MonoTime::min();
  const MonoTime now = mono_now();
  for_each_connection([&](Connection& connection) { connection.reset(now); });
  free_the_gone();
}

void Shard::start(const std::vector<int>& sockets, std::size_t listeners) {
  for (const int socket : sockets) {
    listeners_.push_back(
        std::make_unique<Listener>(io_, *this, rules_, limits_, admission_, listeners, socket));
    listeners_.back()->start();
  }
  wait_for_sockets();
  arm_tick();
  thread_ = std::thread([this] { run(); });
}

void Shard::run() {
  pthread_setname_np(pthread_self(), "shard");
  ask_for_short_slices();
  owner_.adopt();
  io_.run();
}

void Shard::join() {
  if (thread_.joinable()) thread_.join();
}

void Shard::adopt(Upgraded upgraded) {
  owner_.check();
  if (upgraded.tls) doors_.encrypted(*upgraded.tls);
  auto connection = std::make_unique<Connection>(
      *this, upgraded.socket, std::move(upgraded.tls), std::move(upgraded.place),
      std::move(upgraded.peer), upgraded.deflate, limits_);
  Connection& opened = *connection;
  idle_.push_back(*connection.release());
  ++open_;
  counters_.add(Counter::kConnectionsAccepted);
  const MonoTime now = mono_now();
  try {
    auto client =
        factory_(*this, opened.outbox(), upgraded.network, std::move(upgraded.first_topics));
    opened.open(std::move(client), upgraded.response, upgraded.first_bytes, now);
  } catch (const std::exception& error) {
    spdlog::error("connection not opened: {}", error.what());
    opened.reset(now);
  }
  flush_touched(now);
}

void Shard::remove(Connection& connection) {
  owner_.check();
  connection.unlink();
  gone_.push_back(connection);
  if (--open_ == 0 && is_closing()) io_.stop();
}

void Shard::put_with_waiting(Connection& connection) {
  connection.unlink();
  waiting_.push_back(connection);
}

void Shard::put_with_idle(Connection& connection) {
  connection.unlink();
  idle_.push_back(connection);
}

void Shard::free_the_gone() { gone_.clear_and_dispose(std::default_delete<Connection>()); }

void Shard::wait_for_sockets() {
  sockets_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    on_sockets();
    wait_for_sockets();
  });
}

void Shard::on_sockets() {
  owner_.check();
  free_the_gone();
  const MonoTime now = mono_now();
  forgive_pause(now);
  for (const SocketSet::Ready& ready : sockets_.ready()) {
    // Before each: whatever the commands of one cost, what is published waits for that one alone.
    if (has_publications_.load(std::memory_order_relaxed)) {
      has_publications_.store(false, std::memory_order_relaxed);
      static_cast<void>(deliver_lot());  // the drain that is on its way has the rest
    }
    if (ready.to_write) ready.connection->on_writable(now);
    if (ready.to_read) ready.connection->on_readable(now);
  }
  flush_touched(mono_now());
  arm_slots();  // who asks for another rate may bring a slot forward
}

void Shard::drain() {
  owner_.check();
  has_publications_.store(false, std::memory_order_relaxed);
  // Where a burst came the last time, who publishes is let go on with this one: CPU a delivery of
  // row `burst` with sendmsg is 1.06 to 1.08 times the floor's, 1.22 to 1.27 where the shard never
  // yields, 1.10 to 1.13 where it always does (two series of three rounds, 2026-11). Not always,
  // for to yield is to wait for everybody on this core: so p99 of row `replace` was twice as high.
  if (delivered_ == drained_.size() && drained_.size() >= kBurst) std::this_thread::yield();
  if (deliver_lot()) boost::asio::post(io_, [this] { drain(); });
}

bool Shard::deliver_lot() {
  const bool takes = delivered_ == drained_.size();
  if (takes) {
    drained_.clear();
    delivered_ = 0;
    inbox_.take(drained_);
  }
  const std::size_t end = std::min(drained_.size(), delivered_ + kLot);
  std::size_t unflushed_bytes = 0;
  const MonoTime now = touched_.now = mono_now();
  while (delivered_ < end) {
    const auto rest = std::span(drained_).subspan(delivered_, end - delivered_);
    const auto run = rest.first(run_length(rest, limits_.outbox_bytes / 2));
    const std::size_t run_bytes = frame_bytes_of(run);
    // A burst larger than an outbox must not close readers that keep up.
    if (unflushed_bytes > 0 && unflushed_bytes + run_bytes > limits_.outbox_bytes / 2) {
      flush_touched(mono_now());
      unflushed_bytes = 0;
    }
    unflushed_bytes += run_bytes;
    if (run.front()->topic_id() != 0) {
      index_.deliver(run, now);
    } else {
      for_each_connection(
          [&](Connection& connection) { connection.outbox().push_reply(run.front()); });
    }
    std::ranges::fill(run, nullptr);
    delivered_ += run.size();
  }
  flush_touched(mono_now());
  arm_slots();
  // What came since the take has woken us for a drain of its own; that one may have been this.
  return !takes || delivered_ < drained_.size();
}

void Shard::flush_touched(MonoTime now) {
  owner_.check();
  touched_.now = now;
  // Flushing may end a connection, and that may touch others.
  while (!touched_.writers.empty()) {
    std::swap(flushing_, touched_.writers);
    flusher_->flush(flushing_, now);
    flushing_.clear();
  }
}

/// `use` may end the connection that it is given, or put it with the waiting ones.
template <class F>
void Shard::for_each_connection(F use) {
  for (Connections* list : {&waiting_, &idle_}) {
    for (auto at = list->begin(); at != list->end();) use(*at++);
  }
}

void Shard::arm_slots() {
  const std::optional<MonoTime> due = index_.next_due();
  if (!due || *due >= slots_at_) return;
  slots_at_ = *due;
  slots_.expires_at(slots_at_);
  slots_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    slots_at_ = MonoTime::max();
    const MonoTime now = mono_now();
    index_.on_time(now);
    flush_touched(now);
    arm_slots();
  });
}

void Shard::arm_tick() {
  const std::chrono::nanoseconds interval = heartbeat_ ? heartbeat_->interval : kTick;
  tick_due_ = mono_now() + std::min<std::chrono::nanoseconds>(interval, kTick);
  cpu_at_tick_ = thread_cpu_time();
  tick_.expires_at(tick_due_);
  tick_.async_wait([this](boost::system::error_code error) {
    if (!error) on_tick();
  });
}

void Shard::on_tick() {
  owner_.check();
  const MonoTime now = mono_now();
  forgive_pause(now);
  if (now >= deadline_) {
    io_.stop();
    return;
  }
  ticked_at_.store(now, std::memory_order_relaxed);
  for (const auto& listener : listeners_) listener->on_tick(now);
  doors_.on_tick(now);
  free_the_gone();
  for (auto at = waiting_.begin(); at != waiting_.end();) (at++)->on_tick(now);
  if (is_closing() && now - said_goodbye_at_ >= kTick) close_next(now);
  ping_the_silent(now);
  close_the_idle(now);
  touched_.answers.forget_the_old();
  keep_within_memory(now);
  flush_touched(now);
  std::size_t pending = 0;
  for (const Connection& connection : waiting_) pending += connection.pending_bytes();
  pending_bytes_ = pending;
  arm_tick();
}

bool Shard::try_close_idle(std::chrono::nanoseconds idle, std::uint16_t code, std::string reason) {
  if (close_idle_waits_.exchange(true)) return false;
  boost::asio::post(io_, [this, idle, code, reason = std::move(reason)] {
    close_idle_waits_ = false;
    const MonoTime now = mono_now();
    forgive_pause(now);
    close_idle_ = {idle, code, reason};
    close_the_idle(now);
    flush_touched(now);
  });
  return true;
}

void Shard::close_the_idle(MonoTime now) {
  if (!close_idle_) return;
  const CloseReason close{close_idle_->code, close_idle_->reason, Counter::kClosedHeartbeat};
  std::size_t left = std::max(kClosesATick, open_ / kTicksToCloseAll);
  for_each_connection([&](Connection& connection) {
    if (left > 0 && connection.close_if_idle(close_idle_->idle, close, now)) --left;
  });
  if (left > 0) close_idle_.reset();
}

void Shard::keep_within_memory(MonoTime now) {
  std::size_t held = index_.held_bytes() + touched_.answers.bytes() + held_bytes_;
  // Others have small queues.
  for (const Connection& connection : waiting_) held += connection.queue_bytes();
  memory_.note(number(), held);
  if (!memory_.is_tight()) return memory_.calm(number());
  std::size_t largest = 0;
  std::size_t leaving = 0;  // will be free in a moment
  for_each_connection([&](const Connection& connection) {
    if (connection.was_emptied()) {
      leaving += connection.held_bytes();
    } else {
      largest = std::max(largest, connection.held_bytes());
    }
  });
  memory_.note(number(), held - std::min(held, leaving));
  memory_.note_largest(number(), largest);
  const std::size_t closed = close_the_largest(memory_.duty_of(number()), now);
  if (closed > 0) memory_.note(number(), held - std::min(held, leaving + closed));
}

/// How many bytes the closed ones hold.
std::size_t Shard::close_the_largest(ClientMemory::Duty duty, MonoTime now) {
  if (duty.bytes == 0) return 0;
  std::vector<Connection*> large;
  for_each_connection([&](Connection& connection) {
    const bool is_large = connection.held_bytes() >= duty.from_bytes;
    if (is_large && !connection.was_emptied()) large.push_back(&connection);
  });
  std::ranges::sort(large, std::greater(), &Connection::held_bytes);
  std::size_t closed = 0;
  for (Connection* const connection : large) {
    if (closed >= duty.bytes) break;
    closed += connection->held_bytes();
    counters_.add(Counter::kLimitMemory);
    if (connection->is_closing()) {
      connection->reset(now);  // it does not take what waits before its close frame
    } else {
      connection->outbox().close(kCloseMemory);
    }
  }
  return closed;
}

void Shard::set_heartbeat(const std::optional<Heartbeat>& heartbeat) {
  if (heartbeat == heartbeat_) return;
  const MonoTime now = mono_now();
  forgive_pause(now);
  heartbeat_ = heartbeat;
  // Nobody has been pinged by these times before; nor shall all be pinged at once.
  const std::chrono::nanoseconds interval = heartbeat ? heartbeat->interval : kPingTick;
  std::uniform_int_distribution<std::int64_t> spread(
      0, std::max<std::int64_t>(interval.count() - 1, 0));
  for_each_connection([&](Connection& connection) {
    connection.count_silence_from(now - std::chrono::nanoseconds(spread(random_)));
  });
  arm_tick();
}

void Shard::ping_the_silent(MonoTime now) {
  if (!heartbeat_) return;
  if (now - pinged_at_ < std::min<std::chrono::nanoseconds>(heartbeat_->interval, kPingTick))
    return;
  for_each_connection([&](Connection& connection) {
    connection.ping_if_silent(heartbeat_->interval, ping_, pinged_at_, now);
  });
  pinged_at_ = now;
}

/// The shard did not come to its tick: the process was stopped, or the machine suspended or
/// overloaded by others. What clients did meanwhile lies in their sockets, and what they did not
/// do, nobody may have asked them for. Clients who themselves keep the shard from its tick earn
/// nothing by it.
void Shard::forgive_pause(MonoTime now) {
  if (!was_slept_through(tick_due_, now)) return;
  const std::chrono::nanoseconds cpu = thread_cpu_time();
  const std::chrono::nanoseconds pause = pause_before(tick_due_, now, cpu - cpu_at_tick_);
  tick_due_ = now;
  cpu_at_tick_ = cpu;
  if (pause == std::chrono::nanoseconds(0)) return;
  for_each_connection([&](Connection& connection) { connection.forgive(pause, now); });
  for (const auto& listener : listeners_) listener->forgive(pause);
  if (!is_closing()) return;
  deadline_ += pause;
  all_closed_by_ += pause;
}

void Shard::post_ask_slowest(std::size_t most, std::function<void(std::vector<ClientView>)> done) {
  boost::asio::post(io_, [this, most, done = std::move(done)] { done(slowest(most)); });
}

std::vector<ClientView> Shard::slowest(std::size_t most) {
  std::vector<const Connection*> all;
  for_each_connection([&](const Connection& connection) { all.push_back(&connection); });
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(most, all.size()));
  std::ranges::partial_sort(all, end, std::greater(), &Connection::pending_bytes);
  std::vector<ClientView> views;
  const MonoTime now = mono_now();
  for (auto at = all.begin(); at != end; ++at) views.push_back((*at)->view(now));
  return views;
}

void Shard::post(std::function<void()> use) { boost::asio::post(io_, std::move(use)); }

void Shard::post_limits(const Limits& limits, std::chrono::nanoseconds drain_time,
                        const HandshakeRules& rules) {
  post([this, limits, drain_time, pages = rules.pages, trusted_proxies = rules.trusted_proxies,
        tls = rules.tls] {
    limits_ = limits;
    drain_time_ = drain_time;
    rules_.pages = pages;
    rules_.trusted_proxies = trusted_proxies;
    rules_.tls = tls;
    if (tls) sealed_buffer_.resize(kReceiveBufferBytes);
    inflater_.set_limit(limits.message_bytes * kMaxInflation);
    for (const auto& listener : listeners_) listener->on_limits();
  });
}

void Shard::post_stop_accepting() {
  boost::asio::post(io_, [this] {
    for (const auto& listener : listeners_) listener->stop();
  });
}

void Shard::post_shut_down(MonoTime deadline) {
  boost::asio::post(io_, [this, deadline] { shut_down(deadline); });
}

void Shard::shut_down(MonoTime deadline) {
  owner_.check();
  while (deliver_lot()) {  // what was published before goes out before
  }
  const MonoTime now = mono_now();
  deadline_ = deadline;
  all_closed_by_ = now + (deadline - now) / 2;
  for (const auto& listener : listeners_) listener->stop();
  if (open_ == 0) io_.stop();
  std::uniform_int_distribution<std::int64_t> spread(kRetryFirst.count(), kRetryLast.count());
  for_each_connection([&](Connection& connection) {
    connection.announce_shutdown(std::chrono::milliseconds(spread(random_)));
  });
  close_next(now);
  flush_touched(now);
}

std::size_t goodbyes_at_tick(std::size_t open, std::chrono::nanoseconds left) {
  const std::int64_t ticks = std::max<std::int64_t>(1, left / std::chrono::nanoseconds(kTick));
  const auto share = static_cast<std::size_t>(ticks);
  return std::max(kGoodbyesATick, (open + share - 1) / share);
}

/// Those who are closed connect again, here or elsewhere, and a crowd must not come all at once.
void Shard::close_next(MonoTime now) {
  said_goodbye_at_ = now;
  std::size_t left = goodbyes_at_tick(open_, all_closed_by_ - now);
  for_each_connection([&](Connection& connection) {
    if (left > 0 && connection.try_shut_down()) --left;
  });
}

}  // namespace broadcast

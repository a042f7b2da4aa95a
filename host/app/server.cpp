#include "host/app/server.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <spdlog/spdlog.h>

#include "host/app/demo_page.hpp"
#include "host/app/descriptors.hpp"
#include "host/app/version.hpp"
#include "host/base/log.hpp"
#include "host/base/per_thread.hpp"
#include "host/net/door_log.hpp"

namespace broadcast {

namespace {

using boost::asio::ip::tcp;

/// A broadcaster's STOP may take this long, and never more than half of server.drain.
constexpr std::chrono::seconds kPluginStop{5};
/// The last answers to producers, which only have to be written.
constexpr std::chrono::milliseconds kAnswer{100};
constexpr std::chrono::seconds kTick{1};
/// Clients get so much of server.drain however long the rest took.
constexpr std::chrono::seconds kGoodbye{1};
/// What broadcasters have asked the cache for and what is not dropped yet.
constexpr std::chrono::seconds kCacheStop{1};
/// For the disk, however short the drain is and however long the others took.
constexpr std::chrono::seconds kStoreStop{1};
/// With plugins.strict: what trial, loading and START of all broadcasters may take.
constexpr std::chrono::seconds kStrictStart{60};
constexpr const char* kNotStarted = "{} is not started: {}";

tcp::endpoint endpoint_of(const ListenAddress& address) {
  return {boost::asio::ip::make_address(address.host), address.port};
}

TopicHub::Options hub_options(const Config& config) {
  std::map<std::string, std::size_t, std::less<>> topics_of;
  for (const auto& [name, broadcaster] : config.broadcasters) {
    if (broadcaster.topics > 0) topics_of.emplace(name, broadcaster.topics);
  }
  return {.limits = config.limits,
          .topics_of = std::move(topics_of),
          .accept_unknown = config.topics.accept_unknown,
          .strict = config.plugins.strict,
          .compressor = make_compressor(config.deflate),
          .history = {.messages = config.history.messages,
                      .age = config.history.age,
                      .bytes = config.history.bytes}};
}

std::unique_ptr<SqliteStore> open_state(const Config& config, Counters& counters) {
  if (config.state.path.empty()) return nullptr;
  return std::make_unique<SqliteStore>(
      SqliteStore::Options{.path = config.state.path,
                           .synchronous = config.state.synchronous,
                           .latest_every = config.state.latest_every,
                           .history = {.messages = config.history.messages,
                                       .age = config.history.age,
                                       .bytes = config.history.bytes}},
      counters);
}

/// REQUIRES: the store is not started yet.
std::unique_ptr<Ingest> open_ingest(const Config& config, TopicHub& hub, ProducerGate& gate,
                                    StateStore* store, CrashMarker& marker, Counters& counters) {
  const RedisConfig& redis = config.redis;
  if (redis.cache_url().empty()) return nullptr;  // then there is no url either
  Ingest::Options options{.ca = redis.ca,
                          .payload_bytes = config.limits.publish_bytes,
                          // Always, because who may drop keys can change.
                          .cache = parse_redis_url(redis.cache_url())};
  if (redis.url.empty())
    return std::make_unique<Ingest>(std::move(options), gate, hub.sequencer(), hub.statuses(),
                                    counters);
  options.url = parse_redis_url(redis.url);
  options.channels = redis.channels;
  if (!redis.stream.empty()) {
    options.stream = {.key = redis.stream,
                      .payload_bytes = config.limits.publish_bytes,
                      .park_after = redis.park_after,
                      .marker = &marker};
    if (store != nullptr) {
      options.stream->start = RedisStream::Start::kKept;
      options.stream->handled = store->position_of(redis.stream).value_or("");
      options.stream->parked_handled =
          store->position_of(StreamAside::parked_key_of(redis.stream)).value_or("");
    }
  }
  return std::make_unique<Ingest>(std::move(options), gate, hub.sequencer(), hub.statuses(),
                                  counters);
}

DescriptorPlan descriptors_for(const Config& config) {
  return plan_descriptors(descriptor_limit(), config, shards_of(config));
}

std::size_t memory_for_clients(const Config& config) {
  const std::size_t given = config.limits.memory_bytes;
  return given > 0 ? given : memory_of_process() / 2;
}

ListenPlace listen_place(const ListenAddress& listen, const std::vector<int>& passed) {
  return {.address = listen.is_unix() ? tcp::endpoint() : endpoint_of(listen),
          .unix_path = listen.unix_path,
          .passed = passed};
}

NetOptions net_options(const Config& config, const ServiceManager& manager,
                       std::shared_ptr<const TlsContext> tls) {
  const DescriptorPlan descriptors = descriptors_for(config);
  Limits limits = config.limits;
  limits.handshakes = descriptors.handshakes;
  return {.listen = listen_place(config.server.listen, manager.client_sockets()),
          .shards = shards_of(config),
          .flush = config.server.flush,
          .rules = {.path = config.server.path,
                    .pages = {.origins = config.server.origins,
                              .hosts = config.server.hosts,
                              .machine = boost::asio::ip::host_name()},
                    .trusted_proxies = Networks(config.server.trusted_proxies),
                    .proxy_protocol = config.server.proxy_protocol,
                    .deflate = config.deflate.enabled,
                    .page = config.server.demo_page ? demo_page(config.server.path) : "",
                    .tls = std::move(tls)},
          .limits = limits,
          .connections_by_descriptors = descriptors.connections,
          .memory_bytes = memory_for_clients(config),
          .drain = config.server.drain};
}

/// Where producers and operators connect: systemd's socket, if it has passed one.
tcp::endpoint admin_endpoint_of(const Config& config, const ServiceManager& manager) {
  const std::vector<int>& passed = manager.admin_sockets();
  if (passed.empty()) return endpoint_of(config.admin.listen);
  const auto address = local_address_of(passed.front());
  if (passed.size() > 1 || !address) {
    throw std::runtime_error(
        "systemd has passed a Unix socket, or several, for the admin listener, which takes one "
        "address (FileDescriptorName=admin)");
  }
  if (!address->address().is_loopback() && config.admin.tokens.empty()) {
    throw std::runtime_error("systemd has passed " + text_of(*address) +
                             " for the admin listener, which can be reached from beyond this "
                             "machine, and admin.tokens is empty; add a token");
  }
  return *address;
}

AdminServer::Options admin_options(const Config& config, std::shared_ptr<const TlsContext> tls) {
  AdminServer::Options options{.tls = std::move(tls),
                               .body_bytes = config.limits.publish_bytes,
                               .connections = config.admin.connections};
  for (const auto& token : config.admin.tokens) {
    options.tokens.push_back({.token = token.token, .scopes = token.scopes});
  }
  return options;
}

PerThread<boost::uuids::random_generator_mt19937> client_ids;  // no system call for each

std::string new_client_id() { return to_string(client_ids.get()()); }

}  // namespace

Server::Server(Config config, BroadcasterPlan plan, TrialProgram trial, ServiceManager manager)
    : config_(std::move(config)),
      manager_(std::move(manager)),
      admin_endpoint_(admin_endpoint_of(config_, manager_)),
      signals_(io_, SIGTERM, SIGINT),
      hangup_(io_),
      tick_(io_),
      drain_delay_(io_),
      store_(open_state(config_, counters_)),
      tls_("server.tls", config_.server.tls),
      admin_tls_("admin.tls", config_.admin.tls),
      marker_(crash_marker_path(config_)),
      plugin_states_(store_.get()),
      accounts_(config_.limits),
      hub_(hub_options(config_), counters_),
      gate_(hub_.topics(), counters_),
      shards_(hub_, net_options(config_, manager_, tls_.context()),
              [this](Shard& shard, Outbox& outbox, std::string_view network,
                     std::vector<std::string> first_topics) {
                return std::make_unique<Session>(
                    shard.index(), shard.limits(), shard.counters(), outbox, new_client_id(),
                    std::move(first_topics), shard.heartbeat(), accounts_.of(network, mono_now()));
              }),
      relay_(hub_.publisher(), hub_.sequencer()),
      ingest_(open_ingest(config_, hub_, gate_, store_.get(), marker_, counters_)),
      broadcasters_({.hub = hub_,
                     .clients = &shards_,
                     .cache = ingest_ ? ingest_->cache() : nullptr,
                     .states = &plugin_states_,
                     .trial = std::move(trial),
                     .marker = &marker_}),
      operations_(
          io_, config_, broadcasters_, !admin_endpoint_.address().is_loopback(),
          [this](const std::vector<TopicPattern>& relay) { return apply(relay); }, counters_) {
  (config_.file.empty() ? signals_ : hangup_).add(SIGHUP);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ,
              SIG_IGN);  // a state file at the limit of its size is an error like any other
  hub_.on_tick(mono_now(), wall_now_ns());
  if (store_) hub_.open_store(*store_);
  add_broadcasters(std::move(plan));
  AdminServer::Options admin = admin_options(config_, admin_tls_.context());
  admin.listen = admin_endpoint_;
  if (!manager_.admin_sockets().empty()) admin.passed = manager_.admin_sockets().front();
  admin_ = std::make_unique<AdminServer>(
      io_,
      HostView{
          .topics = hub_.topics(),
          .statuses = hub_.statuses(),
          .broadcasters = broadcasters_,
          .clients = shards_,
          .census = shards_,
          .operators = operations_,
          .count =
              [this](Counter counter) { return counters_.get(counter) + shards_.total(counter); },
          .shards = shards_.size(),
          .version = kHostVersion,
          .redis = [this] { return ingest_ ? ingest_->connections() : RedisConnections(); },
          .is_stopping = [this] { return is_stopping_; }},
      gate_, std::move(admin), counters_);
  shards_.start();
}

/// One start too many has ended the host: the others are to serve, and so it waits for an operator.
bool Server::is_left_out(const BroadcasterPlan::Ready& ready) {
  const std::string why =
      why_left_out(marker_.ends_in_start(ready.name, build_of(*ready.file, ready.config)));
  if (why.empty()) return false;
  spdlog::error(
      "{}: {}; to try again, run `broadcastctl broadcaster enable {}`, or change the library or "
      "its config ({})",
      ready.name, why, ready.name, ready.file->path().string());
  operations_.leave_out(ready, why);
  ++refused_;
  return true;
}

void Server::add_broadcasters(BroadcasterPlan plan) {
  operations_.note_relay(plan.relay);
  for (const BroadcasterPlan::Ready& ready : plan.ready) {
    if (is_left_out(ready)) continue;
    if (auto refusal = broadcasters_.try_add(ready.file, options_of(ready, config_))) {
      plan.refused.push_back({.name = ready.name, .why = *std::move(refusal)});
    } else {
      operations_.note_started(ready);
    }
  }
  if (!plan.relay.empty() && hub_.topics().try_claim(relay_, "relay:", plan.relay)) {
    plan.refused.push_back({.name = std::string(Relay::kName), .why = "its topics are taken"});
  }
  for (const auto& [name, why] : plan.refused) {
    spdlog::error(kNotStarted, name, why);
    // Clients read this; paths and settings are for the log.
    hub_.statuses().report(name, BroadcasterState::kDown, "not started; the host's log says why");
    broadcasters_.add_absent(name, why);
  }
  refused_ += plan.refused.size();
  for (const std::string& name : plan.disabled) {
    hub_.statuses().report(name, BroadcasterState::kDisabled, "switched off in the configuration");
    broadcasters_.add_absent(name, "");
  }
}

bool Server::have_all_started() {
  const auto failed = broadcasters_.wait_first_start(mono_now() + kStrictStart);
  for (const auto& [name, why] : failed) spdlog::error(kNotStarted, name, why);
  const std::size_t missing = refused_ + failed.size();
  if (missing > 0)
    spdlog::error("plugins.strict: the host ends; broadcasters that did not start: {}", missing);
  return missing == 0;
}

Server::End Server::run() {
  broadcasters_.start();
  if (ingest_) ingest_->start();
  if (config_.plugins.strict && !have_all_started()) return {.exit_code = 1, .is_stuck = !stop()};
  const DescriptorPlan descriptors = descriptors_for(config_);
  spdlog::info(descriptors.text());
  const std::string warning = descriptors.warning(config_.limits);
  if (!warning.empty()) spdlog::warn(warning);
  const ListenSockets& sockets = shards_.sockets();
  spdlog::info("listening on {}://{}{} with {} shards{}", tls_.context() ? "wss" : "ws",
               sockets.text(), config_.server.path, shards_.size(),
               manager_.client_sockets().empty() ? "" : ", on sockets that systemd keeps");
  if (config_.server.demo_page && sockets.has_address()) {
    spdlog::info("demo page on {}://{}/", tls_.context() ? "https" : "http",
                 text_of(sockets.address()));
  }
  spdlog::info("admin on {}://{}", admin_tls_.context() ? "https" : "http",
               text_of(admin_->endpoint()));
  give_back_ends();
  memory_.gave_back(resident_bytes(), 0);
  arm_tick();
  arm_hangup();
  await_stop();
  tell_ready();
  io_.run();
  signals_.clear();  // another one ends the process at once
  return {.exit_code = 0, .is_stuck = !stop()};
}

void Server::tell_ready() { manager_.ready("serving on " + shards_.sockets().text()); }

/// The first signal begins the end, the next one skips server.drain_delay.
void Server::await_stop() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    manager_.stopping();
    const std::chrono::nanoseconds delay = config_.server.drain_delay;
    if (std::exchange(is_stopping_, true) || delay == std::chrono::nanoseconds(0)) {
      spdlog::info("SIG{}: stopping", ::sigabbrev_np(signal));
      return io_.stop();
    }
    spdlog::info("SIG{}: not ready any more; stopping in {}", ::sigabbrev_np(signal),
                 duration_text(delay));
    drain_delay_.expires_after(delay);
    drain_delay_.async_wait([this](boost::system::error_code cancelled) {
      if (!cancelled) io_.stop();
    });
    await_stop();
  });
}

void Server::arm_hangup() {
  hangup_.async_wait([this](boost::system::error_code error, int) {
    if (error) return;
    spdlog::info("SIGHUP: reading {} again", config_.file);
    manager_.reloading();
    operations_.reload_when_free([this] { tell_ready(); });
    arm_hangup();
  });
}

/// The empty text: all of it holds.
std::string Server::apply(const std::vector<TopicPattern>& relay) {
  set_log_level(config_.log.level);
  accounts_.set_limits(config_.limits);
  hub_.set_limits(hub_options(config_));
  std::string problem = tls_.reload(config_.server.tls);
  shards_.set_limits(net_options(config_, manager_, tls_.context()));
  if (const std::string why = admin_tls_.reload(config_.admin.tls); problem.empty()) problem = why;
  set_admin_limits();
  const auto conflict = hub_.topics().try_claim(relay_, "relay:", relay);
  return conflict ? "relay: " + conflict->text() : problem;
}

void Server::set_admin_limits() {
  admin_->set_limits(admin_options(config_, admin_tls_.context()));
}

void Server::arm_tick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    hub_.on_tick(mono_now(), wall_now_ns());
    if (tls_.on_tick(mono_now())) {
      shards_.set_limits(net_options(config_, manager_, tls_.context()));
    }
    if (admin_tls_.on_tick(mono_now())) set_admin_limits();
    marker_.note(look_for_memory_kills());
    manager_.on_tick(shards_.ticked_at(), mono_now());
    admin_->on_tick(mono_now());
    give_back_memory_of_those_who_left();
    arm_tick();
  });
}

void Server::give_back_memory_of_those_who_left() {
  constexpr std::size_t kConnection = 1024;  // what each takes, whatever it does
  const std::size_t held = shards_.held_bytes() + kConnection * shards_.client_count();
  if (!memory_.is_time(resident_bytes(), held)) return;
  give_back_memory();
  memory_.gave_back(resident_bytes(), held);
}

/// True: nothing is left that uses the server.
bool Server::stop() {
  const MonoTime begun = mono_now();
  const std::chrono::nanoseconds drain = config_.server.drain;
  const MonoTime plugins_until = begun + std::min<std::chrono::nanoseconds>(kPluginStop, drain / 2);
  admin_->stop_accepting();
  shards_.stop_accepting();
  if (ingest_) ingest_->stop_reading();
  hangup_.cancel();
  operations_.stop();
  const bool all_stopped = broadcasters_.stop(plugins_until);
  const bool is_stored = !store_ || hub_.close_store(std::max<MonoTime>(begun + drain * 3 / 4,
                                                                        mono_now() + kStoreStop));
  const MonoTime answers_until = std::max(plugins_until, mono_now()) + kAnswer;
  // Every verdict is there now: the broadcaster's, or that it has stopped.
  io_.restart();
  while (admin_->is_answering() && io_.run_one_for(answers_until - mono_now()) > 0) {
  }
  if (operations_.is_reading()) io_.poll();  // it may have ended, and not have said so
  admin_->stop();
  if (ingest_) ingest_->stop(std::min<MonoTime>(mono_now() + kCacheStop, begun + drain));
  shards_.stop(
      std::max(begun + drain - mono_now(), std::min<std::chrono::nanoseconds>(drain, kGoodbye)));
  spdlog::info("stopped: {} messages published, {} delivered, {} conflated, {} slow readers closed",
               counters_.get(Counter::kMessagesPublished), shards_.total(Counter::kDeliveries),
               shards_.total(Counter::kConflated), shards_.total(Counter::kClosedSlow));
  if (operations_.is_reading()) {
    spdlog::error(
        "a configuration or a library is still being read; the host ends without waiting for it");
  }
  if (!is_stored) {
    spdlog::error(
        "state: the disk of {} does not answer; the host ends without waiting for it, and "
        "unacknowledged messages are lost",
        config_.state.path);
  }
  marker_.end_in_order();
  return all_stopped && is_stored && !operations_.is_reading();
}

}  // namespace broadcast

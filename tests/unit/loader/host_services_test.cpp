#include "host/loader/host_services.hpp"

#include <map>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/loader/abi_text.hpp"
#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/hub/position_store.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

class FakeClients final : public ClientControl {
 public:
  bool takes = true;
  std::string sent;
  std::string closed;

  std::size_t client_count() const override { return 7; }
  bool try_send_all(std::string_view json) override {
    sent = json;
    return takes;
  }
  bool try_close_idle(std::chrono::nanoseconds idle, std::uint16_t code,
                      std::string_view reason) override {
    closed = std::to_string(idle.count()) + " " + std::to_string(code) + " " + std::string(reason);
    return takes;
  }
  void set_heartbeat(const void* setter, Heartbeat heartbeat) override {
    heartbeats[setter] = heartbeat;
  }
  void end_heartbeat(const void* setter) override { heartbeats.erase(setter); }
  std::map<const void*, Heartbeat> heartbeats;
};

class FakeCache final : public CacheControl {
 public:
  bool takes = true;
  std::string dropped;

  bool try_drop(std::string_view pattern) override {
    dropped = pattern;
    return takes;
  }
};

class FakeOwner final : public TopicOwner {
 public:
  std::string_view owner_name() const override { return "price"; }
  void post_message(ProducerMessage, std::function<void(Verdict)>) override {}
  void post_demand(std::string_view, std::int64_t) override {}
};

class HostServicesTest : public testing::Test {
 protected:
  HostServicesTest() {
    const auto conflict = listening.hub().topics().try_claim(
        owner, "libprice.so", {TopicPattern("price:{ticker}", "[0-9]+", Delivery::kLatest)});
    EXPECT_FALSE(conflict);
    serve(listening.hub());
  }

  void serve(TopicHub& hub) {
    services.emplace(HostServices::Parts{.name = name,
                                         .host_version = version,
                                         .permissions = permissions,
                                         .hub = hub,
                                         .owner = owner,
                                         .clients = &clients,
                                         .cache = &cache,
                                         .states = &listening.states(),
                                         .inbox = inbox,
                                         .counters = counters,
                                         .metrics = metrics});
    host = services->table();
  }

  static bc_publish message(std::string_view topic, std::string_view payload) {
    bc_publish publish{};
    publish.size = sizeof publish;
    publish.topic = lend(topic);
    publish.payload = lend(payload);
    return publish;
  }
  bc_status publish(std::string_view topic = "price:1",
                    std::string_view payload = R"({"type":"x"})") {
    const bc_publish publish = message(topic, payload);
    return host->publish(host, &publish);
  }
  /// From now on, what is published belongs to `message`.
  void begin(const ProducerMessage& message) {
    services->turn().begin(message, [this](Verdict given) { verdict = std::move(given); });
  }
  template <class T>
  const T* extension(const char* id) {
    return static_cast<const T*>(host->get_extension(host, id));
  }

  test::ListeningHub listening;
  FakeOwner owner;
  FakeClients clients;
  FakeCache cache;
  PluginInbox inbox{"price", {}};
  Counters counters;
  PluginMetrics metrics;
  const std::string name = "price";
  const std::string version = "1.3.2";
  std::vector<std::string> permissions = {"clients"};
  std::optional<HostServices> services;
  const bc_host* host = nullptr;
  Verdict verdict;  // on the last message
};

TEST_F(HostServicesTest, SaysWhoItIs) {
  EXPECT_EQ(host->size, sizeof(bc_host));
  EXPECT_EQ(host->abi_major, BC_ABI_MAJOR);
  EXPECT_STREQ(host->version, "1.3.2");
  EXPECT_GT(host->mono_ns(host), 0);
  EXPECT_GT(host->wall_ns(host), 1'600'000'000'000'000'000);
}

TEST_F(HostServicesTest, PublishesBetweenStartAndRevokeOnly) {
  EXPECT_EQ(publish(), BC_E_INVALID);
  services->open();
  EXPECT_EQ(publish(), BC_OK);
  services->revoke();
  EXPECT_EQ(publish(), BC_E_REVOKED);
}

TEST_F(HostServicesTest, CanBeSuspendedAndGoOnButIsRevokedForGood) {
  services->open();
  services->suspend();
  EXPECT_EQ(publish(), BC_E_REVOKED);
  EXPECT_EQ(host->stopping(host), 0) << "it may go on";
  EXPECT_EQ(host->timer(host, 1, 0, 0), BC_OK);
  services->resume();
  EXPECT_EQ(publish(), BC_OK);
  services->revoke();
  services->resume();
  EXPECT_EQ(publish(), BC_E_REVOKED);
  EXPECT_EQ(host->stopping(host), 1);
}

TEST_F(HostServicesTest, PublishesNothingOnceItWasGivenUpBeforeItsStart) {
  services->suspend();
  services->open();
  EXPECT_EQ(publish(), BC_E_REVOKED);
  serve(listening.hub());
  services->revoke();
  services->open();
  EXPECT_EQ(publish(), BC_E_REVOKED);
}

TEST_F(HostServicesTest, AMessageWhoseUpdateCameTooLateIsToBeTriedAgain) {
  services->open();
  begin({.topic = "price:1", .source = "http", .payload = "{}"});
  services->suspend();
  EXPECT_EQ(publish(), BC_E_REVOKED);
  services->turn().end(BC_OK, "");
  EXPECT_EQ(verdict.published, 0u);
  EXPECT_EQ(verdict.outcome, Verdict::Outcome::kUnavailable);
  EXPECT_EQ(verdict.text, "price is being replaced; try again");
}

TEST_F(HostServicesTest, AMessageThatWasGivenUpIsAnsweredOnce) {
  services->open();
  int answers = 0;
  services->turn().begin({}, [&](const Verdict& given) {
    ++answers;
    EXPECT_EQ(given.text, "price did not finish with this message and was replaced; try again");
  });
  std::thread([&] { services->turn().give_up(); }).join();
  EXPECT_EQ(answers, 1);
  services->turn().end(BC_OK, "");
  services->turn().give_up();
  EXPECT_EQ(answers, 1);
}

TEST_F(HostServicesTest, RefusesWhatCannotBePublished) {
  services->open();
  EXPECT_EQ(publish("price:abc"), BC_E_DENIED);
  EXPECT_EQ(publish("status:price"), BC_E_DENIED);
  EXPECT_EQ(publish("price:1", "[1]"), BC_E_INVALID);
  EXPECT_EQ(publish("price:1", ""), BC_E_INVALID);
  EXPECT_EQ(host->publish(host, nullptr), BC_E_INVALID);
  bc_publish nowhere = message("price:1", "{}");
  nowhere.payload = {nullptr, 5};
  EXPECT_EQ(host->publish(host, &nowhere), BC_E_INVALID);
  bc_publish flagged = message("price:1", R"({"type":"x"})");
  flagged.flags = 1;
  EXPECT_EQ(host->publish(host, &flagged), BC_E_UNSUPPORTED);
}

TEST_F(HostServicesTest, CountsWhatBecameOfEachPublish) {
  services->open();
  static_cast<void>(publish());
  static_cast<void>(publish());
  static_cast<void>(publish("price:abc"));
  static_cast<void>(publish("price:1", "[1]"));
  EXPECT_EQ(counters.get(Counter::kMessagesPublished), 2U);
  EXPECT_EQ(counters.get(Counter::kPublishDenied), 1U);
  EXPECT_EQ(counters.get(Counter::kPublishInvalid), 1U);
}

TEST_F(HostServicesTest, DefinesMetricsUntilStartHasReturnedAndRecordsUntilRevoked) {
  const auto* table = extension<bc_ext_metrics>(BC_EXT_METRICS);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->define(host, 1, BC_GAUGE, lend("depth"), lend("How deep.")), BC_OK);
  EXPECT_EQ(table->define(host, 2, BC_GAUGE, {nullptr, 3}, lend("")), BC_E_INVALID);
  bc_status elsewhere = BC_OK;
  std::thread([&] { elsewhere = table->define(host, 3, BC_GAUGE, lend("d"), lend("")); }).join();
  EXPECT_EQ(elsewhere, BC_E_WRONG_THREAD);
  services->open();
  services->started();
  EXPECT_EQ(table->define(host, 4, BC_GAUGE, lend("late"), lend("")), BC_E_INVALID);
  table->record(host, 1, 7);
  services->revoke();
  table->record(host, 1, 8);
  ASSERT_EQ(metrics.view().size(), 1U);
  EXPECT_EQ(metrics.view()[0].value, 7);
}

TEST_F(HostServicesTest, ReadsStructsOfOtherSizesByTheSizeRule) {
  struct Later {
    bc_publish known;
    std::uint64_t added;
  };
  services->open();
  Later later{message("price:1", R"({"type":"x"})"), 0};
  later.known.size = sizeof later;
  EXPECT_EQ(host->publish(host, &later.known), BC_OK);
  later.added = 1;
  EXPECT_EQ(host->publish(host, &later.known), BC_E_UNSUPPORTED);
  later.known.size = offsetof(bc_publish, source_time_ns);
  EXPECT_EQ(host->publish(host, &later.known), BC_OK);
  later.known.size = 1;
  EXPECT_EQ(host->publish(host, &later.known), BC_E_INVALID);
  later.known.size = UINT32_MAX;
  EXPECT_EQ(host->publish(host, &later.known), BC_E_INVALID);
}

TEST_F(HostServicesTest, RemembersWhatWasPublishedForAMessageOnThePluginThread) {
  services->open();
  EXPECT_EQ(publish("price:1"), BC_OK);
  begin({});
  EXPECT_EQ(publish("price:2"), BC_OK);
  EXPECT_EQ(publish("price:x"), BC_E_DENIED);
  EXPECT_EQ(publish("price:3"), BC_OK);
  std::thread([&] { EXPECT_EQ(publish("price:4"), BC_OK); }).join();
  services->turn().end(BC_OK, "");
  EXPECT_EQ(verdict.published, 2u);
  EXPECT_EQ(verdict.topic, "price:3");
  EXPECT_EQ(verdict.last.seq, 1u);
}

TEST_F(HostServicesTest, LeavesOutWhatAMessageHasPublishedWhenItCameBefore) {
  services->open();
  ProducerMessage again;
  again.published_before = 1;
  begin(again);
  EXPECT_EQ(publish("price:2"), BC_OK);
  EXPECT_EQ(publish("price:3"), BC_OK);
  services->turn().end(BC_OK, "");
  EXPECT_EQ(verdict.published, 1u);
  EXPECT_EQ(verdict.topic, "price:3");
  EXPECT_EQ(publish("price:2"), BC_OK);  // no longer the message's
}

TEST_F(HostServicesTest, HandsTheStoreThePositionWithEachMessageOfAnEntry) {
  test::PositionStore store;
  TopicHub hub({}, counters);
  hub.open_store(store);
  EXPECT_FALSE(
      hub.topics().try_claim(owner, "libprice.so", {TopicPattern("log", "", Delivery::kAll)}));
  serve(hub);
  services->open();
  ProducerMessage entry;
  entry.position = {"s", "1-1@1"};
  for (const std::size_t before : {0U, 1U}) {
    entry.published_before = before;
    begin(entry);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(publish("log"), BC_OK);
    services->turn().end(BC_OK, "");
    EXPECT_EQ(verdict.published, 3U - before);
  }
  EXPECT_EQ(publish("log"), BC_OK);  // no message's
  EXPECT_THAT(store.positions, testing::ElementsAre("1-1@1#1", "1-1@1#2", "1-1@1#3",  //
                                                    "1-1@1#2", "1-1@1#3", ""));
  hub.close_store();
}

TEST_F(HostServicesTest, ArmsTimersOnThePluginThreadOnly) {
  EXPECT_EQ(host->timer(host, 1, 0, 0), BC_OK);
  EXPECT_EQ(host->timer(host, 2, INT64_MAX, INT64_MAX), BC_OK);
  EXPECT_EQ(host->timer(host, 3, 0, -1), BC_E_INVALID);
  std::thread([&] { EXPECT_EQ(host->timer(host, 1, -1, 0), BC_E_WRONG_THREAD); }).join();
  EXPECT_EQ(services->timers().take_due(mono_now())->id, 1u);
  EXPECT_EQ(host->timer(host, 2, -1, 0), BC_OK);
  EXPECT_FALSE(services->timers().next_due());
}

TEST_F(HostServicesTest, KeepsTheReasonOfAFailureFitToShow) {
  host->fail(host, lend("bad\nthing \xff"));
  std::thread([&] { host->fail(host, lend("from elsewhere")); }).join();
  EXPECT_EQ(services->take_fail_text(), "bad thing ?");
  EXPECT_EQ(services->take_fail_text(), "");
}

TEST_F(HostServicesTest, PostsToTheInbox) {
  EXPECT_EQ(host->post(host, 4, this), BC_E_REVOKED);
  inbox.open();
  EXPECT_EQ(host->post(host, 4, this), BC_OK);
  EXPECT_EQ(inbox.take_post()->ptr, this);
}

TEST_F(HostServicesTest, AsksForKeysToBeDroppedWithThePermissionCache) {
  permissions.emplace_back("cache");
  const auto* const control = extension<bc_ext_cache>(BC_EXT_CACHE);
  ASSERT_NE(control, nullptr);
  EXPECT_EQ(control->drop(host, lend("daytrading:signals:*")), BC_OK);
  EXPECT_EQ(cache.dropped, "daytrading:signals:*");
  EXPECT_EQ(control->drop(host, lend("*")), BC_E_INVALID);
  EXPECT_EQ(control->drop(host, {nullptr, 3}), BC_E_INVALID);
  cache.takes = false;
  EXPECT_EQ(control->drop(host, lend("a:*")), BC_E_BUSY);
  services->revoke();
  EXPECT_EQ(control->drop(host, lend("a:*")), BC_E_REVOKED);
}

TEST_F(HostServicesTest, SaysWhenItIsStopping) {
  EXPECT_EQ(host->stopping(host), 0);
  inbox.request_stop(mono_now());
  EXPECT_EQ(host->stopping(host), 1);
}

TEST_F(HostServicesTest, OffersWhatItHasAndYamlPermits) {
  EXPECT_NE(host->get_extension(host, BC_EXT_DEMAND), nullptr);
  EXPECT_NE(host->get_extension(host, BC_EXT_STATUS), nullptr);
  EXPECT_NE(host->get_extension(host, BC_EXT_CLIENTS), nullptr);
  EXPECT_NE(host->get_extension(host, BC_EXT_HEARTBEAT), nullptr);
  EXPECT_EQ(host->get_extension(host, BC_EXT_CACHE), nullptr);
  EXPECT_NE(host->get_extension(host, BC_EXT_METRICS), nullptr);
  EXPECT_EQ(host->get_extension(host, "bc.replay/1"), nullptr);
  EXPECT_EQ(host->get_extension(host, nullptr), nullptr);
  permissions.clear();
  EXPECT_EQ(host->get_extension(host, BC_EXT_CLIENTS), nullptr);
  EXPECT_EQ(host->get_extension(host, BC_EXT_HEARTBEAT), nullptr);
}

TEST_F(HostServicesTest, EveryExtensionThatItOffersIsThereWithItsPermissionOnly) {
  for (const std::string& id : offered_services()) {
    const std::string_view permission = permission_for(id);
    permissions = {std::string(permission)};
    EXPECT_NE(host->get_extension(host, id.c_str()), nullptr) << id;
    permissions = {"another"};
    EXPECT_EQ(host->get_extension(host, id.c_str()) != nullptr, permission.empty()) << id;
  }
  EXPECT_EQ(permission_for("bc.replay/1"), "");
}

TEST_F(HostServicesTest, TellsDemand) {
  const auto* const demand = extension<bc_ext_demand>(BC_EXT_DEMAND);
  EXPECT_EQ(demand->subscribers(host, lend("price:1")), 0);
  listening.subscribe("price:1");
  EXPECT_EQ(demand->subscribers(host, lend("price:1")), 1);
}

TEST_F(HostServicesTest, ShowsTheStatusThatThePluginReports) {
  const auto* const status = extension<bc_ext_status>(BC_EXT_STATUS);
  listening.subscribe_status("price");
  EXPECT_EQ(status->report(host, 4, lend("")), BC_E_INVALID);
  EXPECT_EQ(status->report(host, -1, lend("")), BC_E_INVALID);
  EXPECT_EQ(status->report(host, BC_STATUS_OK, lend("connecting")), BC_OK);
  EXPECT_EQ(status->report(host, BC_STATUS_STALE, lend("no data for 12 s")), BC_OK);
  EXPECT_TRUE(listening.hub().statuses().list()[0].detail == "before the test")
      << "START returns first";
  EXPECT_TRUE(services->started());
  EXPECT_TRUE(listening.wait_for({R"("state":"stale")", R"("detail":"no data for 12 s")"}));
  EXPECT_EQ(status->report(host, BC_STATUS_OK, lend("")), BC_OK);
  EXPECT_TRUE(listening.wait_for({R"("state":"ok")"}));
  services->revoke();
  EXPECT_EQ(status->report(host, BC_STATUS_OK, lend("")), BC_E_REVOKED);
}

TEST_F(HostServicesTest, ControlsClients) {
  const auto* const control = extension<bc_ext_clients>(BC_EXT_CLIENTS);
  EXPECT_EQ(control->count(host), 7);
  EXPECT_EQ(control->send_all(host, lend(R"({"type":"ping"})")), BC_OK);
  EXPECT_EQ(clients.sent, R"({"type":"ping"})");
  EXPECT_EQ(control->close_idle(host, 90, 4408, lend("heartbeat")), BC_OK);
  EXPECT_EQ(clients.closed, "90 4408 heartbeat");
  clients.takes = false;
  EXPECT_EQ(control->send_all(host, lend("{}")), BC_E_BUSY);
  EXPECT_EQ(control->close_idle(host, 90, 4408, lend("")), BC_E_BUSY);
}

TEST_F(HostServicesTest, KeepsAHeartbeatFromStartUntilTheGenerationIsGone) {
  const auto* const heartbeat = extension<bc_ext_heartbeat>(BC_EXT_HEARTBEAT);
  constexpr std::int64_t kMs = 1'000'000;
  EXPECT_EQ(heartbeat->keep(host, 100 * kMs, 300 * kMs), BC_E_INVALID) << "before START";
  services->open();
  EXPECT_EQ(heartbeat->keep(host, 100 * kMs, 300 * kMs), BC_OK);
  EXPECT_EQ(heartbeat->keep(host, 100 * kMs - 1, 300 * kMs), BC_E_INVALID);
  EXPECT_EQ(heartbeat->keep(host, 300 * kMs, 300 * kMs), BC_E_INVALID);
  ASSERT_EQ(clients.heartbeats.size(), 1U);
  EXPECT_EQ(clients.heartbeats.begin()->second.timeout, std::chrono::milliseconds(300));
  services->revoke();
  EXPECT_EQ(heartbeat->keep(host, 100 * kMs, 200 * kMs), BC_E_REVOKED);
  services.reset();
  EXPECT_TRUE(clients.heartbeats.empty());
}

TEST_F(HostServicesTest, RefusesWhatNoClientMayBeSent) {
  const auto* const control = extension<bc_ext_clients>(BC_EXT_CLIENTS);
  EXPECT_EQ(control->send_all(host, lend("")), BC_E_INVALID);
  EXPECT_EQ(control->send_all(host, lend("\xff")), BC_E_INVALID);
  EXPECT_EQ(control->close_idle(host, -1, 4408, lend("")), BC_E_INVALID);
  EXPECT_EQ(control->send_all(host, lend(R"({"type":"x","a":})")), BC_E_INVALID);
  EXPECT_EQ(control->send_all(host, lend(R"({"type":"x","\u0073eq":1})")), BC_E_INVALID);
  const auto text_of_bytes = [](std::size_t bytes) {
    return '"' + std::string(bytes - 2, 'x') + '"';
  };
  EXPECT_EQ(control->send_all(host, lend(text_of_bytes(kMaxSendAllBytes + 1))), BC_E_INVALID);
  EXPECT_EQ(control->send_all(host, lend(text_of_bytes(kMaxSendAllBytes))), BC_OK);
  for (const std::uint16_t code :
       std::initializer_list<std::uint16_t>{0, 999, 1002, 1005, 1006, 1012, 2999, 5000}) {
    EXPECT_EQ(control->close_idle(host, 0, code, lend("")), BC_E_INVALID) << code;
  }
  for (const std::uint16_t code :
       std::initializer_list<std::uint16_t>{1000, 1001, 1008, 1011, 3000, 4999}) {
    EXPECT_EQ(control->close_idle(host, 0, code, lend("")), BC_OK) << code;
  }
  EXPECT_EQ(control->close_idle(host, 0, 4408, lend(std::string(124, 'x'))), BC_E_INVALID);
  services->revoke();
  EXPECT_EQ(control->count(host), 0);
  EXPECT_EQ(control->send_all(host, lend("{}")), BC_E_REVOKED);
}

TEST_F(HostServicesTest, TheLogSaysWhyAMessageIsRefusedOnceAMinute) {
  const test::CapturedLog log;
  services->open();
  EXPECT_EQ(publish("price:1", R"({"type":"x","a":})"), BC_E_INVALID);
  EXPECT_EQ(publish("price:1", R"({"type":"x","seq":1})"), BC_E_INVALID);
  EXPECT_EQ(log.count_of("warning price: publish on price:1 refused: it is not JSON, line 1, "
                         "column 17, near {\"type\":\"x\",\"a\":}\n"),
            1);
  EXPECT_EQ(log.count_of("refused"), 1);
  EXPECT_EQ(counters.get(Counter::kPublishInvalid), 2U);
}

TEST_F(HostServicesTest, KeepsAStateFromStartUntilItIsSuspendedOrRevoked) {
  const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
  const auto kept = [&] {
    const PluginState bytes = listening.states().get("price");
    return bytes == nullptr ? "" : *bytes;
  };
  EXPECT_EQ(state->set(host, lend("early")), BC_E_INVALID) << "before START";
  EXPECT_EQ(state->get(host, nullptr, 0), BC_E_INVALID);
  services->open();
  services->started();
  EXPECT_EQ(state->get(host, nullptr, 0), 0);
  EXPECT_EQ(state->set(host, {nullptr, 3}), BC_E_INVALID);
  EXPECT_EQ(state->set(host, lend("one")), BC_OK);
  bc_status elsewhere = BC_E_INVALID;
  std::thread([&] { elsewhere = state->set(host, lend(std::string_view("t\0wo", 4))); }).join();
  EXPECT_EQ(elsewhere, BC_OK);
  std::string bytes(3, '.');
  EXPECT_EQ(state->get(host, bytes.data(), bytes.size()), 4) << "nothing is copied in part";
  EXPECT_EQ(bytes, "...");
  bytes.resize(8, '.');
  EXPECT_EQ(state->get(host, bytes.data(), bytes.size()), 4);
  EXPECT_EQ(bytes, std::string("t\0wo.", 5).substr(0, 4) + "....");
  services->suspend();
  EXPECT_EQ(state->set(host, lend("late")), BC_E_REVOKED);
  EXPECT_EQ(state->get(host, bytes.data(), bytes.size()), BC_E_REVOKED);
  services->resume();
  EXPECT_EQ(state->set(host, lend("again")), BC_OK);
  services->revoke();
  EXPECT_EQ(state->set(host, lend("late")), BC_E_REVOKED);
  EXPECT_EQ(kept(), "again");
  serve(listening.hub());
  services->open();
  services->started();
  EXPECT_EQ(extension<bc_ext_state>(BC_EXT_STATE)->set(host, {nullptr, 0}), BC_OK);
  EXPECT_EQ(listening.states().get("price"), nullptr) << "forgotten";
}

TEST_F(HostServicesTest, AStateThatIsSetInStartCountsOnceThatHasReturned) {
  listening.states().set("price", std::make_shared<const std::string>("before"));
  for (const bool has_failed : {true, false}) {
    serve(listening.hub());
    const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
    services->open();
    EXPECT_EQ(state->set(host, lend("new")), BC_OK);
    std::string bytes(3, '.');
    EXPECT_EQ(state->get(host, bytes.data(), bytes.size()), 3);
    EXPECT_EQ(bytes, "new") << "it reads its own";
    EXPECT_EQ(*listening.states().get("price"), "before");
    has_failed ? services->revoke() : static_cast<void>(services->started());
  }
  EXPECT_EQ(*listening.states().get("price"), "new");
}

TEST_F(HostServicesTest, NoThreadSetsAStateOnceItIsSuspended) {
  const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
  services->open();
  services->started();
  std::vector<std::jthread> threads;
  for (const char fill : {'a', 'b', 'c'}) {
    threads.emplace_back([this, state, fill](const std::stop_token& end) {
      const std::string bytes(100, fill);
      while (!end.stop_requested()) static_cast<void>(state->set(host, lend(bytes)));
    });
  }
  for (int i = 0; i < 200; ++i) {
    services->suspend();
    const PluginState last = listening.states().get("price");
    for (int turn = 0; turn < 20; ++turn) std::this_thread::yield();
    EXPECT_EQ(listening.states().get("price"), last);
    services->resume();
    std::this_thread::yield();
  }
}

TEST_F(HostServicesTest, RefusesAStateThatIsTooLargeCountsItAndSaysSoOnceAMinute) {
  const test::CapturedLog log;
  const auto* state = extension<bc_ext_state>(BC_EXT_STATE);
  services->open();
  services->started();
  const std::string largest(BC_STATE_BYTES, 'x');
  EXPECT_EQ(state->set(host, lend(largest)), BC_OK);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(state->set(host, lend(largest + "x")), BC_E_INVALID);
  EXPECT_EQ(*listening.states().get("price"), largest);
  EXPECT_EQ(counters.get(Counter::kStateRefused), 2U);
  EXPECT_EQ(log.count_of("warning price: a state of 1048577 bytes is refused: at most 1048576 "
                         "are kept; its previous state stays\n"),
            1);
  EXPECT_EQ(log.count_of("refused"), 1);
}

TEST_F(HostServicesTest, LogsInOneLineUnderItsName) {
  const test::CapturedLog log;
  host->log(host, 99, lend("too loud\nby far"));
  host->log(host, BC_LOG_INFO, {nullptr, 9});
  host->log(host, BC_LOG_WARN, {nullptr, 0});
  EXPECT_EQ(log.text(), "error price: too loud by far\nwarning price: \n");
}

/// `text` at the end of what may be read.
class GuardedText {
 public:
  explicit GuardedText(std::string_view text) {
    const auto page = static_cast<std::size_t>(::getpagesize());
    pages_ = static_cast<char*>(
        ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(pages_ + page, page, PROT_NONE);
    begin_ = pages_ + page - text.size();
    std::ranges::copy(text, begin_);
  }
  ~GuardedText() { ::munmap(pages_, 2 * static_cast<std::size_t>(::getpagesize())); }
  GuardedText(const GuardedText&) = delete;
  GuardedText& operator=(const GuardedText&) = delete;
  [[nodiscard]] bc_str with_length(std::size_t length) const { return {begin_, length}; }

 private:
  char* pages_ = nullptr;
  char* begin_ = nullptr;
};

TEST_F(HostServicesTest, LengthsAreComparedBeforeWhatTheyClaimIsRead) {
  services->open();
  const GuardedText payload(R"({"type":"x"})");
  const GuardedText topic("price:1");
  for (const std::size_t length : {std::size_t{300} * 1024, std::size_t{1} << 40, SIZE_MAX}) {
    bc_publish bad = message("price:1", "");
    bad.payload = payload.with_length(length);
    EXPECT_EQ(host->publish(host, &bad), BC_E_INVALID);
    bad = message("", R"({"type":"x"})");
    bad.topic = topic.with_length(length);
    EXPECT_NE(host->publish(host, &bad), BC_OK);
    EXPECT_EQ(extension<bc_ext_demand>(BC_EXT_DEMAND)->subscribers(host, bad.topic), 0);
  }
  host->log(host, BC_LOG_ERROR, payload.with_length(SIZE_MAX));
  host->fail(host, payload.with_length(SIZE_MAX));
  EXPECT_EQ(extension<bc_ext_status>(BC_EXT_STATUS)->report(host, 0, payload.with_length(SIZE_MAX)),
            BC_E_INVALID);
  EXPECT_EQ(publish(), BC_OK);
}

TEST_F(HostServicesTest, EveryPublishThatIsRefusedIsCounted) {
  EXPECT_EQ(publish(), BC_E_INVALID);  // before START
  services->open();
  bc_publish flagged = message("price:1", "{}");
  flagged.flags = 1;
  EXPECT_EQ(host->publish(host, &flagged), BC_E_UNSUPPORTED);
  EXPECT_EQ(host->publish(host, nullptr), BC_E_INVALID);
  EXPECT_EQ(counters.get(Counter::kPublishInvalid), 3U);
}

}  // namespace
}  // namespace broadcast

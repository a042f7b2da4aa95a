#include "admin_server_fixture.hpp"
#include "host/admin/admin_server.hpp"

namespace broadcast {
namespace {

TEST_F(AdminServerTest, ARequestThatBreaksOffIsForgotten) {
  Producer broken = connect();
  broken.send_bytes(
      "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[");
  broken.hang_up();
  accept_everything();
  EXPECT_EQ(ask(post_to(kVcp)).result_int(), 202U);
  EXPECT_TRUE(topics.owner.has_none());
}

TEST_F(AdminServerTest, AConnectionThatSaysNothingIsEnded) {
  options.idle = std::chrono::milliseconds(1);
  EXPECT_TRUE(connect().is_cut_off());
}

// More connections than there may be.

TEST_F(AdminServerTest, WhoWaitedLongestForItsNextRequestMakesRoom) {
  options.connections = 2;
  Producer first = connect();
  EXPECT_EQ(first.ask(get("/livez")).result_int(), 200U);
  Producer second = connect();
  EXPECT_EQ(second.ask(get("/livez")).result_int(), 200U);
  EXPECT_EQ(first.ask(get("/livez")).result_int(), 200U);
  EXPECT_EQ(ask(get("/livez")).result_int(), 200U);
  EXPECT_TRUE(second.is_cut_off());
  EXPECT_EQ(count(Counter::kLimitAdminConnections), 1U);
  EXPECT_EQ(count(Counter::kAdminFull), 0U);
}

TEST_F(AdminServerTest, WhoHasSaidNothingOrHalfAHeadMakesRoom) {
  options.connections = 2;
  Producer silent = connect();
  Producer half = connect();
  half.send_bytes("GET /livez HTTP/1.1\r\nHost:");
  Producer third = connect();
  Producer fourth = connect();
  EXPECT_TRUE(silent.is_cut_off());
  EXPECT_TRUE(half.is_cut_off());
  EXPECT_EQ(third.ask(get("/livez")).result_int(), 200U);
  EXPECT_EQ(fourth.ask(get("/livez")).result_int(), 200U);
}

TEST_F(AdminServerTest, WhoIsRefusedAndGoesOnSendingMakesRoom) {
  options.connections = 1;
  options.tokens = {{"secret", {"publish"}}};
  Producer stranger = connect();
  stranger.send_bytes(
      "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[");
  EXPECT_EQ(stranger.receive().result_int(), 401U);
  EXPECT_EQ(ask(get("/livez")).result_int(), 200U);
  EXPECT_TRUE(stranger.is_cut_off());
}

TEST_F(AdminServerTest, WhoAsksForAPageAndOwesItsBodyMakesRoom) {
  options.connections = 16;
  options.tokens = {{"secret", {"publish"}}};
  std::vector<std::unique_ptr<Producer>> scanners;
  for (int i = 0; i < 16; ++i) {
    scanners.push_back(std::unique_ptr<Producer>(new Producer(connect())));
    scanners.back()->send_bytes(
        i % 2 == 0 ? "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"
                   : "HEAD /readyz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                     "Content-Length: 1\r\n\r\n");
  }
  // Whose turn it was to read: all heads before are read.
  for (int i = 1; i < 16; i += 2) {
    EXPECT_EQ(scanners[static_cast<std::size_t>(i)]->receive_headers(),
              "HTTP/1.1 100 Continue\r\n\r\n");
  }
  for (int i = 0; i < 16; ++i) EXPECT_EQ(ask(get("/livez")).result_int(), 200U) << i;
  EXPECT_EQ(count(Counter::kAdminFull), 0U);
}

TEST_F(AdminServerTest, WhereAllAreBusyTheNextIsToldSo) {
  const test::CapturedLog log;
  options.connections = 1;
  Producer busy = connect();
  busy.send(post_to(kVcp));
  FakeOwner::Waiting waiting = topics.owner.next();
  for (int i = 0; i < 3; ++i) {
    Producer late = connect();
    const Response response = late.ask(post_to(kVcp));
    EXPECT_EQ(response.result_int(), 503U);
    EXPECT_EQ(response[http::field::retry_after], "1");
    EXPECT_EQ(code_of(response), "busy");
    EXPECT_THAT(response.body(), HasSubstr("admin.connections"));
    EXPECT_TRUE(late.is_cut_off());
  }
  waiting.done(accepted(0));
  EXPECT_EQ(busy.receive().result_int(), 202U);
  EXPECT_EQ(count(Counter::kLimitAdminConnections), 3U);
  EXPECT_EQ(count(Counter::kAdminFull), 3U);
  end();
  EXPECT_EQ(log.count_of("warning admin: refused (full): 127.0.0.1:"), 1) << log.text();
  EXPECT_EQ(log.count_of("warning admin: refused (full): 2 more since the last line\n"), 1);
}

TEST_F(AdminServerTest, WhereAllAreBusyProbesAreAnsweredAllTheSame) {
  options.connections = 1;
  Producer busy = connect();
  busy.send(post_to(kVcp));
  FakeOwner::Waiting waiting = topics.owner.next();
  std::vector<std::unique_ptr<Producer>> silent;
  for (std::size_t i = 0; i < 2 * AdminServer::kProbes; ++i) {
    silent.push_back(std::unique_ptr<Producer>(new Producer(connect())));
    for (const char* target : {"/livez", "/readyz"}) {
      Producer probe = connect();
      EXPECT_EQ(probe.ask(get(target)).result_int(), 200U) << target;
      EXPECT_TRUE(probe.is_cut_off()) << "its place is for the next one";
    }
  }
  EXPECT_TRUE(silent.front()->is_cut_off()) << "the newest takes the place of the oldest";
  EXPECT_EQ(silent.back()->ask(get("/livez")).result_int(), 200U);
  EXPECT_EQ(silent[silent.size() - 2]->ask(get("/metrics")).result_int(), 503U);
  waiting.done(accepted(0));
  EXPECT_EQ(busy.receive().result_int(), 202U);
}

TEST_F(AdminServerTest, WhoAsksForOpenPagesAndReadsNoAnswerMakesRoom) {
  options.connections = 1;
  options.tokens = {{"secret", {"read"}}};
  host.add("price", BroadcasterState::kDegraded, std::string(100'000, 'x'));
  Producer deaf = connect();
  std::string many;
  for (int i = 0; i < 500; ++i) many += "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  deaf.send_bytes(many);  // more answers than its kernel and ours keep
  Request request = get("/ws/stats");
  request.set(http::field::authorization, "Bearer secret");
  EXPECT_EQ(ask(request).result_int(), 200U);
  EXPECT_EQ(count(Counter::kAdminFull), 0U);
}

TEST_F(AdminServerTest, AnUploadThatIsWantedIsBusy) {
  options.connections = 1;
  accept_everything();
  Producer upload = connect();
  upload.send_bytes(
      "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nExpect: "
      "100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(upload.receive_headers(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(ask(get("/ws/stats")).result_int(), 503U);
  EXPECT_EQ(upload.ask_bytes("[]").result_int(), 202U);
}

// Expectations, and HTTP/1.0.

TEST_F(AdminServerTest, ABodyThatWaitsToBeWantedIsAskedFor) {
  Producer producer = connect();
  for (int i = 0; i < 2; ++i) {
    producer.send_bytes(
        "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nExpect: "
        "100-Continue\r\nContent-Length: "
        "2\r\n\r\n");
    EXPECT_EQ(producer.receive_headers(), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_TRUE(topics.owner.has_none());
    producer.send_bytes("[]");
    FakeOwner::Waiting waiting = topics.owner.next();
    EXPECT_EQ(waiting.message.payload, "[]");
    waiting.done(accepted(0));
    EXPECT_EQ(producer.receive().result_int(), 202U);
  }
}

TEST_F(AdminServerTest, ABodyThatIsThereIsNotAskedFor) {
  accept_everything();
  EXPECT_EQ(
      connect()
          .ask_bytes(
              "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
              "Content-Length: 0\r\n\r\n")
          .result_int(),
      400U);
  EXPECT_EQ(connect()
                .ask_bytes("POST /v1/publish/signal:vcp HTTP/1.0\r\nExpect: 100-continue\r\n"
                           "Content-Length: 2\r\n\r\n[]")
                .result_int(),
            202U)
      << "HTTP/1.0 knows no 100";
}

TEST_F(AdminServerTest, WhoIsRefusedIsToldBeforeTheBody) {
  options.tokens = {{"secret", {"publish:price:*", "publish:news:x"}}};
  options.body_bytes = 1000;
  const struct {
    const char* head;
    unsigned status;
  } rows[] = {
      {"POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n", 401},
      {"POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
       "Authorization: Bearer secret\r\n",
       403},
      {"POST /v1/publish/news:x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
       "Authorization: Bearer secret\r\n",
       404},
      {"POST /v1/publish/price:1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n"
       "Authorization: Bearer secret\r\n",
       413},
      {"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nAuthorization: Bearer "
       "secret\r\n",
       403},
      {"POST /elsewhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n", 404},
      {"PUT /v1/publish/price:1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n",
       405},
  };
  for (const auto& row : rows) {
    Producer producer = connect();
    const Response response =
        producer.ask_bytes(std::string(row.head) + "Expect: 100-continue\r\n\r\n");
    EXPECT_EQ(response.result_int(), row.status) << row.head;
    EXPECT_FALSE(response.keep_alive()) << row.head;
    EXPECT_TRUE(producer.is_cut_off()) << row.head;
  }
}

TEST_F(AdminServerTest, OtherExpectationsAre417) {
  Producer producer = connect();
  EXPECT_EQ(producer.ask_bytes("GET /livez HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n")
                .result_int(),
            417U);
  EXPECT_EQ(producer.ask(get("/livez")).result_int(), 200U);
  EXPECT_EQ(
      producer
          .ask_bytes("POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n"
                     "Content-Length: 2\r\n\r\n")
          .result_int(),
      417U);
  EXPECT_TRUE(producer.is_cut_off());
}

TEST_F(AdminServerTest, AnOlderClientIsToldThatItsConnectionIsKept) {
  Producer producer = connect();
  for (int i = 0; i < 2; ++i) {
    producer.send_bytes("HEAD /livez HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    EXPECT_THAT(producer.receive_headers(), HasSubstr("\r\nConnection: keep-alive\r\n"));
  }
  producer.send_bytes("HEAD /livez HTTP/1.0\r\n\r\n");
  EXPECT_THAT(producer.receive_headers(), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(producer.is_cut_off());
}

}  // namespace
}  // namespace broadcast

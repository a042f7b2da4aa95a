#include "host/admin/admin_server.hpp"

#include "admin_server_fixture.hpp"

namespace broadcast {
namespace {

// The plain road.

TEST_F(AdminServerTest, AProducerIsAnsweredWithTheOwnersVerdict) {
  Producer producer = connect();
  producer.send(post_to(kVcp, R"([{"ticker":"005930"}])"));
  FakeOwner::Waiting waiting = topics.owner.next();
  EXPECT_EQ(waiting.message.payload, R"([{"ticker":"005930"}])");
  waiting.done(accepted(1, "signal:vcp", {.seq = 31, .subscribers = 7}));
  const Response response = producer.receive();
  EXPECT_EQ(response.result_int(), 200U);
  EXPECT_EQ(response[http::field::content_type], "application/json");
  EXPECT_EQ(Json::parse(response.body()).at("seq"), 31);
}

TEST_F(AdminServerTest, AConnectionIsKeptForTheNextRequest) {
  accept_everything();
  Producer producer = connect();
  for (int i = 0; i < 3; ++i) {
    const Response response = producer.ask(post_to(kVcp));
    EXPECT_EQ(response.result_int(), 202U);
    EXPECT_TRUE(response.keep_alive());
  }
  EXPECT_EQ(producer.ask(get("/elsewhere")).result_int(), 404U);
  EXPECT_EQ(producer.ask(post_to(kVcp)).result_int(), 202U) << "an error does not end it";
}

TEST_F(AdminServerTest, AConnectionEndsWhenTheClientWantsItTo) {
  accept_everything();
  Producer producer = connect();
  Request request = post_to(kVcp);
  request.keep_alive(false);
  EXPECT_FALSE(producer.ask(request).keep_alive());
  EXPECT_TRUE(producer.is_cut_off());
}

TEST_F(AdminServerTest, RequestsSentInARowAreAnsweredInOrder) {
  Producer producer = connect();
  producer.send(post_to(kVcp, "1"));
  producer.send(post_to("/v1/publish/price:x", "2"));
  for (const char* payload : {"1", "2"}) {
    FakeOwner::Waiting waiting = topics.owner.next();
    EXPECT_EQ(waiting.message.payload, payload);
    waiting.done(accepted(1, waiting.message.topic, {.seq = 1}));
    EXPECT_EQ(Json::parse(producer.receive().body()).at("topic"), waiting.message.topic);
  }
}

TEST_F(AdminServerTest, ATopicMayBePercentEncoded) {
  Producer producer = connect();
  producer.send(post_to("/v1/publish/signal%3Avcp?x=1"));
  EXPECT_EQ(topics.owner.next().message.topic, "signal:vcp");
}

TEST_F(AdminServerTest, UnavailableComesWithRetryAfter) {
  topics.owner.answer_at_once({.outcome = Verdict::Outcome::kUnavailable, .text = "stopped"});
  const Response response = ask(post_to(kVcp));
  EXPECT_EQ(response.result_int(), 503U);
  EXPECT_EQ(response[http::field::retry_after], "1");
}

// Who may.

TEST_F(AdminServerTest, AMissingTokenIsAskedFor) {
  options.tokens = {{"secret", {"publish"}}};
  accept_everything();
  const Response response = ask(post_to(kVcp));
  EXPECT_EQ(response.result_int(), 401U);
  EXPECT_EQ(response[http::field::www_authenticate], "Bearer");
  Request request = post_to(kVcp);
  request.set(http::field::authorization, "Bearer secret");
  EXPECT_EQ(ask(request).result_int(), 202U);
}

TEST_F(AdminServerTest, ABodyIsOnlyReadOnceItsTokenIsGood) {
  options.tokens = {{"secret", {"publish"}}};
  for (const char* target : {kVcp, "/v1/reload", "/elsewhere", "/livez"}) {
    Producer producer = connect();
    const Response response =
        producer.ask_bytes("POST " + std::string(target) +
                           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[");
    EXPECT_GE(response.result_int(), 401U) << target;
    EXPECT_FALSE(response.keep_alive()) << target;
    EXPECT_TRUE(producer.is_cut_off()) << target;
  }
}

TEST_F(AdminServerTest, AWrongTokenWaitsForItsAnswerAndNobodyForIt) {
  const test::CapturedLog log;
  options.connections = 1;
  options.tokens = {{"secret", {"read"}}};
  options.after_a_guess = std::chrono::milliseconds(200);
  Request request = get("/ws/stats");
  request.set(http::field::authorization, "Bearer guessed");
  const MonoTime begun = mono_now();
  EXPECT_EQ(ask(request).result_int(), 401U);
  EXPECT_GE(mono_now() - begun, options.after_a_guess);
  Producer guesses = connect();
  guesses.send(request);
  request.set(http::field::authorization, "Bearer secret");
  EXPECT_EQ(ask(request).result_int(), 200U) << "and its place is free for who knows better";
  EXPECT_TRUE(guesses.is_cut_off());
  end();
  EXPECT_GE(count(Counter::kAdminUnauthorized), 1U);
  EXPECT_EQ(log.count_of("warning admin: refused (unauthorized): 127.0.0.1:"), 1) << log.text();
}

TEST_F(AdminServerTest, WithoutTokensAWebPageIsRefused) {
  accept_everything();
  Request request = post_to(kVcp);
  request.set(http::field::origin, "https://evil.example");
  const Response response = ask(request);
  EXPECT_EQ(response.result_int(), 403U);
  EXPECT_EQ(code_of(response), "forbidden");
}

TEST_F(AdminServerTest, WithATokenAWebPageMayPublish) {
  options.tokens = {{"secret", {"publish"}}};
  accept_everything();
  Request request = post_to(kVcp);
  request.set(http::field::origin, "https://tools.example");
  request.set(http::field::authorization, "Bearer secret");
  EXPECT_EQ(ask(request).result_int(), 202U);
}

// What it does not do.

TEST_F(AdminServerTest, OtherPathsDoNotExist) {
  for (const char* target : {"/", "/v1/publish", "/v1/publish/", "/v2/publish/signal:vcp", "*",
                             "/v1/publish/signal:foo", "/v1/publish/%00", "/v1/publish/%ff"}) {
    EXPECT_EQ(ask(post_to(target)).result_int(), 404U) << target;
  }
}

TEST_F(AdminServerTest, OtherMethodsAreNotAllowed) {
  for (const http::verb method : {http::verb::get, http::verb::put, http::verb::delete_}) {
    Request request = post_to(kVcp);
    request.method(method);
    const Response response = ask(request);
    EXPECT_EQ(response.result_int(), 405U);
    EXPECT_EQ(response[http::field::allow], "POST");
  }
}

// What operators read.

TEST_F(AdminServerTest, EveryPageCanBeRead) {
  for (const char* target :
       {"/livez", "/readyz", "/v1/topics?limit=1", "/v1/broadcasters", "/ws/stats"}) {
    const Response response = ask(get(target));
    EXPECT_EQ(response.result_int(), 200U) << target;
    EXPECT_EQ(response[http::field::content_type], "application/json") << target;
    EXPECT_EQ(response[http::field::cache_control], "no-store") << target;
    EXPECT_TRUE(Json::accept(response.body())) << target;
  }
  const Response metrics = ask(get("/metrics"));
  EXPECT_EQ(metrics[http::field::content_type], "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(metrics.body(), HasSubstr("broadcast_connections 3\n"));
}

TEST_F(AdminServerTest, APageIsOnlyRead) {
  const Response response = ask(post_to("/metrics"));
  EXPECT_EQ(response.result_int(), 405U);
  EXPECT_EQ(response[http::field::allow], "GET, HEAD");
}

TEST_F(AdminServerTest, AHeadIsAnsweredWithoutTheBodyAndTheConnectionGoesOn) {
  Producer producer = connect();
  producer.send_bytes("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string headers = producer.receive_headers();
  EXPECT_THAT(headers, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(headers, HasSubstr("Content-Length: 18"));
  EXPECT_EQ(producer.ask(get("/livez")).body(), R"({"status":"alive"})");
}

TEST_F(AdminServerTest, WithTokensReadingNeedsAScopeAndProbesNeedNone) {
  options.tokens = {{"scanner", {"publish"}}, {"prometheus", {"read"}}, {"boss", {"admin"}}};
  const auto status = [&](const char* target, const std::string& token) {
    Request request = get(target);
    if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
    return ask(request).result_int();
  };
  for (const char* target : {"/metrics", "/v1/topics", "/v1/broadcasters", "/ws/stats"}) {
    EXPECT_EQ(status(target, ""), 401U) << target;
    EXPECT_EQ(status(target, "nobody"), 401U) << target;
    EXPECT_EQ(status(target, "scanner"), 403U) << target;
    EXPECT_EQ(status(target, "prometheus"), 200U) << target;
    EXPECT_EQ(status(target, "boss"), 200U) << target;
  }
  EXPECT_EQ(status("/livez", ""), 200U);
  EXPECT_EQ(status("/readyz", ""), 200U);
}

TEST_F(AdminServerTest, WithoutTokensWebPagesReadNothing) {
  Request request = get("/ws/stats");
  request.set(http::field::origin, "http://evil.example");
  EXPECT_EQ(ask(request).result_int(), 403U);
}

TEST_F(AdminServerTest, WithoutTokensItIsAskedByTheNameOfThisMachine) {
  for (const char* name :
       {"localhost", "LocalHost:5112", "127.0.0.1:5112", "127.8.0.1", "[::1]:5112", "[::1]", ""}) {
    Request request = get("/livez");
    request.set(http::field::host, name);
    EXPECT_EQ(ask(request).result_int(), 200U) << name;
  }
  for (const char* name : {"evil.example", "evil.example:5112", "localhost.evil.example",
                           "127.0.0.1.evil.example", "10.0.0.7", "[::2]", "\xff"}) {
    Request request = get("/ws/stats");
    request.set(http::field::host, name);
    EXPECT_EQ(ask(request).result_int(), 403U) << name;
  }
}

TEST_F(AdminServerTest, WithATokenItsNameDoesNotMatter) {
  options.tokens = {{"secret", {"read"}}};
  Request request = get("/ws/stats");
  request.set(http::field::host, "hosts.example");
  request.set(http::field::authorization, "Bearer secret");
  EXPECT_EQ(ask(request).result_int(), 200U);
}

// Too much, or not HTTP.

TEST_F(AdminServerTest, TheLargestBodyFitsAndOneByteMoreDoesNot) {
  accept_everything();
  options.body_bytes = 1000;
  Producer producer = connect();
  EXPECT_EQ(producer.ask(post_to(kVcp, "[" + std::string(998, ' ') + "]")).result_int(), 202U);
  const Response response = producer.ask(post_to(kVcp, "[" + std::string(999, ' ') + "]"));
  EXPECT_EQ(response.result_int(), 413U);
  EXPECT_THAT(response.body(), HasSubstr("1000 bytes (limits.publish)"));
  EXPECT_TRUE(producer.is_cut_off());
}

TEST_F(AdminServerTest, TheAnswerToAHugeBodyArrivesThoughItWasNotRead) {
  options.body_bytes = 1000;
  EXPECT_EQ(ask(post_to(kVcp, std::string(16 * 1024 * 1024, ' '))).result_int(), 413U);
}

TEST_F(AdminServerTest, ABodyWithoutALengthHasTheSameLimit) {
  options.body_bytes = 1000;
  std::string bytes =
      "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n";
  for (int i = 0; i < 5; ++i) bytes += "100\r\n" + std::string(256, ' ') + "\r\n";
  EXPECT_EQ(connect().ask_bytes(bytes).result_int(), 413U);
}

TEST_F(AdminServerTest, TooManyHeadersAre431) {
  Request request = post_to(kVcp);
  request.set("X-Long", std::string(9000, 'x'));
  Producer producer = connect();
  const Response response = producer.ask(request);
  EXPECT_EQ(response.result_int(), 431U);
  EXPECT_TRUE(producer.is_cut_off());
  EXPECT_EQ(connect().ask_bytes(std::string(9000, 'x')).result_int(), 431U) << "a line without end";
}

TEST_F(AdminServerTest, WhatIsNotHttpIs400) {
  for (const char* bytes :
       {"\x16\x03\x01\x02\xff\r\n\r\n", "hello\r\n\r\n", "POST / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nno colon\r\n\r\n"}) {
    Producer producer = connect();
    const Response response = producer.ask_bytes(bytes);
    EXPECT_EQ(response.result_int(), 400U) << bytes;
    EXPECT_EQ(code_of(response), "bad_request") << bytes;
    EXPECT_TRUE(producer.is_cut_off()) << bytes;
  }
}

TEST_F(AdminServerTest, WhatMayBeABodyOrTheNextRequestIsNeitherAndEndsTheConnection) {
  const struct {
    const char* headers;
    unsigned status;
  } rows[] = {
      {"Host: localhost\r\nTransfer-Encoding: xchunked\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: gzip\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: identity\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: chunked, identity\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding:\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n", 501},
      {"Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n", 400},
      {"Host: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n", 400},
      {"Host: localhost\r\nTransfer-Encoding : chunked\r\n", 400},
      {"Content-Length: 0\r\n", 400},
      {"Host: localhost\r\nHost: localhost\r\nContent-Length: 0\r\n", 400},
  };
  for (const auto& row : rows) {
    Producer producer = connect();
    const Response response = producer.ask_bytes(
        "POST /v1/publish/signal:vcp HTTP/1.1\r\n" + std::string(row.headers) + "\r\n" +
        "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(response.result_int(), row.status) << row.headers << response.body();
    EXPECT_FALSE(response.keep_alive()) << row.headers;
    EXPECT_TRUE(producer.is_cut_off()) << row.headers;
  }
  EXPECT_TRUE(topics.owner.has_none());
  EXPECT_THAT(host.asked, testing::IsEmpty());
  EXPECT_EQ(count(Counter::kAdminBadRequest), std::size(rows));
}

TEST_F(AdminServerTest, AChunkThatIsNoneEndsTheConnection) {
  Producer producer = connect();
  const Response response = producer.ask_bytes(
      "POST /v1/publish/signal:vcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
      "\r\n\r\nzz\r\nPOST /v1/reload HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(response.result_int(), 400U);
  EXPECT_TRUE(producer.is_cut_off());
  EXPECT_THAT(host.asked, testing::IsEmpty());
}

TEST_F(AdminServerTest, AnOlderClientNeedsNoHost) {
  EXPECT_EQ(connect().ask_bytes("GET /livez HTTP/1.0\r\n\r\n").result_int(), 200U);
  EXPECT_EQ(connect()
                .ask_bytes("POST /v1/publish/signal:vcp HTTP/1.0\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                .result_int(),
            400U)
      << "nor does it know chunks";
}

// What is refused leaves a trace.

TEST_F(AdminServerTest, RefusalsAreCountedByReason) {
  options.tokens = {{"secret", {"publish"}}};
  options.body_bytes = 10;
  topics.owner.answer_at_once({.outcome = Verdict::Outcome::kRefused, .text = "no ticker"});
  static_cast<void>(ask(get("/metrics")));
  static_cast<void>(ask(get("/elsewhere")));
  static_cast<void>(ask(post_to("/metrics")));
  static_cast<void>(ask(post_to(kVcp, std::string(11, ' '))));
  static_cast<void>(connect().ask_bytes("hello\r\n\r\n"));
  static_cast<void>(
      connect().ask_bytes("GET /livez HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n"));
  Request request = post_to(kVcp);
  request.set(http::field::authorization, "Bearer secret");
  static_cast<void>(ask(request));
  request.target("/v1/reload");
  static_cast<void>(ask(request));
  for (const Counter counter :
       {Counter::kAdminUnauthorized, Counter::kAdminForbidden, Counter::kAdminNotFound,
        Counter::kAdminMethod, Counter::kAdminTooLarge, Counter::kAdminBadRequest,
        Counter::kAdminExpectation, Counter::kAdminContent}) {
    EXPECT_EQ(count(counter), 1U) << reason_word(counter);
  }
}

TEST_F(AdminServerTest, TheLogHasALineAMinuteOfEachReasonAndNoSecret) {
  const test::CapturedLog log;
  options.tokens = {{"secret", {"publish"}}};
  Request request = get("/v1/topics%0aerror%20forged?key=hidden");
  request.set(http::field::authorization, "Bearer guessed");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(request).result_int(), 404U);
  request.target("/metrics?key=hidden");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(request).result_int(), 401U);
  end();
  EXPECT_EQ(log.count_of("warning admin: refused (not_found): 127.0.0.1:"), 1) << log.text();
  EXPECT_EQ(log.count_of(": GET /v1/topics error forged: 404 "), 1) << log.text();
  EXPECT_EQ(log.count_of("warning admin: refused (not_found): 4 more since the last line\n"), 1);
  EXPECT_EQ(log.count_of("warning admin: refused (unauthorized): 127.0.0.1:"), 1);
  EXPECT_EQ(log.count_of("warning admin: refused (unauthorized): 2 more since the last line\n"), 1);
  EXPECT_EQ(log.count_of("\n"), 4) << log.text();
  for (const char* secret : {"hidden", "guessed", "secret"}) EXPECT_EQ(log.count_of(secret), 0);
}

TEST_F(AdminServerTest, WhatIsNotReadyIsNotRefused) {
  const test::CapturedLog log;
  host.add("price", BroadcasterState::kDown);
  EXPECT_EQ(ask(get("/readyz")).result_int(), 503U);
  end();
  EXPECT_EQ(log.text(), "");
}

// Owners that take their time.

TEST_F(AdminServerTest, AnOwnerThatDoesNotAnswerIs504AndItsLateVerdictIsForgotten) {
  options.answer_within = std::chrono::milliseconds(1);
  Producer producer = connect();
  const Response response = producer.ask(post_to(kVcp));
  EXPECT_EQ(response.result_int(), 504U);
  EXPECT_EQ(code_of(response), "timeout");
  EXPECT_TRUE(response.keep_alive());
  topics.owner.next().done(accepted(1, "late"));
  EXPECT_EQ(producer.ask(get("/elsewhere")).result_int(), 404U);
  EXPECT_EQ(producer.ask(post_to(kVcp)).result_int(), 504U);
}

TEST_F(AdminServerTest, AVerdictMayComeAfterAPauseOfTheHostThatWasLongerThanItsTime) {
  options.answer_within = std::chrono::seconds(1);
  Producer producer = connect();
  producer.send(post_to(kVcp));
  FakeOwner::Waiting waiting = topics.owner.next();
  asio::post(io, [until = mono_now() + options.answer_within + 2 * kSleptThrough] {
    while (mono_now() < until) {  // the thread does nothing else, as if it was stopped
    }
  });
  EXPECT_EQ(ask(post_to("/elsewhere")).result_int(), 404U);  // it goes on
  waiting.done(accepted(1, "signal:vcp"));
  EXPECT_EQ(producer.receive().result_int(), 200U);
}

TEST_F(AdminServerTest, ALateVerdictIsNotTakenForTheAnswerToTheNextRequest) {
  options.answer_within = std::chrono::milliseconds(100);
  Producer producer = connect();
  ASSERT_EQ(producer.ask(post_to(kVcp)).result_int(), 504U);
  producer.send(post_to(kVcp));
  FakeOwner::Waiting late = topics.owner.next();
  FakeOwner::Waiting own = topics.owner.next();
  late.done(accepted(1, "late"));
  own.done(accepted(1, "own"));
  EXPECT_THAT(producer.receive().body(), Not(HasSubstr("late")));
}

TEST_F(AdminServerTest, AVerdictThatComesAfterTheClientHasGoneHurtsNobody) {
  Producer producer = connect();
  producer.send(post_to(kVcp));
  FakeOwner::Waiting waiting = topics.owner.next();
  producer.hang_up();
  waiting.done(accepted(0));
  accept_everything();
  EXPECT_EQ(ask(post_to(kVcp)).result_int(), 202U);
}

TEST_F(AdminServerTest, StoppingEndsWhatWaitsForAVerdict) {
  Producer producer = connect();
  Producer idle = connect();
  producer.send(post_to(kVcp));
  FakeOwner::Waiting waiting = topics.owner.next();
  stop();
  EXPECT_TRUE(producer.is_cut_off());
  EXPECT_TRUE(idle.is_cut_off());
  waiting.done(accepted(0));
}

TEST_F(AdminServerTest, AVerdictMayComeWhenTheServerIsGone) {
  Producer producer = connect();
  producer.send(post_to(kVcp));
  FakeOwner::Waiting waiting = topics.owner.next();
  stop();
  work.reset();
  thread.join();
  server.reset();
  waiting.done(accepted(0));
  io.restart();
  io.run();
  EXPECT_TRUE(producer.is_cut_off());
}

TEST_F(AdminServerTest, AnAddressInUseIsNamedWithTheNextStep) {
  static_cast<void>(connect());
  AdminServer::Options same = options;
  same.listen = server->endpoint();
  try {
    const AdminServer second(io, host.view(), topics.gate, same, topics.counters);
    FAIL() << "bound twice";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("admin.listen: 127.0.0.1:" +
                                        std::to_string(same.listen.port()) + ": Address already"));
    EXPECT_THAT(error.what(), HasSubstr("choose another port"));
  }
}

}  // namespace
}  // namespace broadcast

#include "host/admin/publish_endpoint.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "admin_play.hpp"

namespace broadcast {
namespace {

using Json = nlohmann::json;
using Outcome = Verdict::Outcome;
using testing::HasSubstr;

class PublishEndpointTest : public testing::Test {
 protected:
  /// The answer to one request. REQUIRES: it is answered at once.
  AdminReply post(const std::string& topic, const std::string& body,
                  std::string_view authorization = "") {
    std::optional<AdminReply> reply;
    PublishEndpoint endpoint(topics.gate, tokens);
    endpoint.handle(topic, body, authorization, [&](AdminReply answer) {
      EXPECT_FALSE(reply) << "answered twice";
      reply = std::move(answer);
    });
    if (!reply) throw std::runtime_error("not answered");
    return *reply;
  }
  AdminReply judged(const Verdict& verdict) {
    topics.owner.answer_at_once(verdict);
    return post("signal:vcp", "[]");
  }
  [[nodiscard]] std::uint64_t counted(Counter counter) const {
    return topics.counters.get(counter);
  }

  OwnedTopics topics;
  std::vector<AdminToken> tokens;
};

// The owner's verdict.

TEST_F(PublishEndpointTest, TheOwnerGetsTopicSourceAndTextAsTheyCame) {
  PublishEndpoint endpoint(topics.gate, tokens);
  endpoint.handle("signal:vcp", R"( [{"ticker":"005930"}] )", "", [](const AdminReply&) {});
  const ProducerMessage message = topics.owner.next().message;
  EXPECT_EQ(message.topic, "signal:vcp");
  EXPECT_EQ(message.source, "http");
  EXPECT_EQ(message.payload, R"( [{"ticker":"005930"}] )");
}

TEST_F(PublishEndpointTest, AcceptedAndPublishedIs200WithTheLastMessagesNumbers) {
  const AdminReply reply = judged(
      accepted(2, "signal:vcp", {.status = PublishStatus::kOk, .seq = 31, .subscribers = 7}));
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(Json::parse(reply.body),
            Json::parse(R"({"topic":"signal:vcp","seq":31,"subscribers":7,"durable":false})"));
  EXPECT_EQ(counted(Counter::kProducerAccepted), 1U);
}

TEST_F(PublishEndpointTest, ADurableMessageSaysSo) {
  const AdminReply reply = judged(accepted(1, "signal:vcp", {.seq = 1, .durable = true}));
  EXPECT_EQ(Json::parse(reply.body).at("durable"), true);
}

TEST_F(PublishEndpointTest, AcceptedWithNothingPublishedIs202) {
  const AdminReply reply = judged(accepted(0));
  EXPECT_EQ(reply.status, 202U);
  EXPECT_EQ(reply.body, R"({"published":0})");
  EXPECT_EQ(counted(Counter::kProducerAccepted), 1U);
}

TEST_F(PublishEndpointTest, RefusedIs422WithTheOwnersWords) {
  const AdminReply reply =
      judged({.outcome = Outcome::kRefused, .text = "signals[2].ticker is missing"});
  EXPECT_EQ(reply.status, 422U);
  EXPECT_EQ(Json::parse(reply.body),
            Json::parse(R"({"error":"refused","message":"signals[2].ticker is missing"})"));
  EXPECT_FALSE(reply.retry_after);
  EXPECT_EQ(counted(Counter::kProducerRefused), 1U);
}

TEST_F(PublishEndpointTest, UnavailableIs503AndSaysWhenToTryAgain) {
  using std::chrono::milliseconds;
  for (const auto& [known, said] : {std::pair{milliseconds(0), std::chrono::seconds(1)},
                                    std::pair{milliseconds(7'200), std::chrono::seconds(8)}}) {
    const AdminReply reply =
        judged({.outcome = Outcome::kUnavailable, .text = "restarting", .retry_after = known});
    EXPECT_EQ(reply.status, 503U);
    EXPECT_EQ(Json::parse(reply.body).at("message"), "restarting");
    EXPECT_EQ(reply.retry_after, said);
  }
  EXPECT_EQ(counted(Counter::kProducerUnavailable), 2U);
}

TEST_F(PublishEndpointTest, WhatMayBePublishedAfterACrashIs504AndNoInvitationToSendItAgain) {
  const AdminReply reply =
      judged({.outcome = Outcome::kUnavailable, .text = "the disk failed", .is_in_doubt = true});
  EXPECT_EQ(reply.status, 504U);
  EXPECT_EQ(Json::parse(reply.body).at("error"), "in_doubt");
  EXPECT_EQ(reply.retry_after, std::nullopt);
}

TEST_F(PublishEndpointTest, TheOwnersWordsNeedNotBeUtf8) {
  const AdminReply reply = judged({.outcome = Outcome::kRefused, .text = "bad \xff \"byte\"\n"});
  EXPECT_EQ(Json::parse(reply.body).at("message"), "bad \uFFFD \"byte\"\n");
}

// What does not reach an owner.

TEST_F(PublishEndpointTest, ATopicNobodyServesIs404) {
  for (const std::string& topic :
       {std::string("signal:foo"), std::string("a b"), std::string("price:"), std::string("\xff"),
        std::string(5000, 'x')}) {
    const AdminReply reply = post(topic, "[]");
    EXPECT_EQ(reply.status, 404U);
    EXPECT_EQ(Json::parse(reply.body).at("error"), "unknown_topic");
    EXPECT_LT(reply.body.size(), 300U) << "what is quoted back is cut";
  }
  EXPECT_EQ(counted(Counter::kProducerRefused), 5U);
}

TEST_F(PublishEndpointTest, TheHostsOwnTopicsTakeNoMessages) {
  topics.hub.statuses().report("fake", BroadcasterState::kOk, "");
  EXPECT_EQ(post("status:fake", "{}").status, 404U);
}

TEST_F(PublishEndpointTest, WhatIsNotJsonIs400) {
  for (const char* body : {"", "{", "{}{}", "\"\xff\"", "NaN", "[1,]"}) {
    const AdminReply reply = post("signal:vcp", body);
    EXPECT_EQ(reply.status, 400U) << body;
    EXPECT_EQ(Json::parse(reply.body).at("error"), "bad_json") << body;
  }
  EXPECT_TRUE(topics.owner.has_none());
}

TEST_F(PublishEndpointTest, WhatIsNotJsonIsToldWhere) {
  EXPECT_EQ(Json::parse(post("signal:vcp", "\xEF\xBB\xBF[\n{\"a\":1,}]").body).at("message"),
            "The body is not valid JSON: line 2, column 8, near {\"a\":1,}]");
}

TEST_F(PublishEndpointTest, AByteOrderMarkInFrontIsNotHandedOn) {
  PublishEndpoint endpoint(topics.gate, tokens);
  endpoint.handle("signal:vcp", "\xEF\xBB\xBF[1]", "", [](const AdminReply&) {});
  EXPECT_EQ(topics.owner.next().message.payload, "[1]");
}

/// Brackets in texts do not count.
std::string nested(int depth) {
  std::string opened;
  std::string closed;
  for (int i = 1; i < depth; ++i) {
    opened += i % 2 == 0 ? R"({"a\"[":)" : "[";
    closed += i % 2 == 0 ? '}' : ']';
  }
  return opened + R"(["\\","[[\"[["])" + std::string(closed.rbegin(), closed.rend());
}

TEST_F(PublishEndpointTest, AnyJsonIsTheOwnersToJudge) {
  topics.owner.answer_at_once(accepted(0));
  for (const std::string& body :
       {std::string("[]"), std::string("{}"), std::string("7"), nested(64)}) {
    EXPECT_EQ(post("signal:vcp", body).status, 202U);
  }
}

TEST_F(PublishEndpointTest, WhatIsNestedDeepEnoughToEndAStackIs400) {
  for (const int depth : {65, 60'000}) {
    const AdminReply reply = post("signal:vcp", nested(depth));
    EXPECT_EQ(reply.status, 400U);
    EXPECT_THAT(reply.body, HasSubstr("64 deep"));
  }
  EXPECT_TRUE(topics.owner.has_none());
}

// Who may.

TEST_F(PublishEndpointTest, WithTokensARequestNeedsOneOfThem) {
  tokens = {{"right", {"publish"}}, {"other", {"publish"}}};
  topics.owner.answer_at_once(accepted(0));
  for (const char* header : {"", "right", "Basic right", "Bearer", "Bearer ", "Bearer wrong",
                             "Bearer righ", "Bearer right ", "Bearer rightt", "Bearerright"}) {
    const AdminReply reply = post("signal:vcp", "[]", header);
    EXPECT_EQ(reply.status, 401U) << header;
    EXPECT_EQ(Json::parse(reply.body).at("error"), "unauthorized");
  }
  for (const char* header : {"Bearer right", "bearer right", "BEARER other"}) {
    EXPECT_EQ(post("signal:vcp", "[]", header).status, 202U) << header;
  }
}

TEST_F(PublishEndpointTest, AStrangerLearnsNothingAboutTopics) {
  tokens = {{"right", {"publish"}}};
  EXPECT_EQ(post("signal:foo", "[]").status, 401U);
  EXPECT_EQ(post("signal:vcp", "not json").status, 401U);
}

TEST_F(PublishEndpointTest, AScopeSaysWhereATokenMayPublish) {
  topics.owner.answer_at_once(accepted(0));
  struct Case {
    std::vector<std::string> scopes;
    bool allowed;
  };
  const Case cases[] = {
      {{"admin"}, true},
      {{"publish"}, true},
      {{"publish:signal:vcp"}, true},
      {{"publish:signal:*"}, true},
      {{"publish:*"}, true},
      {{"read", "publish:signal:vcp"}, true},
      {{}, false},
      {{"read"}, false},
      {{"publish:"}, false},
      {{"publish:signal:vcp2"}, false},
      {{"publish:signal:vc"}, false},
      {{"publish:price:*"}, false},
      {{"publisher"}, false},
      {{"administrator"}, false},
      {{"signal:vcp"}, false},
  };
  for (const auto& [scopes, allowed] : cases) {
    tokens = {{"token", scopes}};
    EXPECT_EQ(post("signal:vcp", "[]", "Bearer token").status, allowed ? 202U : 403U)
        << testing::PrintToString(scopes);
  }
}

TEST_F(PublishEndpointTest, AForbiddenTopicIsNamedWithTheScopeItNeeds) {
  tokens = {{"token", {"publish:price:*"}}};
  const AdminReply reply = post("signal:vcp", "[]", "Bearer token");
  EXPECT_EQ(Json::parse(reply.body).at("error"), "forbidden");
  EXPECT_THAT(Json::parse(reply.body).at("message").get<std::string>(),
              HasSubstr("\"publish:signal:vcp\""));
  EXPECT_EQ(counted(Counter::kProducerRefused), 1U);
}

}  // namespace
}  // namespace broadcast

#include "host/admin/routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using boost::beast::http::verb;
using testing::HasSubstr;

constexpr const char* kPaths[] = {"/livez",     "/readyz",          "/metrics",
                                  "/v1/topics", "/v1/broadcasters", "/ws/stats"};

AdminReply refusal_of(verb method, std::string_view target) {
  const Route route = route_of(method, target);
  const auto* const refusal = std::get_if<AdminReply>(&route);
  return refusal == nullptr ? AdminReply{} : *refusal;
}

TEST(RoutesTest, EveryPageIsReadWithGetAndHeadAndNothingElse) {
  for (const char* path : kPaths) {
    for (const verb method : {verb::get, verb::head}) {
      const Route route = route_of(method, std::string(path) + "?x=1");
      ASSERT_TRUE(std::holds_alternative<const Page*>(route)) << path;
      EXPECT_EQ(std::get<const Page*>(route)->path, path);
    }
    for (const verb method : {verb::post, verb::put, verb::delete_, verb::options}) {
      const AdminReply reply = refusal_of(method, path);
      EXPECT_EQ(reply.status, 405U) << path;
      EXPECT_EQ(reply.allow, "GET, HEAD") << path;
    }
  }
}

TEST(RoutesTest, OnlyProbesAreOpen) {
  for (const char* path : kPaths) {
    const bool is_probe = std::string_view(path) == "/livez" || std::string_view(path) == "/readyz";
    EXPECT_EQ(std::get<const Page*>(route_of(verb::get, path))->is_open, is_probe) << path;
  }
}

TEST(RoutesTest, PublishingTakesATopicAndPost) {
  const Route route = route_of(verb::post, "/v1/publish/signal%3Avcp?x=1");
  ASSERT_TRUE(std::holds_alternative<PublishOn>(route));
  EXPECT_EQ(std::get<PublishOn>(route).topic, "signal:vcp");
  for (const verb method : {verb::get, verb::head, verb::put}) {
    const AdminReply reply = refusal_of(method, "/v1/publish/signal:vcp");
    EXPECT_EQ(reply.status, 405U);
    EXPECT_EQ(reply.allow, "POST");
  }
}

TEST(RoutesTest, OperatorsChangeABroadcasterOrReload) {
  const Route reload = route_of(verb::post, "/v1/reload");
  ASSERT_TRUE(std::holds_alternative<Operate>(reload));
  EXPECT_EQ(std::get<Operate>(reload).broadcaster, "");
  const Route replace = route_of(verb::post, "/v1/broadcasters/price/replace");
  ASSERT_TRUE(std::holds_alternative<Operate>(replace));
  EXPECT_EQ(std::get<Operate>(replace).broadcaster, "price");
  EXPECT_EQ(std::get<Operate>(replace).action, OperatorControl::Action::kReplace);
  EXPECT_EQ(refusal_of(verb::get, "/v1/reload").allow, "POST");
  EXPECT_EQ(refusal_of(verb::get, "/v1/broadcasters/price/restart").allow, "POST");
  for (const char* target :
       {"/v1/broadcasters/", "/v1/broadcasters/price", "/v1/broadcasters//stop",
        "/v1/broadcasters/price/explode", "/v1/reload/"}) {
    EXPECT_EQ(refusal_of(verb::post, target).status, 404U) << target;
  }
}

TEST(RoutesTest, OperatorsForgetATopicOrAPattern) {
  for (const auto& [target, topic] : {std::pair("/v1/topics/note:a/forget", "note:a"),
                                      std::pair("/v1/topics/note%3A%2A/forget", "note:*"),
                                      std::pair("/v1/topics/a/forget/forget?x=1", "a/forget")}) {
    const Route route = route_of(verb::post, target);
    ASSERT_TRUE(std::holds_alternative<ForgetTopics>(route)) << target;
    EXPECT_EQ(std::get<ForgetTopics>(route).topic, topic);
  }
  EXPECT_EQ(refusal_of(verb::get, "/v1/topics/note:a/forget").allow, "POST");
  for (const char* target : {"/v1/topics/note:a", "/v1/topics//forget", "/v1/topics/forget"}) {
    EXPECT_EQ(refusal_of(verb::post, target).status, 404U) << target;
  }
}

TEST(RoutesTest, WhoGoesElsewhereIsToldWhatThereIs) {
  for (const char* target : {"/", "", "/v1/publish/", "/metrics/", "/Livez", "/livez%00", "*"}) {
    const AdminReply reply = refusal_of(verb::get, target);
    EXPECT_EQ(reply.status, 404U) << target;
    EXPECT_THAT(reply.body, HasSubstr("POST /v1/publish/{topic}"));
    for (const char* path : kPaths) EXPECT_THAT(reply.body, HasSubstr(path));
  }
}

}  // namespace
}  // namespace broadcast

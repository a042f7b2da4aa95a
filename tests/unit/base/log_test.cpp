#include "host/base/log.hpp"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { spdlog::set_default_logger(before_); }

  template <class F>
  static std::string written_by(F write) {
    testing::internal::CaptureStderr();
    write();
    spdlog::default_logger()->flush();
    return testing::internal::GetCapturedStderr();
  }

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(LogTest, ALineOfTextHasTimeLevelAndMessage) {
  set_up_log("info", LogFormat::kText);
  EXPECT_THAT(written_by([] { spdlog::info("listening on {}", 5111); }),
              MatchesRegex("....-..-..T..:..:..\\....Z info  listening on 5111\n"));
}

TEST_F(LogTest, WritesWhatIsAtLeastAsGraveAsItsLevel) {
  set_up_log("warn", LogFormat::kText);
  const std::string lines = written_by([] {
    spdlog::info("quiet");
    spdlog::warn("loud");
    spdlog::error("louder");
  });
  EXPECT_THAT(lines, Not(HasSubstr("quiet")));
  EXPECT_THAT(lines, HasSubstr("loud\n"));
  EXPECT_THAT(lines, HasSubstr("louder\n"));
}

TEST_F(LogTest, KnowsEveryLevelOfTheConfiguration) {
  using enum spdlog::level::level_enum;
  for (const auto& [name, level] : {std::pair{"trace", trace},
                                    {"debug", debug},
                                    {"info", info},
                                    {"warn", warn},
                                    {"error", err}}) {
    set_up_log(name, LogFormat::kText);
    EXPECT_EQ(spdlog::default_logger()->level(), level) << name;
  }
}

TEST_F(LogTest, AJsonLineSurvivesQuotesBackslashesAndControlCharacters) {
  set_up_log("info", LogFormat::kJson);
  const std::string message = "client said \"x\\y\"\n\t\x01 삼성";
  const auto line = nlohmann::json::parse(written_by([&] { spdlog::error("{}", message); }));
  EXPECT_EQ(line.at("message"), message);
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_THAT(line.at("time").get<std::string>(), MatchesRegex("....-..-..T..:..:..\\....Z"));
}

}  // namespace
}  // namespace broadcast

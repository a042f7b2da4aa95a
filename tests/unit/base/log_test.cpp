#include "host/base/log.hpp"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "host/base/standard_files.hpp"

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { spdlog::set_default_logger(before_); }

  template <class F>
  static std::string written_by(const std::string& level, LogFormat format, F write) {
    testing::internal::CaptureStderr();  // first: the log keeps what standard error is then
    set_up_log(level, format);
    write();
    spdlog::default_logger()->flush();
    return testing::internal::GetCapturedStderr();
  }

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(LogTest, ALineOfTextHasTimeLevelAndMessage) {
  EXPECT_THAT(written_by("info", LogFormat::kText, [] { spdlog::info("listening on {}", 5111); }),
              MatchesRegex("....-..-..T..:..:..\\....Z info  listening on 5111\n"));
}

TEST_F(LogTest, WritesWhatIsAtLeastAsGraveAsItsLevel) {
  const std::string lines = written_by("warn", LogFormat::kText, [] {
    spdlog::info("quiet");
    spdlog::warn("loud");
    spdlog::error("louder");
  });
  EXPECT_THAT(lines, Not(HasSubstr("quiet")));
  EXPECT_THAT(lines, HasSubstr("loud\n"));
  EXPECT_THAT(lines, HasSubstr("louder\n"));
}

TEST_F(LogTest, IsNotStandardErrorsBusiness) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string lines = written_by("info", format, [] {
      const int kept = ::dup(STDERR_FILENO);
      ::close(STDERR_FILENO);
      spdlog::info("while it is closed");
      last_words("the last line\n");
      ::dup2(kept, STDERR_FILENO);
      ::close(kept);
    });
    EXPECT_THAT(lines, HasSubstr("while it is closed"));
    EXPECT_THAT(lines, HasSubstr("the last line\n"));
  }
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
  const std::string message = "client said \"x\\y\"\n\t\x01 삼성";
  const auto line = nlohmann::json::parse(
      written_by("info", LogFormat::kJson, [&] { spdlog::error("{}", message); }));
  EXPECT_EQ(line.at("message"), message);
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_THAT(line.at("time").get<std::string>(), MatchesRegex("....-..-..T..:..:..\\....Z"));
}

}  // namespace
}  // namespace broadcast

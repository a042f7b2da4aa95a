#include "host/base/log.hpp"

#include <cstdio>
#include <memory>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "host/base/standard_files.hpp"
#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

/// The message as a JSON string's content: quotes, backslashes and control characters escaped.
class JsonMessageFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const bool is_text = is_utf8({message.payload.data(), message.payload.size()});
    for (const char c : message.payload) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (byte < 0x20 || (byte >= 0x80 && !is_text)) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
        out.append(escaped, escaped + 6);
      } else {
        out.push_back(c);
      }
    }
  }
  [[nodiscard]] std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessageFlag>();
  }
};

struct KeptError {
  std::shared_ptr<std::FILE> file = keep_standard_error();
  [[nodiscard]] std::FILE* get() const { return file ? file.get() : stderr; }
};

/// One of spdlog's, on a descriptor of its own: what a plugin does with standard error is no end of
/// the log.
template <class Sink>
class KeptSink final : private KeptError, public Sink {
 public:
  template <class... More>
  explicit KeptSink(More... more) : Sink(KeptError::get(), more...) {}
};
using PlainSink = KeptSink<spdlog::sinks::stdout_sink_base<spdlog::details::console_mutex>>;
using ColorSink = KeptSink<spdlog::sinks::ansicolor_sink<spdlog::details::console_mutex>>;

}  // namespace

void set_up_log(const std::string& level, LogFormat format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  std::shared_ptr<spdlog::logger> logger;
  if (format == LogFormat::kJson) {
    formatter->add_flag<JsonMessageFlag>('*');
    formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%*"})");
    logger = std::make_shared<spdlog::logger>("host", std::make_shared<PlainSink>());
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v");
    logger = std::make_shared<spdlog::logger>(
        "host", std::make_shared<ColorSink>(spdlog::color_mode::automatic));
  }
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  set_log_level(level);
}

void set_log_level(const std::string& level) {
  spdlog::default_logger()->set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
}

}  // namespace broadcast

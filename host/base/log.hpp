#pragma once
// Log set-up: spdlog's default logger, one line an operator can act on, as text or JSON, to stderr.
// Parts write with spdlog::info(...) and friends directly.

#include <string>

namespace broadcast {

enum class LogFormat { kText, kJson };

/// [main] once, before other threads start. `level`: trace | debug | info | warn | error.
void set_up_log(const std::string& level, LogFormat format);
/// [any] The level from now on.
void set_log_level(const std::string& level);

}  // namespace broadcast

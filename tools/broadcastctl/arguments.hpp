#pragma once
// What several commands of broadcastctl are told on their command lines. [main]

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <broadcast/units.hpp>

#include "tools/broadcastctl/admin_client.hpp"
#include "tools/broadcastctl/check.hpp"
#include "tools/broadcastctl/check_config.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/plugin_host.hpp"

namespace broadcast {

/// Where a host that runs is, for the commands that talk to it.
struct AdminArguments {
  std::string admin = "127.0.0.1:5112", token, ca, certificate, key;

  void add_to(CLI::App& command) {
    command.add_option("--admin", admin, "the host's admin.listen; https:// with admin.tls")
        ->capture_default_str();
    command.add_option("--ca", ca, "PEM file: who has signed the host's certificate");
    auto* const own = command.add_option("--cert", certificate,
                                         "PEM file: our own certificate, for admin.tls.client_ca");
    own->needs(command.add_option("--key", key, "PEM file: its key")->needs(own));
    command.add_option("--token", token,
                       "one of its admin.tokens, with scope admin to change anything; default: the "
                       "variable ADMIN_TOKEN");
  }
  /// Not by CLI11's envname(), which would let the variable of another command that shares this
  /// overwrite what was given.
  [[nodiscard]] AdminAddress address() const {
    const char* const variable = std::getenv("ADMIN_TOKEN");
    AdminAddress address =
        admin_address(admin, token.empty() && variable != nullptr ? variable : token);
    address.ca = ca;
    address.certificate = certificate;
    address.key = key;
    return address;
  }
};

/// What `plugin check` and its steps are told.
struct CheckArguments {
  std::string library, config_file, config_json, deadline = "5s", limit = "5m", memory = "2GiB";
  std::vector<std::string> topics, messages;
  std::uint64_t seed = std::random_device()();
  std::size_t cycles = 20;

  void add_to(CLI::App& command) {
    command.add_option("library", library, "the plugin's .so")->required();
    auto* const file = command.add_option(
        "--config", config_file, "YAML: the plugin's config, or a host's file with broadcasters:");
    command.add_option("--config-json", config_json, "the plugin's config as JSON")->excludes(file);
    command.add_option("--topic", topics, "one of its topics to send messages to; may be repeated");
    command
        .add_option("--message", messages,
                    "a good message in JSON, mutated for the fuzz checks; may be repeated")
        ->allow_extra_args(false);  // CLI11 would take a JSON list apart
    command.add_option("--seed", seed, "seed for everything random; the report names it");
    command.add_option("--cycles", cycles, "number of lives, from load to unload")
        ->check(CLI::Range(1, 10'000));
    command.add_option("--deadline", deadline, "time limit for START, STOP and each message");
    command.add_option("--limit", limit, "time limit for each step");
    command.add_option("--memory", memory, "memory limit for each step");
  }

  [[nodiscard]] CheckOptions options() const {
    const auto bytes = parse_size(memory);
    if (!bytes) throw CannotRun("--memory: expected a size such as 512MiB");
    for (const std::string& message : messages) {
      if (!nlohmann::json::accept(message)) throw CannotRun("--message: not JSON: " + message);
    }
    return {.library = library,
            .config = check_config(library, config_file, config_json),
            .topics = topics,
            .messages = messages,
            .seed = seed,
            .cycles = cycles,
            .deadline = duration("--deadline", deadline),
            .limit = duration("--limit", limit),
            .memory_bytes = *bytes};
  }

 private:
  static std::chrono::milliseconds duration(const char* option, const std::string& text) {
    const auto value = parse_duration(text);
    if (!value) throw CannotRun(std::string(option) + ": expected a duration such as 500ms or 5s");
    return std::chrono::duration_cast<std::chrono::milliseconds>(*value);
  }
};

/// What `plugin run` and `plugin dev` are told.
struct HostArguments {
  PluginHostOptions given;
  std::string config_file;

  void add_to(CLI::App& command) {
    command.add_option("library", given.library, "the plugin's .so")->required();
    command.add_option("--config", config_file,
                       "YAML: the plugin's config, or a host's file with broadcasters:");
    command
        .add_option("--listen", given.listen,
                    "address for WebSocket clients; port 0 is any free one")
        ->capture_default_str();
    command.add_option("--topic", given.topics,
                       "a topic to show besides its own, such as price:005930; may be repeated");
  }

  [[nodiscard]] PluginHostOptions options(const TrialProgram& trial) const {
    PluginHostOptions options = given;
    options.trial = trial;
    options.config = check_config(given.library, config_file, "");
    return options;
  }
};

}  // namespace broadcast

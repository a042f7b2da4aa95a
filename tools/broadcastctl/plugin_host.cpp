#include "tools/broadcastctl/plugin_host.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/app/server.hpp"
#include "host/base/clock.hpp"
#include "host/base/last_words.hpp"
#include "host/base/log.hpp"
#include "tools/broadcastctl/admin_client.hpp"
#include "tools/broadcastctl/dev_host.hpp"
#include "tools/broadcastctl/library_watch.hpp"
#include "tools/broadcastctl/operate.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/terminal.hpp"
#include "tools/broadcastctl/topic_stream.hpp"

namespace broadcast {

namespace {

ListenAddress listen_address(const std::string& text) {
  ListenAddress listen;
  const std::string expected = take_address(text, listen);
  if (!expected.empty())
    throw CannotRun("--listen: expected " + expected + ", found " + text + ".");
  return listen;
}

Config config_for(const PluginHostOptions& options, const std::string& name) {
  Config config;
  config.server.listen = listen_address(options.listen);
  config.admin.listen = {"127.0.0.1", 0};
  config.plugins.strict = !options.replaces;
  BroadcasterConfig& one = config.broadcasters[name];
  one.library = std::filesystem::absolute(options.library).string();
  one.permissions = {"clients", "cache"};
  one.config = options.config;
  one.places[""] = {.at = {}, .path = "config"};
  return config;
}

/// "price:{ticker}" is shown as "price:*".
std::vector<std::string> shown_topics(const Manifest& manifest) {
  std::vector<std::string> topics{"status:" + manifest.name};
  for (const TopicPattern& pattern : manifest.topics) {
    const std::string& text = pattern.text();
    topics.push_back(pattern.has_placeholder() ? text.substr(0, text.find('{')) + "*" : text);
  }
  return topics;
}

void introduce(const Manifest& manifest, const Server& server) {
  print_line(fmt::format("{} {} on ws://{}:{}{}", manifest.name, manifest.version,
                         server.endpoint().address().to_string(), server.endpoint().port(),
                         ServerConfig().path));
  for (const TopicPattern& pattern : manifest.topics) {
    print_line(fmt::format("publish: curl -d '{{}}' 'http://127.0.0.1:{}/v1/publish/{}'",
                           server.admin_endpoint().port(), pattern.text()));
  }
}

/// plugin dev: what the host's own listener makes of each build, and a view of topics that are new.
class Replacements {
 public:
  Replacements(const Manifest& manifest, const Server& server, const std::string& library)
      : library_(library),
        clients_(server.endpoint()),
        admin_({.host = "127.0.0.1", .port = std::to_string(server.admin_endpoint().port())}),
        name_(manifest.name),
        shown_(shown_topics(manifest)),
        watch_(library, [this] { replace(); }) {}

 private:
  void replace() {
    try {
      const MonoTime begun = mono_now();
      const OperationReport report =
          operation_report(post_to_admin(admin_, "/v1/broadcasters/" + name_ + "/replace"));
      const std::chrono::duration<double, std::milli> took = mono_now() - begun;
      if (!report.wrong.empty()) {
        print_line("not replaced, the old build goes on: " +
                   report.wrong.substr(0, report.wrong.size() - 1));
        return;
      }
      print_line(fmt::format("replaced: {} in {:.1f} ms", generation(), took.count()));
      show_new_topics();
    } catch (const std::exception& error) {
      print_line(fmt::format("not replaced: {}", error.what()));
    }
  }

  [[nodiscard]] std::uint64_t generation() const {
    const AdminAnswer answer = get_from_admin(admin_, "/v1/broadcasters");
    return answer.body.at("broadcasters").at(0).value("generation", std::uint64_t{0});
  }

  void show_new_topics() {
    std::vector<std::string> added;
    for (std::string& topic : shown_topics(manifest_of(library_))) {
      if (std::ranges::find(shown_, topic) == shown_.end()) added.push_back(std::move(topic));
    }
    if (added.empty()) return;
    views_.emplace_back(clients_, added);
    shown_.insert(shown_.end(), added.begin(), added.end());
  }

  const std::string library_;
  const boost::asio::ip::tcp::endpoint clients_;
  const AdminAddress admin_;
  const std::string name_;
  // The watch's thread only.
  std::vector<std::string> shown_;
  std::list<TopicStream> views_;
  LibraryWatch watch_;  // last: it calls
};

}  // namespace

int run_plugin_host(const PluginHostOptions& options) {
  const Manifest manifest = manifest_of(options.library);
  Config config = config_for(options, manifest.name);
  BroadcasterPlan plan = plan_broadcasters(config);
  for (const auto& refused : plan.refused) std::fprintf(stderr, "%s\n", refused.why.c_str());
  if (!plan.refused.empty()) return 1;
  set_up_log(config.log.level, config.log.format);
  tell_last_words(config.log.format);
  auto server = std::make_unique<Server>(std::move(config), std::move(plan), options.trial);
  std::vector<std::string> topics = shown_topics(manifest);
  topics.insert(topics.end(), options.topics.begin(), options.topics.end());
  std::optional<TopicStream> view(std::in_place, server->endpoint(), topics);
  introduce(manifest, *server);
  std::optional<Replacements> replacements;
  if (options.replaces) replacements.emplace(manifest, *server, options.library);
  std::optional<DevHostServing> serving;
  if (options.replaces) serving.emplace();
  const Server::End end = server->run();
  serving.reset();
  if (end.is_stuck) {
    spdlog::default_logger()->flush();
    static_cast<void>(server.release());  // somebody still uses it
    std::quick_exit(end.exit_code);
  }
  server.reset();  // first: a view that just connects waits for a handshake that nobody answers
  return end.exit_code;
}

}  // namespace broadcast

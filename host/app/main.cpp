// broadcast-host --config FILE [--check] [--version]

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/app/config_warnings.hpp"
#include "host/app/descriptors.hpp"
#include "host/app/server.hpp"
#include "host/app/service_manager.hpp"
#include "host/app/start_check.hpp"
#include "host/app/version.hpp"
#include "host/base/last_words.hpp"
#include "host/base/log.hpp"
#include "host/base/standard_files.hpp"
#include "host/base/terminate.hpp"
#include "host/loader/trial.hpp"

namespace broadcast {
namespace {

constexpr const char* kTryPlugin = "try-plugin";
const TrialProgram kTrial{.arguments = {"broadcast-host", kTryPlugin}};

/// SIGHUP asks for a reload as long as the process lives, and its default would end it. Until
/// the server takes it, it is kept: it may have come after the YAML was read.
volatile std::sig_atomic_t hangup_came = 0;

void keep_hangups() {
  std::signal(SIGHUP, [](int) { hangup_came = 1; });
}

/// For good: the server is about to give the signal back.
void block_hangups() {
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  static_cast<void>(::pthread_sigmask(SIG_BLOCK, &hangup, nullptr));
}

int serve(const std::string& file) {
  Config config = load_config(file, process_environment());
  BroadcasterPlan plan = plan_broadcasters(config);
  set_up_log(config.log.level, config.log.format);
  tell_last_words(config.log.format);
  for (const std::string& warning : warnings_of(config)) spdlog::warn(warning);
  raise_descriptor_limit();  // every connection is one
  auto server = std::make_unique<Server>(std::move(config), std::move(plan), kTrial,
                                         ServiceManager::of_environment());
  if (hangup_came != 0) std::raise(SIGHUP);
  const Server::End end = server->run();
  block_hangups();
  if (!end.is_stuck) return end.exit_code;
  spdlog::default_logger()->flush();
  static_cast<void>(server.release());  // somebody still uses it
  std::quick_exit(end.exit_code);
}

int run(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string_view(kTryPlugin)) run_trial();
  tell_before_terminating();
  CLI::App app("Broadcasts the messages of plugins to WebSocket subscribers", "broadcast-host");
  std::string file;
  bool only_check = false;
  app.add_option("--config", file, "the YAML file")->required();
  app.add_flag("--check", only_check,
               "report everything that a start would find wrong; start nothing");
  app.set_version_flag("--version", std::string("broadcast-host ") + kHostVersion);
  CLI11_PARSE(app, argc, argv);
  if (only_check) {
    std::signal(SIGHUP, SIG_DFL);
    run_check(file, kTrial);
  }
  return serve(file);
}

}  // namespace
}  // namespace broadcast

int main(int argc, char** argv) {
  broadcast::open_standard_files();
  broadcast::keep_hangups();
  try {
    return broadcast::run(argc, argv);
  } catch (const std::bad_alloc&) {
    broadcast::tell_out_of_memory();
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

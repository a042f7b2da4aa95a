#include "host/app/start_check.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <unistd.h>

#include "host/app/config_warnings.hpp"
#include "host/app/descriptors.hpp"
#include "host/app/holder.hpp"
#include "host/app/tls_files.hpp"
#include "host/base/crash_marker.hpp"
#include "host/base/log.hpp"
#include "host/ingest/redis_socket.hpp"
#include "host/store/file_lock.hpp"
#include "host/store/state_format.hpp"

namespace broadcast {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr const char* kHostBinary = "broadcast-host";

/// Something that a start needs and somebody has.
struct Taken {
  std::string key;
  std::string what;  ///< "127.0.0.1:5111: Address already in use"
  std::string hint;
  std::optional<Holder> holder;
};

std::string holder_text(const std::optional<Holder>& holder) {
  if (!holder) return " (run as the host's user to see which process)";
  return " by " + holder->name + " (process " + std::to_string(holder->pid) + ")";
}

class StartCheck {
 public:
  StartCheck(const Config& config, const BroadcasterPlan& plan, const TrialProgram& trial)
      : config_(config), plan_(plan), trial_(trial) {}

  StartFindings run() {
    check_listen("server.listen", config_.server.listen);
    check_listen("admin.listen", config_.admin.listen);
    check_both_listen();
    if (!config_.state.path.empty()) check_state();
    check_redis();
    check_tls();
    check_descriptors();
    judge_taken();
    look_for_left_out();
    try_broadcasters();
    return std::move(findings_);
  }

 private:
  void fail(const std::string& what) { findings_.errors.push_back(config_.file + ": " + what); }
  void warn(const std::string& what) { findings_.warnings.push_back(config_.file + ": " + what); }

  /// Bound and not listened on: so no client comes here, and a host may start meanwhile.
  void check_listen(const char* key, const ListenAddress& listen) {
    if (listen.is_unix()) return check_unix(key, listen);
    const tcp::endpoint endpoint{boost::asio::ip::make_address(listen.host), listen.port};
    boost::asio::io_context io;
    tcp::acceptor probe(io);
    error_code error;
    probe.open(endpoint.protocol(), error);
    if (!error) probe.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) probe.bind(endpoint, error);
    if (!error) return;
    const std::string what = listen_text(listen) + ": " + error.message();
    const auto holder = holder_of_port(listen.port);
    constexpr pid_t kServiceManager = 1;
    if (error == boost::asio::error::address_in_use && holder && holder->pid == kServiceManager) {
      return warn(std::string(key) + ": " + what +
                  " by the service manager, which has to pass it to the host");
    }
    if (error != boost::asio::error::address_in_use) return fail(std::string(key) + ": " + what);
    taken_.push_back(
        {.key = key, .what = what, .hint = ". Stop it, or choose another port.", .holder = holder});
  }

  void check_unix(const char* key, const ListenAddress& listen) {
    const std::string folder = std::filesystem::path(listen.unix_path).parent_path();
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
      return fail(std::string(key) + ": " + listen_text(listen) + ": " + folder + ": " +
                  std::generic_category().message(errno));
    }
    std::error_code ignored;
    const auto type = std::filesystem::symlink_status(listen.unix_path, ignored).type();
    if (type == std::filesystem::file_type::not_found) return;
    if (type != std::filesystem::file_type::socket) {
      return fail(std::string(key) + ": " + listen_text(listen) + ": is there, and no socket");
    }
    const auto holder = holder_of_unix_socket(listen.unix_path);
    if (!holder) return;  // left behind, or another user's
    taken_.push_back({.key = key,
                      .what = listen_text(listen) + ": in use",
                      .hint = ". Stop it, or choose another path.",
                      .holder = holder});
  }

  void check_both_listen() {
    const auto is_any = [](const std::string& host) { return host == "0.0.0.0" || host == "::"; };
    const ListenAddress& server = config_.server.listen;
    const ListenAddress& admin = config_.admin.listen;
    const bool is_one = server.port != 0 && server.port == admin.port &&
                        (server.host == admin.host || is_any(server.host) || is_any(admin.host));
    if (is_one) {
      fail("admin.listen: " + listen_text(admin) +
           ": server.listen uses this port too; choose another");
    }
  }

  void check_state() {
    namespace fs = std::filesystem;
    const fs::path file = fs::absolute(config_.state.path);
    const std::string key = "state.path: " + config_.state.path + ": ";
    const auto can = [](const fs::path& path, int mode) {
      return ::access(path.c_str(), mode) == 0;
    };
    const auto why = [] { return std::generic_category().message(errno); };
    std::error_code error;
    if (!can(file.parent_path(), W_OK | X_OK)) {
      return fail(key + (errno == ENOENT ? "its directory does not exist; create it"
                                         : "its directory cannot be written: " + why()));
    }
    if (!fs::is_directory(file.parent_path(), error)) return fail(key + "its directory is a file");
    if (fs::is_directory(file, error)) return fail(key + "a directory; name a file");
    for (const std::string& one : {file.string(), file.string() + ".lock"}) {
      if (fs::exists(one, error) && !can(one, R_OK | W_OK)) {
        return fail(key + one + " cannot be opened: " + why());
      }
    }
    if (FileLock::is_held(file)) {
      taken_.push_back({.key = "state.path",
                        .what = config_.state.path + ": in use",
                        .hint = "; stop that one, or give each its own file",
                        .holder = holder_of_file(file.string() + ".lock")});
      return;
    }
    try {
      look_at_state(file);
    } catch (const StateUnreadable& unreadable) {
      warn(key + "cannot be used (" + unreadable.what() +
           "); a start would move it aside and begin new epochs");
    } catch (const std::exception& refused) {
      fail(key + refused.what());
    }
  }

  void check_redis() {
    const RedisConfig& redis = config_.redis;
    for (const auto& [key, url] : {std::pair("url", redis.url), std::pair("cache", redis.cache)}) {
      if (url.empty()) continue;
      try {
        boost::asio::ssl::context tls(boost::asio::ssl::context::tls_client);
        prepare_tls(tls, parse_redis_url(url), key, redis.ca);
      } catch (const std::exception& error) {
        fail(error.what());
      }
    }
  }

  void check_tls() {
    const TlsFindings found = look_at_tls(config_);
    for (const std::string& problem : found.problems) fail(problem);
    for (const std::string& warning : found.warnings) warn(warning);
  }

  void check_descriptors() {
    const DescriptorPlan plan =
        plan_descriptors(highest_descriptor_limit(), config_, shards_of(config_));
    if (const std::string warning = plan.warning(config_.limits); !warning.empty()) warn(warning);
  }

  /// Whoever checks a file beside the host that it is for wants to hear of the file.
  void judge_taken() {
    const auto is_host = [](const Taken& one) {
      return one.holder && one.holder->name == kHostBinary;
    };
    const auto host = std::ranges::find_if(taken_, is_host);
    std::string held;
    for (const Taken& one : taken_) {
      if (host == taken_.end() || !one.holder || one.holder->pid != host->holder->pid) {
        fail(one.key + ": " + one.what + holder_text(one.holder) + one.hint);
      } else {
        held += (held.empty() ? "" : ", ") + one.key;
      }
    }
    if (!held.empty()) {
      warn(held + ": in use" + holder_text(host->holder) +
           ", which is assumed to be the host that this file is for; another host can start only "
           "once it is stopped");
    }
  }

  void look_for_left_out() {
    const std::string path = crash_marker_path(config_);
    if (path.empty()) return;
    const CrashHistory crashes = look_at_crash_file(path);
    if (!crashes.refusal.empty()) {
      warn(path + ": " + crashes.refusal + "; its crash counts are lost");
    }
    for (const BroadcasterPlan::Ready& ready : plan_.ready) {
      const std::string why = why_left_out(
          ends_in_start(crashes.counts, ready.name, build_of(*ready.file, ready.config)));
      if (why.empty()) continue;
      ++findings_.left_out;
      const std::string what =
          "broadcasters." + ready.name + ": " + why +
          ". Change the library or its config, or run `broadcastctl broadcaster "
          "enable " +
          ready.name + "` once the host is running";
      config_.plugins.strict ? fail(what + "; with plugins.strict it does not start") : warn(what);
    }
  }

  void try_broadcasters() {
    for (const BroadcasterPlan::Ready& ready : plan_.ready) {
      const PluginRunner::Options options = options_of(ready, config_);
      const std::string why = try_library(trial_,
                                          {.file = *ready.file,
                                           .name = options.name,
                                           .permissions = options.permissions,
                                           .host_version = options.host_version,
                                           .copies = options.copies,
                                           .has_cache = !config_.redis.cache_url().empty(),
                                           .config = options.config},
                                          [] { return false; });
      if (!why.empty()) fail("broadcasters." + ready.name + ": " + why);
    }
  }

  const Config& config_;
  const BroadcasterPlan& plan_;
  const TrialProgram& trial_;
  StartFindings findings_;
  std::vector<Taken> taken_;
};

}  // namespace

StartFindings check_start(const Config& config, const BroadcasterPlan& plan,
                          const TrialProgram& trial) {
  return StartCheck(config, plan, trial).run();
}

void run_check(const std::string& file, const TrialProgram& trial) {
  const Config config = load_config(file, process_environment());
  set_up_log("warn", LogFormat::kText);
  const BroadcasterPlan plan = plan_broadcasters(config);
  const StartFindings findings = check_start(config, plan, trial);
  const auto tell = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  for (const std::string& warning : warnings_of(config)) tell(warning);
  for (const std::string& warning : findings.warnings) tell(warning);
  for (const auto& refused : plan.refused) tell(refused.why);
  for (const std::string& error : findings.errors) tell(error);
  const bool is_good = plan.refused.empty() && findings.errors.empty();
  if (is_good) {
    std::printf("%s: good, %zu broadcasters on, %zu off\n", file.c_str(),
                plan.ready.size() - findings.left_out, plan.disabled.size());
  }
  std::fflush(stdout);
  std::exit(is_good ? 0 : 1);  // NOLINT(concurrency-mt-unsafe): there is one thread
}

}  // namespace broadcast

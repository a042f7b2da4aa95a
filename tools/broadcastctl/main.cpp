// broadcastctl: for those who write plugins and those who operate the host.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/app/start_check.hpp"
#include "host/app/version.hpp"
#include "host/base/log.hpp"
#include "host/base/standard_files.hpp"
#include "host/loader/plugin_refused.hpp"
#include "host/loader/trial.hpp"
#include "tools/broadcastctl/admin_client.hpp"
#include "tools/broadcastctl/arguments.hpp"
#include "tools/broadcastctl/check.hpp"
#include "tools/broadcastctl/config_schema.hpp"
#include "tools/broadcastctl/config_table.hpp"
#include "tools/broadcastctl/dev_host.hpp"
#include "tools/broadcastctl/inspection.hpp"
#include "tools/broadcastctl/new_epochs.hpp"
#include "tools/broadcastctl/operate.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/plugin_host.hpp"
#include "tools/broadcastctl/scaffold.hpp"
#include "tools/broadcastctl/steps.hpp"
#include "tools/broadcastctl/stream_entries.hpp"

namespace broadcast {
namespace {

constexpr int kGood = 0;
constexpr int kFound = 1;      // something is wrong with what was looked at
constexpr int kCannotRun = 2;  // the command is wrong, or what it names is not there

const TrialProgram kTrial{.arguments = {"broadcastctl", "plugin", "try"}};

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }
void print(const nlohmann::json& value) {
  print(value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

int write_new(const std::string& name, const std::string& topic, Origin origin,
              const std::string& directory) {
  const std::string where = directory.empty() ? name : directory;
  const auto files = plan_scaffold(name, topic, origin);
  write_scaffold(where, files);
  for (const ScaffoldFile& file : files) print(where + "/" + file.name + "\n");
  print("Next: cd " + where +
        " && cmake -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build && ctest --test-dir "
        "build\n");
  return kGood;
}

int inspect(const std::string& library, bool as_json) {
  const Manifest manifest = manifest_of(library);
  if (as_json) {
    print(inspection_json(file_name(library), manifest));
  } else {
    print(inspection_text(file_name(library), manifest));
  }
  return kGood;
}

int check(const CheckOptions& options, bool as_json) {
  const std::vector<CheckResult> results = check_plugin(options);
  if (as_json) {
    print(report_json(options, results));
  } else {
    print(report_text(options, results));
  }
  return has_failed(results) ? kFound : kGood;
}

/// Prints what came of it.
int tell(const OperationReport& report) {
  print(report.done);
  std::fputs(report.wrong.c_str(), stderr);
  return report.wrong.empty() ? kGood : kFound;
}

int list_broadcasters(const AdminAddress& host) {
  const AdminAnswer answer = get_from_admin(host, "/v1/broadcasters");
  if (answer.status != 200) return tell(operation_report(answer));
  print(broadcaster_list(answer.body));
  return kGood;
}

/// `plugin dev` is two processes: this is the one that has the host.
constexpr const char* kInThisProcess = "--in-this-process";

class CommandLine {
 public:
  CommandLine()
      : app_("Writes, checks and runs plugins for broadcast-host, and changes a running host",
             "broadcastctl") {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("broadcastctl ") + kHostVersion);
    add_plugin();
    add_config();
    add_operations();
    add_state();
    add_stream();
  }

  int run(int argc, char** argv) {
    arguments_.assign(argv, argv + argc);
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? kGood : kCannotRun;
    }
    return chosen_();
  }

 private:
  void add(CLI::App& group, const char* name, const char* description,
           const std::function<std::function<int()>(CLI::App&)>& describe) {
    CLI::App* const command = group.add_subcommand(name, description);
    command->callback([this, run = describe(*command)] { chosen_ = run; });
  }

  void add_plugin() {
    CLI::App& plugin = *app_.add_subcommand("plugin", "write, read and check plugins");
    plugin.require_subcommand(1);
    add(plugin, "new", "write a plugin that builds and passes its test at once",
        [this](CLI::App& command) {
          command.add_option("name", name_, "such as jongga_signal")->required();
          command
              .add_option("--topic", topic_,
                          "its topic: signal:x makes a plugin that takes signals, any other "
                          "(price:{ticker}) one that polls")
              ->required();
          command.add_flag("--accepts", accepts_,
                           "make one that accepts what producers post, in any shape");
          command.add_option("--directory", directory_,
                             "directory for its files; default: its name");
          return [this] {
            return write_new(name_, topic_, accepts_ ? Origin::kPosts : Origin::kOfTopic,
                             directory_);
          };
        });
    add(plugin, "inspect", "print a plugin's manifest; runs none of its code",
        [this](CLI::App& command) {
          command.add_option("library", library_, "the plugin's .so")->required();
          command.add_flag("--json", as_json_, "as JSON");
          return [this] { return inspect(library_, as_json_); };
        });
    add_check(plugin);
    add(plugin, "run", "run a host with this plugin alone, and show its topics live",
        [this](CLI::App& command) {
          host_.add_to(command);
          return [this] { return run_plugin_host(host_.options(kTrial)); };
        });
    add(plugin, "dev", "run it, and replace it whenever it has been rebuilt",
        [this](CLI::App& command) {
          host_.add_to(command);
          command.add_flag(kInThisProcess, in_this_process_)->group("");
          return [this] { return develop(); };
        });
    add(plugin, "try", "load a library before a host does, in this process", [](CLI::App& command) {
      command.group("");
      return []() -> int { run_trial(); };
    });
    add(plugin, "check-step", "one step of check, in this process: for debuggers",
        [this](CLI::App& command) {
          command.group("");
          command.add_option("step", step_)->required();
          check_.add_to(command);
          command.add_option("--tell", report_descriptor_, "descriptor for what it finds");
          return [this]() -> int {
            run_step(step_, check_.options(), ChildReport(report_descriptor_));
          };
        });
  }

  void add_check(CLI::App& plugin) {
    add(plugin, "check",
        "load it, feed it, stop it: check everything that can be checked without a host",
        [this](CLI::App& command) {
          check_.add_to(command);
          std::vector<std::string> steps;
          for (const Step& step : all_steps()) {
            if (step.runs_its_code) steps.emplace_back(step.name);
          }
          command
              .add_option(
                  "--only", only_,
                  "run only this step, besides those that do not run its code; may be repeated")
              ->check(CLI::IsMember(steps));
          command.add_flag("--json", as_json_, "as JSON");
          return [this] {
            CheckOptions options = check_.options();
            options.only = only_;
            return check(options, as_json_);
          };
        });
  }

  int develop() {
    host_.given.replaces = true;
    if (in_this_process_) {
      end_with_dev_host();
      return run_plugin_host(host_.options(kTrial));
    }
    static_cast<void>(host_.options(kTrial));  // what is wrong with them is said once
    static_cast<void>(manifest_of(host_.given.library));
    std::vector<std::string> arguments = arguments_;
    arguments.emplace_back(kInThisProcess);
    return run_dev_host(arguments, host_.given.library);
  }

  void add_config() {
    CLI::App& config = *app_.add_subcommand("config", "read and check configurations");
    config.require_subcommand(1);
    add(config, "docs", "print a plugin's config keys as a Markdown table",
        [this](CLI::App& command) {
          command.add_option("library", library_, "the plugin's .so")->required();
          return [this] {
            print(config_table(manifest_of(library_).config_schema));
            return kGood;
          };
        });
    add(config, "schema", "print a JSON Schema of the host's YAML, for editors",
        [this](CLI::App& command) {
          command.add_option(
              "--plugins", directory_,
              "directory of the plugins; default: plugins/ beside this program's bin/");
          return [this] {
            const std::string where =
                directory_.empty() ? plugin_directory(Config()).string() : directory_;
            print(config_schema(plugin_schemas(where)));
            return kGood;
          };
        });
    add(config, "check", "do what broadcast-host --config FILE --check does",
        [this](CLI::App& command) {
          command.add_option("file", file_, "the host's YAML")->required();
          return [this]() -> int { run_check(file_, kTrial); };
        });
  }

  void add_operations() {
    add(app_, "reload", "make a running host read its YAML again and change what differs",
        [this](CLI::App& command) {
          admin_.add_to(command);
          return [this] {
            return tell(operation_report(post_to_admin(admin_.address(), "/v1/reload")));
          };
        });
    CLI::App& topics = *app_.add_subcommand("topic", "those of a host that runs");
    topics.require_subcommand(1);
    add(topics, "forget", "remove topics that nobody owns and nobody is subscribed to",
        [this](CLI::App& command) {
          command.add_option("name", name_, "a topic, or all under a pattern such as 'note:*'")
              ->required();
          admin_.add_to(command);
          return [this] {
            const std::string target = forget_target(name_);
            return tell(forget_report(post_to_admin(admin_.address(), target)));
          };
        });
    CLI::App& group = *app_.add_subcommand("broadcaster", "those of a host that runs");
    group.require_subcommand(1);
    add(group, "list", "one line each: name, state, version, detail", [this](CLI::App& command) {
      admin_.add_to(command);
      return [this] { return list_broadcasters(admin_.address()); };
    });
    add_action(group, "enable", "start it as the configuration says");
    add_action(group, "disable", "stop it until it is enabled or the host reloads");
    add_action(group, "restart", "start another instance of the same library");
    add_action(group, "replace", "read its library again and start it");
    add_action(group, "forget-state",
               "delete the state that it keeps for its next start; it must be disabled");
  }

  void add_stream() {
    CLI::App& group =
        *app_.add_subcommand("stream", "entries that a host has set aside from its Redis stream");
    group.require_subcommand(1);
    add_stream_command(group, "parked", "entries that wait until somebody serves their topic",
                       [](const Config& config) { return list_parked(config); });
    add_stream_command(group, "refused", "entries that nobody accepted, with the reason",
                       [this](const Config& config) {
                         return id_.empty() ? list_refused(config) : put_back(config, id_);
                       })
        .add_option("--put-back", id_,
                    "add the entry with this id to the stream again; all: every entry");
  }

  CLI::App& add_stream_command(CLI::App& group, const char* name, const char* description,
                               const std::function<std::string(const Config&)>& run) {
    CLI::App* added = nullptr;
    add(group, name, description, [&](CLI::App& command) {
      added = &command;
      command.add_option("--config", file_, "the host's YAML, for redis.url and redis.stream")
          ->required();
      return [this, run] {
        set_up_log("error", LogFormat::kText);  // what the connection says is an error of ours
        print(run(load_config(file_, process_environment())));
        return kGood;
      };
    });
    return *added;
  }

  void add_action(CLI::App& group, const char* action, const char* description) {
    add(group, action, description, [this, action](CLI::App& command) {
      command.add_option("name", name_, "its name in the host's YAML")->required();
      admin_.add_to(command);
      return [this, action] {
        const std::string target = "/v1/broadcasters/" + name_ + "/" + action;
        return tell(operation_report(post_to_admin(admin_.address(), target)));
      };
    });
  }

  void add_state() {
    CLI::App& state = *app_.add_subcommand("state", "the state file of a stopped host");
    state.require_subcommand(1);
    add(state, "new-epochs", "begin a new epoch for every topic, after a whole disk was restored",
        [this](CLI::App& command) {
          command.add_option("file", file_, "the host's state.path")->required();
          return [this] {
            give_new_epochs(file_);
            print(file_ + ": every topic begins a new epoch\n");
            return kGood;
          };
        });
  }

  CLI::App app_;
  std::function<int()> chosen_;
  std::string library_, file_, step_, name_, topic_, directory_, id_;
  CheckArguments check_;
  AdminArguments admin_;
  HostArguments host_;
  std::vector<std::string> only_;
  int report_descriptor_ = 1;
  bool as_json_ = false;
  bool accepts_ = false;
  std::vector<std::string> arguments_;  // as they were given
  bool in_this_process_ = false;
};

}  // namespace
}  // namespace broadcast

int main(int argc, char** argv) {
  broadcast::open_standard_files();
  try {
    return broadcast::CommandLine().run(argc, argv);
  } catch (const broadcast::CannotRun& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return broadcast::kCannotRun;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return broadcast::kFound;
  }
}

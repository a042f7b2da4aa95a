#include "tools/broadcastctl/static_checks.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <broadcast/abi.h>
#include <broadcast/schema.hpp>

#include "host/app/version.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/loader/elf_image.hpp"
#include "host/loader/manifest.hpp"
#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

constexpr std::uint32_t kKnownMinor = 0;  // of the plugin ABI
constexpr std::string_view kUnread = "the file cannot be read as a plugin, see elf";
constexpr std::string_view kNoManifest = "there is no manifest, see manifest";

std::string listed_names(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += (text.empty() ? "" : ", ") + names[i];
  }
  if (names.size() > kMost) text += " and " + std::to_string(names.size() - kMost) + " more";
  return text;
}

std::string listed_errors(const std::vector<SchemaError>& errors) {
  std::string text;
  for (const SchemaError& error : errors) {
    text += (text.empty() ? "" : "; ") + (error.pointer.empty() ? "/" : error.pointer) + ": " +
            error.text;
  }
  return text;
}

class FileCheck {
 public:
  FileCheck(std::string_view file, std::string_view bytes, const json& config,
            const std::function<void(const CheckResult&)>& tell)
      : file_(file), bytes_(bytes), config_(config), tell_(tell) {}

  void run() {
    if (!check_elf()) {
      return skip_all(
          {"stack", "exports", "unique", "manifest", "members", "requires", "schema", "config"},
          kUnread);
    }
    check_stack();
    check_symbols();
    if (check_manifest()) {
      check_members();
      check_requires();
      if (check_schema_itself()) {
        check_config();
      } else {
        skip_all({"config"}, "its schema is not valid");
      }
    } else {
      skip_all({"members", "requires", "schema", "config"}, kNoManifest);
    }
  }

 private:
  void skip_all(std::initializer_list<const char*> names, std::string_view why) {
    for (const char* const name : names) tell_(skip(name, std::string(why)));
  }

  bool check_elf() {
    try {
      text_ = check_plugin_elf(file_, bytes_);
      tell_(pass("elf", "a whole shared library for this machine"));
      return true;
    } catch (const PluginRefused& refused) {
      tell_(fail("elf", refused.what()));
      return false;
    }
  }

  void check_stack() {
    tell_(has_executable_stack(file_, bytes_)
              ? fail("stack", file_ +
                                  ": asks for an executable stack, which every thread of the host "
                                  "would get. Assembly needs .section "
                                  ".note.GNU-stack,\"\",@progbits, nested functions of C are to be "
                                  "avoided; or link with -Wl,-z,noexecstack.")
              : pass("stack", "not executable"));
  }

  void check_symbols() {
    std::vector<std::string> others;
    std::vector<std::string> unique;
    for (const auto& symbol : read_elf_symbols(file_, bytes_).symbols) {
      if (!symbol.is_defined) continue;
      if (symbol.name != BC_ENTRY_SYMBOL) others.push_back(symbol.name);
      if (symbol.is_unique) unique.push_back(symbol.name);
    }
    tell_(others.empty()
              ? pass("exports", "bc_plugin_entry and nothing else")
              : fail("exports", file_ + ": exports " + std::to_string(others.size()) +
                                    " symbols beside bc_plugin_entry (" + listed_names(others) +
                                    "); other libraries could bind to them. Build it with "
                                    "broadcast_add_plugin(), or link with "
                                    "-Wl,--version-script=plugin.map."));
    tell_(unique.empty() ? pass("unique", "no STB_GNU_UNIQUE symbol")
                         : fail("unique", file_ + ": has " + std::to_string(unique.size()) +
                                              " STB_GNU_UNIQUE symbols (" + listed_names(unique) +
                                              "), which keep it mapped for ever and are shared "
                                              "between plugins. Compile with -fno-gnu-unique, as "
                                              "broadcast_add_plugin() does."));
  }

  /// Its schema is left out: check_schema_itself() has all that is wrong with it.
  bool check_manifest() {
    try {
      raw_ = read_manifest(file_, text_);
      json others = raw_;
      others.erase("config");
      manifest_ = parse_manifest(file_, others.dump());
      tell_(pass("manifest", manifest_.name + " " + manifest_.version + ", " +
                                 std::to_string(manifest_.topics.size()) + " topics"));
      return true;
    } catch (const PluginRefused& refused) {
      tell_(fail("manifest", refused.what()));
      return false;
    }
  }

  /// The host ignores them, for what later versions add: so a word that is misspelt has no effect.
  void check_members() {
    const std::vector<std::string> unknown = unknown_members(raw_);
    if (manifest_.abi_minor > kKnownMinor) {
      return tell_(skip("members", "its SDK is newer than this tool"));
    }
    tell_(unknown.empty()
              ? pass("members", "all known")
              : fail("members", file_ + ": manifest: no host knows " + listed_names(unknown) +
                                    ", so this has no effect. Correct the spelling, or leave it "
                                    "out."));
  }

  void check_requires() {
    const auto refusal = missing_service(manifest_, file_, Broadcasters::offer(kHostVersion));
    tell_(refusal ? fail("requires", *refusal)
                  : pass("requires", std::to_string(manifest_.services.size()) +
                                         " host services, all offered"));
  }

  bool check_schema_itself() {
    manifest_.config_schema = config_schema_of(raw_);
    const auto errors = check_schema(manifest_.config_schema);
    tell_(errors.empty() ? pass("schema", "valid, and so are its defaults")
                         : fail("schema", file_ + ": manifest: config: " + listed_errors(errors) +
                                              ". Correct it and build the plugin again."));
    return errors.empty();
  }

  void check_config() {
    const json& schema = manifest_.config_schema;
    auto errors = check_value(schema, config_);
    std::string which = "config";
    if (errors.empty()) {
      errors = check_value(schema, with_defaults(schema, config_));
      which = "config with the schema's defaults filled in";
    }
    tell_(errors.empty() ? pass("config", which + ": allowed by the schema")
                         : fail("config", file_ + ": " + which + ": " + listed_errors(errors) +
                                              " (its schema). Give another one with --config."));
  }

  const std::string file_;
  const std::string_view bytes_;
  const json& config_;
  const std::function<void(const CheckResult&)>& tell_;
  std::string text_;
  json raw_;
  Manifest manifest_;
};

}  // namespace

void check_file(std::string_view file_name, std::string_view bytes, const json& config,
                const std::function<void(const CheckResult&)>& tell) {
  FileCheck(file_name, bytes, config, tell).run();
}

}  // namespace broadcast

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
  FileCheck(std::string_view file, std::string_view bytes, const json& config)
      : file_(file), bytes_(bytes), config_(config) {}

  std::vector<CheckResult> run() {
    if (!check_elf()) {
      skip_all({"exports", "unique", "manifest", "requires", "schema", "config"}, kUnread);
      return std::move(results_);
    }
    check_symbols();
    if (check_manifest()) {
      check_requires();
      if (check_schema_itself()) {
        check_config();
      } else {
        skip_all({"config"}, "its schema is not valid");
      }
    } else {
      skip_all({"requires", "schema", "config"}, kNoManifest);
    }
    return std::move(results_);
  }

 private:
  void skip_all(std::initializer_list<const char*> names, std::string_view why) {
    for (const char* const name : names) results_.push_back(skip(name, std::string(why)));
  }

  bool check_elf() {
    try {
      text_ = check_plugin_elf(file_, bytes_);
      results_.push_back(pass("elf", "a whole shared library for this machine"));
      return true;
    } catch (const PluginRefused& refused) {
      results_.push_back(fail("elf", refused.what()));
      return false;
    }
  }

  void check_symbols() {
    std::vector<std::string> others;
    std::vector<std::string> unique;
    for (const auto& symbol : read_elf_symbols(file_, bytes_).symbols) {
      if (!symbol.is_defined) continue;
      if (symbol.name != BC_ENTRY_SYMBOL) others.push_back(symbol.name);
      if (symbol.is_unique) unique.push_back(symbol.name);
    }
    results_.push_back(
        others.empty()
            ? pass("exports", "bc_plugin_entry and nothing else")
            : fail("exports", file_ + ": exports " + std::to_string(others.size()) +
                                  " symbols beside bc_plugin_entry (" + listed_names(others) +
                                  "); other libraries could bind to them. Build it with "
                                  "broadcast_add_plugin(), or link with "
                                  "-Wl,--version-script=plugin.map."));
    results_.push_back(unique.empty()
                           ? pass("unique", "no STB_GNU_UNIQUE symbol")
                           : fail("unique", file_ + ": has " + std::to_string(unique.size()) +
                                                " STB_GNU_UNIQUE symbols (" + listed_names(unique) +
                                                "), which keep it mapped for ever and are shared "
                                                "between plugins. Compile with -fno-gnu-unique, as "
                                                "broadcast_add_plugin() does."));
  }

  /// Its schema is left out: check_schema_itself() has all that is wrong with it.
  bool check_manifest() {
    raw_ = json::parse(text_, nullptr, /*allow_exceptions=*/false);
    json others = raw_;
    if (others.is_object()) others.erase("config");
    try {
      manifest_ = parse_manifest(file_, others.is_object() ? others.dump() : text_);
      results_.push_back(pass("manifest", manifest_.name + " " + manifest_.version + ", " +
                                              std::to_string(manifest_.topics.size()) + " topics"));
      return true;
    } catch (const PluginRefused& refused) {
      results_.push_back(fail("manifest", refused.what()));
      return false;
    }
  }

  void check_requires() {
    const auto refusal = missing_service(manifest_, file_, Broadcasters::offer(kHostVersion));
    results_.push_back(refusal ? fail("requires", *refusal)
                               : pass("requires", std::to_string(manifest_.services.size()) +
                                                      " host services, all offered"));
  }

  bool check_schema_itself() {
    if (raw_.contains("config")) manifest_.config_schema = raw_["config"];
    const auto errors = check_schema(manifest_.config_schema);
    results_.push_back(errors.empty()
                           ? pass("schema", "valid, and so are its defaults")
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
    results_.push_back(errors.empty()
                           ? pass("config", which + ": allowed by the schema")
                           : fail("config", file_ + ": " + which + ": " + listed_errors(errors) +
                                                " (its schema). Give another one with --config."));
  }

  const std::string file_;
  const std::string_view bytes_;
  const json& config_;
  std::string text_;
  json raw_;
  Manifest manifest_;
  std::vector<CheckResult> results_;
};

}  // namespace

std::vector<CheckResult> check_file(std::string_view file_name, std::string_view bytes,
                                    const json& config) {
  return FileCheck(file_name, bytes, config).run();
}

}  // namespace broadcast

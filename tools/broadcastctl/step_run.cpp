#include "tools/broadcastctl/step_run.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>

#include <broadcast/schema.hpp>

#include "host/app/version.hpp"
#include "host/base/printable.hpp"
#include "host/base/utf8.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/loader/own_libraries.hpp"

namespace broadcast {

std::string short_text(const std::string& text) {
  constexpr std::size_t kMost = 200;
  const std::string safe = printable(text);
  return safe.size() <= kMost ? safe
                              : std::string(cut_utf8(safe, kMost)) + "... (" +
                                    std::to_string(text.size()) + " bytes)";
}

std::string seconds_text(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
}

StepRun::StepRun(const CheckOptions& options, const ChildReport& report)
    : options_(options),
      report_(report),
      random_(options.seed),
      plugin_{.file = PluginFile::read(options.library, Broadcasters::offer(kHostVersion)),
              .config = {}} {
  plugin_.config = with_defaults(manifest().config_schema, options.config).dump();
}

std::string StepRun::named(const std::string& why, const std::string& where) const {
  const std::string name = file() + ": ";
  return name + where + (why.starts_with(name) ? why.substr(name.size()) : why);
}

void StepRun::tell_found(const char* check, const std::string& found, const std::string& good,
                         const std::string& remedy) const {
  result(found.empty() ? pass(check, good)
                       : broadcast::fail(check, file() + ": " + found + ". " + remedy));
}

std::vector<std::string> StepRun::topics() {
  std::vector<std::string> topics = options_.topics;
  for (const TopicPattern& pattern : manifest().topics) {
    if (std::ranges::any_of(topics, [&](const auto& topic) { return pattern.accepts(topic); })) {
      continue;
    }
    if (auto topic = sample_topic(pattern, random_)) topics.push_back(*std::move(topic));
  }
  return topics;
}

void StepRun::give_up_stuck(const std::string& check, const std::string& where) const {
  give_up(broadcast::fail(
      check, file() + ": " + where + " was not over " + seconds_text(options_.deadline) +
                 " after it was asked to stop: a callback has not returned. Ask stopping() in long "
                 "loops, give waits a time-out, and look at the deadline of on_stop()."));
}

/// The linker takes what is loaded already under a SONAME, whatever lies beside the plugin.
void StepRun::judge_libraries(const ElfNeeds& needs) const {
  std::string found;
  std::size_t own_count = 0;
  for (const std::string& library : needs.libraries) {
    const auto own = own_library(options_.library, needs, library);
    if (!own) continue;
    ++own_count;
    void* const loaded = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (loaded == nullptr) continue;
    link_map* map = nullptr;
    if (::dlinfo(loaded, RTLD_DI_LINKMAP, &map) == 0) {
      found += (found.empty() ? "" : ", ") + own->string() + " (the host has " + map->l_name + ")";
    }
    ::dlclose(loaded);
  }
  tell_found(
      "libraries", found.empty() ? "" : "would not get its own libraries, but the host's: " + found,
      std::to_string(own_count) + " of its own, none under a name that the host has",
      "They have the same SONAME. Give its own libraries other SONAMEs, or link them statically.");
}

void StepRun::symbols() {
  const ElfNeeds needs = read_elf_needs(file(), plugin_.file->bytes());
  judge_libraries(needs);
  const ElfSymbols elf = read_elf_symbols(file(), plugin_.file->bytes());
  std::vector<void*> providers = {RTLD_DEFAULT};
  for (const std::string& library : needs.libraries) {
    report_.about_to("load " + library + ", which it needs");
    const auto path = in_run_path(options_.library, needs, library);
    void* const loaded = ::dlopen(path ? path->c_str() : library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (loaded == nullptr) {
      // Who it is and why. NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's is a thread's own
      const std::string why = ::dlerror();
      return result(broadcast::fail("symbols", file() +
                                                   ": needs a library that is not here: " + why +
                                                   ". Install it, or link the plugin without it."));
    }
    providers.push_back(loaded);
  }
  std::vector<std::string> missing;
  for (const auto& symbol : elf.symbols) {
    const bool is_open = !symbol.is_defined && !symbol.is_weak;
    if (!is_open || std::ranges::any_of(providers, [&](void* provider) {
          return ::dlsym(provider, symbol.name.c_str()) != nullptr;
        })) {
      continue;
    }
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> readable(
        abi::__cxa_demangle(symbol.name.c_str(), nullptr, nullptr, &status), &std::free);
    missing.emplace_back(readable ? readable.get() : symbol.name.c_str());
  }
  if (missing.empty()) return result(pass("symbols", "everything it uses is provided"));
  constexpr std::size_t kMost = 5;
  std::string names;
  for (std::size_t i = 0; i < std::min(missing.size(), kMost); ++i) {
    names += (names.empty() ? "" : ", ") + missing[i];
  }
  if (missing.size() > kMost) names += ", ...";
  result(
      broadcast::fail("symbols", file() + ": uses " + std::to_string(missing.size()) +
                                     " symbols that nothing provides (" + names +
                                     "). Add the source or library that has them; "
                                     "broadcast_add_plugin() makes this an error of the linker."));
}

}  // namespace broadcast

// The file of a plugin before anything of it is mapped.

#include <string>

#include "host/loader/elf_image.hpp"
#include "host/loader/plugin_refused.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string_view bytes = fuzz::text_of(data, size);
  try {
    const ElfFacts facts = read_elf("fuzz.so", bytes);
    fuzz::require(!facts.manifest || facts.manifest->size() < size, "a manifest is in the file");
    fuzz::require(!facts.manifest || bytes.find(*facts.manifest) != std::string_view::npos,
                  "a manifest is what the file has");
    static_cast<void>(newer_library_needed("fuzz.so", facts.needed_versions, {"GLIBC_2.36"}));
    static_cast<void>(newer_library_needed("fuzz.so", {"GLIBC_2.36"}, facts.defined_versions));
    const ElfSymbols symbols = read_elf_symbols("fuzz.so", bytes);
    fuzz::require(symbols.symbols.size() <= size, "each symbol takes bytes of the file");
    static_cast<void>(check_plugin_elf("fuzz.so", bytes));
  } catch (const PluginRefused& refused) {
    fuzz::require_sentence(refused.what());
    fuzz::require(std::string_view(refused.what()).starts_with("fuzz.so: "),
                  "a refusal names the file");
  }
  return 0;
}

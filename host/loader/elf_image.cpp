#include "host/loader/elf_image.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <sstream>

#include <elf.h>

#include <broadcast/abi.h>

#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kHostMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kHostMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr std::uint16_t kHostMachine = EM_RISCV;
#else
#error "name this machine's ELF number here and in machine_name()"
#endif

constexpr std::size_t kMaxVersions = 4096;  // libstdc++ has about a hundred

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_386:
      return "i386";
    case EM_AARCH64:
      return "aarch64";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "ppc64";
    case EM_S390:
      return "s390";
    default:
      return "machine " + std::to_string(machine);
  }
}

/// What the dynamic section says; 0 stands for absent.
struct Dynamic {
  std::uint64_t strings = 0, strings_bytes = 0, symbols = 0, gnu_hash = 0, hash = 0;
  std::uint64_t needed = 0, needed_count = 0, defined = 0, defined_count = 0;
  std::uint64_t run_path = 0, older_run_path = 0;  // names may not begin at 0
  std::vector<std::uint64_t> libraries;
};

class Image {
 public:
  Image(std::string_view file, std::string_view bytes) : file_(file), bytes_(bytes) {
    check_header();
    read_segments();
    read_dynamic();
  }

  [[nodiscard]] bool defines(std::string_view name) const {
    return dynamic_.gnu_hash != 0 ? in_gnu_hash(name) : dynamic_.hash != 0 && in_hash(name);
  }

  [[nodiscard]] std::optional<std::string> note(std::string_view owner, std::uint32_t type) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_NOTE) continue;
      if (auto text = note_in(segment, owner, type)) return text;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::vector<std::string> needed_versions() const {
    std::vector<std::string> names;
    if (dynamic_.needed == 0) return names;
    std::uint64_t at = offset_of(dynamic_.needed);
    for (std::uint64_t i = 0; i < dynamic_.needed_count; ++i) {
      const auto library = read<Elf64_Verneed>(at);
      std::uint64_t version_at = at + library.vn_aux;
      for (std::uint16_t j = 0; j < library.vn_cnt; ++j) {
        const auto version = read<Elf64_Vernaux>(version_at);
        add_version(names, version.vna_name);
        if (version.vna_next == 0) break;
        version_at += version.vna_next;
      }
      if (library.vn_next == 0) break;
      at += library.vn_next;
    }
    return names;
  }

  [[nodiscard]] std::vector<std::string> defined_versions() const {
    std::vector<std::string> names;
    if (dynamic_.defined == 0) return names;
    std::uint64_t at = offset_of(dynamic_.defined);
    for (std::uint64_t i = 0; i < dynamic_.defined_count; ++i) {
      const auto version = read<Elf64_Verdef>(at);
      add_version(names, read<Elf64_Verdaux>(at + version.vd_aux).vda_name);
      if (version.vd_next == 0) break;
      at += version.vd_next;
    }
    return names;
  }

  [[nodiscard]] ElfSymbols symbols() const {
    ElfSymbols result;
    const std::uint32_t count = symbol_count();
    for (std::uint32_t i = 1; i < count; ++i) {
      const auto symbol = read<Elf64_Sym>(dynamic_.symbols + std::uint64_t{i} * sizeof(Elf64_Sym));
      const auto binding = ELF64_ST_BIND(symbol.st_info);
      if (binding == STB_LOCAL || symbol.st_name == 0) continue;
      result.symbols.push_back({.name = std::string(string_at(symbol.st_name)),
                                .is_defined = symbol.st_shndx != SHN_UNDEF,
                                .is_weak = binding == STB_WEAK,
                                .is_unique = binding == STB_GNU_UNIQUE});
    }
    return result;
  }

  [[nodiscard]] ElfNeeds needs() const {
    ElfNeeds needs;
    for (const std::uint64_t name : dynamic_.libraries) {
      needs.libraries.emplace_back(string_at(name));
    }
    const std::uint64_t at = dynamic_.run_path != 0 ? dynamic_.run_path : dynamic_.older_run_path;
    std::istringstream path(std::string(at != 0 ? string_at(at) : ""));
    for (std::string directory; std::getline(path, directory, ':');) {
      needs.run_path.push_back(directory);
    }
    return needs;
  }

  [[nodiscard]] bool has_executable_stack() const {
    const auto stack = std::ranges::find(segments_, Elf64_Word{PT_GNU_STACK}, &Elf64_Phdr::p_type);
    return stack == segments_.end() || (stack->p_flags & PF_X) != 0;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw PluginRefused(std::string(file_) + ": " + what);
  }
  [[noreturn]] void refuse_damaged(const std::string& what) const {
    refuse("damaged ELF: " + what + ". Build or copy it again.");
  }
  void check_whole(std::string_view what, std::uint64_t begin, std::uint64_t bytes) const {
    if (bytes > UINT64_MAX - begin) refuse_damaged(std::string(what) + " beyond every address");
    if (begin + bytes <= bytes_.size()) return;
    refuse("truncated: " + std::string(what) + " at " + std::to_string(begin + bytes) +
           ", file has " + std::to_string(bytes_.size()) + " bytes.");
  }

  template <class T>
  [[nodiscard]] T read(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) {
      refuse_damaged("a table points outside the file");
    }
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  void check_header() {
    if (bytes_.substr(0, SELFMAG) != std::string_view(ELFMAG, SELFMAG)) {
      refuse("not an ELF shared library.");
    }
    check_whole("ELF header ends", 0, sizeof(Elf64_Ehdr));
    header_ = read<Elf64_Ehdr>(0);
    const bool is_native =
        header_.e_ident[EI_CLASS] == ELFCLASS64 && header_.e_ident[EI_DATA] == ELFDATA2LSB;
    if (header_.e_machine != kHostMachine || !is_native) {
      const bool is_swapped = header_.e_ident[EI_DATA] == ELFDATA2MSB;
      const auto machine = is_swapped ? __builtin_bswap16(header_.e_machine) : header_.e_machine;
      const std::string width = header_.e_ident[EI_CLASS] == ELFCLASS32 ? "32-bit " : "";
      refuse(width + "ELF for " + (is_swapped ? "big-endian " : "") + machine_name(machine) +
             ", this host is " + machine_name(kHostMachine) + ".");
    }
    if (header_.e_type != ET_DYN) {
      refuse("ELF type " + std::to_string(header_.e_type) +
             ", not a shared library. Build it with broadcast_add_plugin().");
    }
  }

  void read_segments() {
    if (header_.e_phentsize != sizeof(Elf64_Phdr)) refuse_damaged("odd program header size");
    check_whole("program headers end", header_.e_phoff, header_.e_phnum * sizeof(Elf64_Phdr));
    for (std::uint64_t i = 0; i < header_.e_phnum; ++i) {
      segments_.push_back(read<Elf64_Phdr>(header_.e_phoff + i * sizeof(Elf64_Phdr)));
    }
    // The largest end first: that is how long the file once was.
    std::vector<Elf64_Phdr> by_end = segments_;
    std::ranges::sort(by_end, std::greater<>(),
                      [](const Elf64_Phdr& one) { return one.p_offset + one.p_filesz; });
    for (const Elf64_Phdr& segment : by_end) {
      const bool is_read =
          segment.p_type == PT_LOAD || segment.p_type == PT_DYNAMIC || segment.p_type == PT_NOTE;
      if (is_read) check_whole("segment ends", segment.p_offset, segment.p_filesz);
    }
    if (header_.e_shoff != 0) {
      check_whole("section headers end", header_.e_shoff,
                  std::uint64_t{header_.e_shnum} * header_.e_shentsize);
    }
  }

  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
      if (address - segment.p_vaddr < segment.p_filesz) {
        return segment.p_offset + (address - segment.p_vaddr);
      }
    }
    refuse_damaged("an address lies in no segment");
  }

  void read_dynamic() {
    const auto segment = std::ranges::find(segments_, Elf64_Word{PT_DYNAMIC}, &Elf64_Phdr::p_type);
    if (segment == segments_.end()) refuse_damaged("no dynamic section");
    for (std::uint64_t i = 0; i < segment->p_filesz / sizeof(Elf64_Dyn); ++i) {
      const auto entry = read<Elf64_Dyn>(segment->p_offset + i * sizeof(Elf64_Dyn));
      if (entry.d_tag == DT_NULL) break;
      if (std::uint64_t* const field = field_of(entry.d_tag)) *field = entry.d_un.d_val;
      if (entry.d_tag == DT_NEEDED) dynamic_.libraries.push_back(entry.d_un.d_val);
    }
    if (dynamic_.strings == 0 || dynamic_.symbols == 0) refuse_damaged("no dynamic symbols");
    dynamic_.strings = offset_of(dynamic_.strings);
    dynamic_.symbols = offset_of(dynamic_.symbols);
    check_whole("dynamic strings end", dynamic_.strings, dynamic_.strings_bytes);
  }

  std::uint64_t* field_of(Elf64_Sxword tag) {
    switch (tag) {
      case DT_STRTAB:
        return &dynamic_.strings;
      case DT_STRSZ:
        return &dynamic_.strings_bytes;
      case DT_SYMTAB:
        return &dynamic_.symbols;
      case DT_GNU_HASH:
        return &dynamic_.gnu_hash;
      case DT_HASH:
        return &dynamic_.hash;
      case DT_VERNEED:
        return &dynamic_.needed;
      case DT_VERNEEDNUM:
        return &dynamic_.needed_count;
      case DT_VERDEF:
        return &dynamic_.defined;
      case DT_VERDEFNUM:
        return &dynamic_.defined_count;
      case DT_RUNPATH:
        return &dynamic_.run_path;
      case DT_RPATH:
        return &dynamic_.older_run_path;
      default:
        return nullptr;
    }
  }

  [[nodiscard]] std::string_view string_at(std::uint64_t index) const {
    const std::string_view strings = bytes_.substr(dynamic_.strings, dynamic_.strings_bytes);
    const std::size_t end = index < strings.size() ? strings.find('\0', index) : strings.npos;
    if (end == strings.npos) refuse_damaged("a name lies outside its table");
    return strings.substr(index, end - index);
  }

  [[nodiscard]] bool is_symbol(std::uint32_t index, std::string_view name) const {
    const auto symbol =
        read<Elf64_Sym>(dynamic_.symbols + std::uint64_t{index} * sizeof(Elf64_Sym));
    return symbol.st_shndx != SHN_UNDEF && string_at(symbol.st_name) == name;
  }

  // Both look-ups are the ones that dlsym() will do.
  [[nodiscard]] bool in_gnu_hash(std::string_view name) const {
    std::uint32_t hash = 5381;
    for (const char c : name) hash = hash * 33 + static_cast<unsigned char>(c);
    const std::uint64_t at = offset_of(dynamic_.gnu_hash);
    const auto buckets = read<std::uint32_t>(at);
    const auto first = read<std::uint32_t>(at + 4);
    const auto bloom_words = read<std::uint32_t>(at + 8);
    if (buckets == 0) return false;
    const std::uint64_t buckets_at = at + 16 + std::uint64_t{bloom_words} * 8;
    const std::uint64_t chains_at = buckets_at + std::uint64_t{buckets} * 4;
    auto index = read<std::uint32_t>(buckets_at + std::uint64_t{hash % buckets} * 4);
    if (index < first) return false;
    for (;; ++index) {
      const auto link = read<std::uint32_t>(chains_at + std::uint64_t{index - first} * 4);
      if ((link | 1) == (hash | 1) && is_symbol(index, name)) return true;
      if ((link & 1) != 0) return false;
    }
  }

  /// The table has no length of its own: the chains of its hash table end where it ends.
  [[nodiscard]] std::uint32_t symbol_count() const {
    if (dynamic_.gnu_hash == 0) {
      return dynamic_.hash == 0 ? 0 : read<std::uint32_t>(offset_of(dynamic_.hash) + 4);
    }
    const std::uint64_t at = offset_of(dynamic_.gnu_hash);
    const auto buckets = read<std::uint32_t>(at);
    const auto first = read<std::uint32_t>(at + 4);
    const std::uint64_t buckets_at = at + 16 + std::uint64_t{read<std::uint32_t>(at + 8)} * 8;
    const std::uint64_t chains_at = buckets_at + std::uint64_t{buckets} * 4;
    std::uint32_t last = 0;
    for (std::uint32_t i = 0; i < buckets; ++i) {
      last = std::max(last, read<std::uint32_t>(buckets_at + std::uint64_t{i} * 4));
    }
    if (last < first) return first;
    while ((read<std::uint32_t>(chains_at + std::uint64_t{last - first} * 4) & 1) == 0) ++last;
    return last + 1;
  }

  [[nodiscard]] bool in_hash(std::string_view name) const {
    std::uint32_t hash = 0;
    for (const char c : name) {
      hash = (hash << 4) + static_cast<unsigned char>(c);
      hash = (hash ^ ((hash >> 24) & 0xf0)) & 0x0fffffff;
    }
    const std::uint64_t at = offset_of(dynamic_.hash);
    const auto buckets = read<std::uint32_t>(at);
    const auto chains = read<std::uint32_t>(at + 4);
    if (buckets == 0) return false;
    const std::uint64_t chains_at = at + 8 + std::uint64_t{buckets} * 4;
    // A chain that bites its tail ends when all have been seen: there are only as many as fit.
    check_whole("hash table ends", chains_at, std::uint64_t{chains} * 4);
    auto index = read<std::uint32_t>(at + 8 + std::uint64_t{hash % buckets} * 4);
    for (std::uint32_t steps = 0; index != 0 && steps < chains; ++steps) {
      if (is_symbol(index, name)) return true;
      index = read<std::uint32_t>(chains_at + std::uint64_t{index} * 4);
    }
    return false;
  }

  [[nodiscard]] std::optional<std::string> note_in(const Elf64_Phdr& segment,
                                                   std::string_view owner,
                                                   std::uint32_t type) const {
    const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
    const auto padded = [align](std::uint64_t size) { return (size + align - 1) / align * align; };
    std::uint64_t at = segment.p_offset;
    const std::uint64_t end = segment.p_offset + segment.p_filesz;
    while (end - at >= sizeof(Elf64_Nhdr)) {
      const auto note = read<Elf64_Nhdr>(at);
      const std::uint64_t name_at = at + sizeof note;
      const std::uint64_t text_at = at + padded(sizeof note + note.n_namesz);
      const std::uint64_t next = at + padded(text_at - at + note.n_descsz);
      if (text_at + note.n_descsz > end) refuse_damaged("a note ends outside its segment");
      const std::string_view name = bytes_.substr(name_at, note.n_namesz);
      if (note.n_type == type && name.substr(0, name.find('\0')) == owner) {
        const std::string_view text = bytes_.substr(text_at, note.n_descsz);
        return std::string(text.substr(0, text.find_last_not_of('\0') + 1));
      }
      if (next >= end) break;
      at = next;
    }
    return std::nullopt;
  }

  void add_version(std::vector<std::string>& names, std::uint64_t name) const {
    if (names.size() == kMaxVersions) refuse_damaged("endless version table");
    names.emplace_back(string_at(name));
  }

  const std::string_view file_;
  const std::string_view bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  Dynamic dynamic_;
};

}  // namespace

ElfFacts read_elf(std::string_view file_name, std::string_view bytes) {
  const Image image(file_name, bytes);
  return {.exports_entry = image.defines(BC_ENTRY_SYMBOL),
          .manifest = image.note("BC", 1),
          .needed_versions = image.needed_versions(),
          .defined_versions = image.defined_versions()};
}

ElfSymbols read_elf_symbols(std::string_view file_name, std::string_view bytes) {
  return Image(file_name, bytes).symbols();
}

ElfNeeds read_elf_needs(std::string_view file_name, std::string_view bytes) {
  return Image(file_name, bytes).needs();
}

bool has_executable_stack(std::string_view file_name, std::string_view bytes) {
  return Image(file_name, bytes).has_executable_stack();
}

}  // namespace broadcast

// One file, because a signal handler writes what the next start reads: both sides of one format.
#include "host/base/crash_marker.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <string.h>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace broadcast {

namespace {

using Slot = CrashFile::Slot;
using Count = CrashFile::Count;

constexpr std::uint64_t kInNoSlot = 0;

/// Of the marker that lives, for signal handlers. One a process; tests have several, one at a time.
std::atomic<CrashFile*> mapped{nullptr};
/// The process whose marker that is. What a plugin forks has the mapping too, and is no host.
std::atomic<pid_t> mapped_by{0};

thread_local constinit const CallbackPlace* here = nullptr;

/// Cut to fit.
template <std::size_t N>
void put_text(std::array<char, N>& to, std::string_view text) {
  const std::size_t length = std::min(text.size(), N - 1);
  std::memcpy(to.data(), text.data(), length);
  to[length] = '\0';
}

template <std::size_t N>
std::string_view text_in(const std::array<char, N>& bytes) {
  return {bytes.data(), ::strnlen(bytes.data(), N)};
}

template <std::size_t N>
bool is_ended(const std::array<char, N>& bytes) {
  return ::strnlen(bytes.data(), N) < N;
}

/// Another library may count otherwise: then what it counted is of nobody.
std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

std::uint64_t key_of(std::string_view stream, std::string_view id) {
  return hash_of(std::string(stream).append(1, '\0').append(id)) | 1;  // never 0
}

std::uint64_t sum_of(const CrashFile& file) {
  return hash_of({reinterpret_cast<const char*>(file.counts.data()), sizeof file.counts});
}

void set_counts(CrashFile& file, const std::vector<Count>& counts) {
  file.counts = {};
  std::ranges::copy(counts, file.counts.begin());
  file.sum = sum_of(file);
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

std::string why_unusable(const CrashFile& file) {
  if (file.magic != CrashFile::kMagic || file.size != sizeof(CrashFile)) {
    return "it is not a crash marker of this version";
  }
  const bool is_whole =
      sum_of(file) == file.sum && is_ended(file.boot) &&
      std::ranges::all_of(
          file.counts,
          [](const Count& count) { return is_ended(count.broadcaster) && is_ended(count.how); }) &&
      std::ranges::all_of(file.slots, [](const Slot& slot) {
        return slot.callback <= static_cast<std::uint32_t>(Callback::kUnload) &&
               is_ended(slot.broadcaster) && is_ended(slot.entry_id);
      });
  return is_whole ? "" : "it is damaged";
}

std::string name_of_end(std::uint32_t how) {
  if (how == CrashFile::kGivenUp) return "a hang";
  if (how == CrashFile::kExit) return "exit()";
  const char* const name = ::sigabbrev_np(static_cast<int>(how));
  return "SIG" + std::string(name != nullptr ? name : "?");
}

std::string because() { return std::generic_category().message(errno); }

/// A link or a pipe in its place is not followed or waited for.
int open_marker(const std::string& path, int flags) {
  return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/// Empty: `bytes` is what it holds.
std::string why_not_read(int descriptor, std::string& bytes) {
  struct stat status {};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0) return because();
  if (!S_ISREG(status.st_mode)) return "not a regular file";
  bytes.resize(sizeof(CrashFile) + 1);  // a byte more than it should have, to see that
  const ssize_t count = ::pread(descriptor, bytes.data(), bytes.size(), 0);
  if (count < 0) return because();
  bytes.resize(static_cast<std::size_t>(count));
  return {};
}

template <class Is>
CrashEnds find(const std::vector<Count>& counts, Is is) {
  const auto found = std::ranges::find_if(counts, is);
  if (found == counts.end()) return {};
  return {.count = found->ends, .how = std::string(text_in(found->how))};
}

bool is_start(Callback callback) {
  return callback >= Callback::kLoad && callback <= Callback::kStart;
}

/// The place of what ran, made if need be; the oldest gives way. Null: it is nothing that counts.
Count* place_of(std::vector<Count>& counts, const Slot& slot) {
  const auto callback = static_cast<Callback>(slot.callback);
  const bool is_entry = slot.entry != 0 && !is_start(callback);
  if (!is_entry && !is_start(callback)) return nullptr;
  const std::uint32_t wants_start = is_entry ? 0 : 1;
  const std::uint64_t of = is_entry ? slot.entry : slot.build;
  // Another library or config of a broadcaster begins anew.
  std::erase_if(counts, [&](const Count& count) {
    return !is_entry && count.is_start != 0 && count.of != of &&
           text_in(count.broadcaster) == text_in(slot.broadcaster);
  });
  // Two broadcasters may have one library and config.
  const auto found = std::ranges::find_if(counts, [&](const Count& count) {
    return count.is_start == wants_start && count.of == of &&
           (is_entry || text_in(count.broadcaster) == text_in(slot.broadcaster));
  });
  if (found != counts.end()) return &*found;
  if (counts.size() == std::tuple_size_v<decltype(CrashFile::counts)>) counts.erase(counts.begin());
  Count& count = counts.emplace_back();
  count.of = of;
  count.is_start = wants_start;
  count.broadcaster = slot.broadcaster;
  return &count;
}

/// Counts an end in it; says so.
std::string count_end(std::vector<Count>& counts, const Slot& slot, const std::string& by) {
  const auto called = static_cast<Callback>(slot.callback);
  const std::string callback(to_string(called));
  std::string text = by + " in " + callback + " of " + std::string(text_in(slot.broadcaster)) +
                     " (generation " + std::to_string(slot.generation) + ")";
  if (slot.entry != 0 && !is_start(called)) {
    text.append(words_before_entry(called)).append(text_in(slot.entry_id));
  }
  Count* const count = place_of(counts, slot);
  if (count == nullptr) return text;
  ++count->ends;
  put_text(count->how, by + " in " + callback);
  text += ": " + std::to_string(count->ends);
  if (count->ends <= CrashMarker::kMostEnds)
    text += " of " + std::to_string(CrashMarker::kMostEnds);
  return text + (count->is_start != 0 ? " in a row, then it is left out" : ", then it is refused");
}

}  // namespace

std::string_view to_string(Callback callback) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "nothing", "load",  "create", "CONFIG", "START",   "MESSAGE",
      "DEMAND",  "TIMER", "POST",   "STOP",   "destroy", "unload"};
  return kNames[static_cast<std::size_t>(callback)];
}

std::string_view words_before_entry(Callback callback) {
  return callback == Callback::kMessage ? ", stream entry " : ", after stream entry ";
}

CrashHistory read_crash_file(std::string_view bytes, std::string_view boot,
                             const MemoryKills& kills) {
  if (bytes.empty()) return {};
  if (bytes.size() != sizeof(CrashFile))
    return {.refusal = "it is not a crash marker of this version"};
  CrashFile file;
  std::memcpy(&file, bytes.data(), sizeof file);
  if (std::string why = why_unusable(file); !why.empty()) return {.refusal = std::move(why)};
  CrashHistory history;
  std::ranges::copy_if(file.counts, std::back_inserter(history.counts),
                       [](const Count& count) { return count.ends > 0; });
  const auto how = static_cast<std::uint32_t>(file.end);
  const std::uint64_t slot = file.end >> 32;
  if (how == CrashFile::kInOrder) return history;
  // Of another boot, some of its pages may be older than others.
  const bool is_same_boot = text_in(file.boot) == boot;
  if (is_same_boot && how != 0) {
    history.last_end = "the last run of the host ended by ";
    if (slot == kInNoSlot || slot > file.slots.size()) {
      history.last_end += name_of_end(how) + " outside any callback of a broadcaster";
    } else {
      history.last_end += count_end(history.counts, file.slots[slot - 1], name_of_end(how));
    }
    return history;
  }
  if (is_same_boot && was_killed_for_memory(file.kills, kills)) {
    history.last_end = "the last run of the host was killed because memory ran out";
    for (const Slot& one : file.slots) {
      if (one.callback == 0) continue;
      history.last_end += "; " + count_end(history.counts, one, "an out-of-memory kill");
    }
    return history;
  }
  history.last_end =
      "the last run of the host was killed, or the machine stopped; this is not counted";
  return history;
}

CrashHistory look_at_crash_file(const std::string& path) {
  const int descriptor = open_marker(path, O_RDONLY);
  if (descriptor < 0 && errno == ENOENT) return {};
  std::string bytes;
  std::string why = why_not_read(descriptor, bytes);
  if (descriptor >= 0) ::close(descriptor);
  if (!why.empty()) return {.refusal = std::move(why)};
  return read_crash_file(bytes, boot_id(), MemoryKills{});
}

CrashEnds ends_in_start(const std::vector<Count>& counts, std::string_view broadcaster,
                        std::uint64_t build) {
  return find(counts, [&](const Count& count) {
    return count.is_start != 0 && count.of == build && text_in(count.broadcaster) == broadcaster;
  });
}

std::string why_left_out(const CrashEnds& ends) {
  if (ends.count < CrashMarker::kMostEnds) return {};
  return "left out: it has ended the host while starting " + std::to_string(ends.count) +
         " times in a row, the last time by " + ends.how;
}

CrashMarker::CrashMarker(const std::string& path) {
  if (path.empty() || !try_open(path)) {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    void* const own = ::mmap(nullptr, sizeof(CrashFile), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED) throw std::bad_alloc();
    file_ = static_cast<CrashFile*>(own);
  }
  mapped_by.store(::getpid());
  mapped.store(file_);
}

CrashMarker::~CrashMarker() {
  end_in_order();
  mapped.store(nullptr);
  ::munmap(file_, sizeof(CrashFile));
  if (descriptor_ >= 0) ::close(descriptor_);
}

/// False: the log says why not.
bool CrashMarker::try_open(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    spdlog::warn("{}: {}; after a crash the host will not know what was running", path, why);
    return false;
  };
  descriptor_ = open_marker(path, O_RDWR | O_CREAT);
  std::string bytes;
  if (const std::string why = why_not_read(descriptor_, bytes); !why.empty()) return refuse(why);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) return refuse("another host uses it");
  CrashFile file{};
  const std::string boot = boot_id();
  file.kills = look_for_memory_kills();
  CrashHistory history = read_crash_file(bytes, boot, file.kills);
  if (!history.refusal.empty()) {
    spdlog::warn("{}: {}; a new one is begun, and its crash counts are lost", path,
                 history.refusal);
  }
  if (!history.last_end.empty()) spdlog::error("{}", history.last_end);
  file.magic = CrashFile::kMagic;
  file.size = sizeof file;
  put_text(file.boot, boot);
  set_counts(file, history.counts);
  // Written and not only mapped, so that it has its place on the disk: there a full one is an error
  // and no SIGBUS.
  if (::pwrite(descriptor_, &file, sizeof file, 0) != static_cast<ssize_t>(sizeof file) ||
      ::ftruncate(descriptor_, sizeof file) != 0) {
    return refuse(because());
  }
  void* const shared = ::mmap(nullptr, sizeof file, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_POPULATE, descriptor_, 0);
  if (shared == MAP_FAILED) return refuse(because());
  file_ = static_cast<CrashFile*>(shared);
  counts_.with_lock([&](Counts& counts) { counts = std::move(history.counts); });
  return true;
}

template <class Is>
void CrashMarker::forget(Is is) {
  counts_.with_lock([&](Counts& counts) {
    if (std::erase_if(counts, is) > 0) set_counts(*file_, counts);
  });
}

CrashEnds CrashMarker::ends_in_start(std::string_view broadcaster, std::uint64_t build) const {
  return counts_.with_lock(
      [&](const Counts& counts) { return broadcast::ends_in_start(counts, broadcaster, build); });
}

CrashEnds CrashMarker::ends_in_entry(std::string_view stream, std::string_view id) const {
  return counts_.with_lock([of = key_of(stream, id)](const Counts& counts) {
    return find(counts, [of](const Count& count) { return count.is_start == 0 && count.of == of; });
  });
}

void CrashMarker::forget_starts(std::string_view broadcaster) {
  forget([&](const Count& count) {
    return count.is_start != 0 && text_in(count.broadcaster) == broadcaster;
  });
}

void CrashMarker::forget_entry(std::string_view stream, std::string_view id) {
  const std::uint64_t of = key_of(stream, id);
  for (Slot& slot : file_->slots) {
    std::uint64_t entry = of;
    std::atomic_ref(slot.entry).compare_exchange_strong(entry, 0);
  }
  forget([of](const Count& count) { return count.is_start == 0 && count.of == of; });
}

void CrashMarker::note(const MemoryKills& kills) { file_->kills = kills; }

void CrashMarker::end_in_order() { record_end(-1, CrashFile::kInOrder); }

void CrashMarker::record_end(int slot, std::uint32_t how) {
  CrashFile* const file = mapped.load();
  if (file == nullptr || mapped_by.load() != ::getpid()) return;
  std::uint64_t running = 0;
  std::atomic_ref(file->end).compare_exchange_strong(
      running, static_cast<std::uint64_t>(slot + 1) << 32 | how);
}

bool CrashMarker::try_let_go(const void* address) {
  CrashFile* const file = mapped.load();
  const auto* const begin = reinterpret_cast<const char*>(file);
  const auto* const at = static_cast<const char*>(address);
  if (file == nullptr || at < begin || at >= begin + sizeof *file) return false;
  return ::mmap(file, sizeof *file, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0) == file;
}

/// -1: none is free.
int CrashMarker::take_slot() {
  return taken_.with_lock([](auto& taken) {
    const auto free = std::ranges::find(taken, false);
    if (free == taken.end()) return -1;
    *free = true;
    return static_cast<int>(free - taken.begin());
  });
}

void CrashMarker::give_back(int slot) {
  taken_.with_lock([&](auto& taken) { taken[static_cast<std::size_t>(slot)] = false; });
}

CallbackPlace::CallbackPlace(CrashMarker* marker, std::string broadcaster, std::uint64_t generation,
                             std::uint64_t build)
    : marker_(marker), broadcaster_(std::move(broadcaster)), generation_(generation) {
  if (marker_ != nullptr) number_ = marker_->take_slot();
  if (number_ >= 0) slot_ = &marker_->file_->slots[static_cast<std::size_t>(number_)];
  slot_->generation = static_cast<std::uint32_t>(generation);
  slot_->build = build;
  put_text(slot_->broadcaster, broadcaster_);
  set_entry("", "");
}

CallbackPlace::~CallbackPlace() {
  if (number_ >= 0) marker_->give_back(number_);
}

void CallbackPlace::set_entry(std::string_view stream, std::string_view id) {
  put_text(slot_->entry_id, stream.empty() ? "" : id);
  std::atomic_ref(slot_->entry).store(stream.empty() ? 0 : key_of(stream, id));
}

const char* CallbackPlace::entry_id() const {
  return std::atomic_ref(slot_->entry).load() != 0 ? slot_->entry_id.data() : "";
}

void CallbackPlace::record_giving_up() const {
  CrashMarker::record_end(number_, CrashFile::kGivenUp);
}

const CallbackPlace* CallbackPlace::current() { return here; }

CallbackMark::CallbackMark(CallbackPlace& place, Callback callback) : place_(place) {
  place_.callback_ = callback;
  here = &place_;
  // What it is about stands there before it.
  std::atomic_ref(place_.slot_->callback)
      .store(static_cast<std::uint32_t>(callback), std::memory_order_release);
}

CallbackMark::~CallbackMark() {
  std::atomic_ref(place_.slot_->callback).store(0, std::memory_order_release);
  here = nullptr;
  place_.callback_ = Callback::kNone;
}

}  // namespace broadcast

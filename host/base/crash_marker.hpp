#pragma once
// What of which broadcaster runs right now, in a small file that outlives the process, and how
// often the process has ended in it. A callback that crashes takes the host with it, and a
// supervisor starts that again, into the same callback: so the next life has to know. The file is
// mapped and never synced: marking a callback costs a few stores, and the page cache keeps them
// when the process dies.
//
// Only ends that the callback itself brought about count: a signal raised in it or its call of
// exit(), which base/last_words records, or the kernel's want of memory (base/memory_kills). An
// operator's kill, a power cut and the end of another's code do not, whatever ran at that moment.
// Two things are counted, and not more often than once a life: a start of a broadcaster (load,
// create, CONFIG, START) with this library and config, and a stream entry. That comes again in the
// next life until its position is kept, and so it counts in whatever callback of the same
// generation the process ends until then: its MESSAGE, a timer that it has set, or the destroy of
// the instance that it broke.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/guarded.hpp"
#include "host/base/memory_kills.hpp"

namespace broadcast {

/// What of a plugin's code the host calls.
enum class Callback : std::uint32_t {
  kNone,
  kLoad,
  kCreate,
  kConfig,
  kStart,
  kMessage,
  kDemand,
  kTimer,
  kPost,
  kStop,
  kDestroy,
  kUnload
};
/// "load", "START": as texts and lines name it.
[[nodiscard]] std::string_view to_string(Callback callback);
/// Before the id of the stream entry that such an end counts for. Async-signal-safe.
[[nodiscard]] std::string_view words_before_entry(Callback callback);

/// How the marker lies in its file. Numbers are this machine's; texts end with a NUL.
struct CrashFile {
  static constexpr std::array<char, 8> kMagic = {'b', 'c', 'm', 'a', 'r', 'k', '0', '2'};
  /// How the process ended: 0 while it runs, the number of a signal, or
  static constexpr std::uint32_t kGivenUp =
      0x10000;  ///< by itself, as a callback left it no choice
  static constexpr std::uint32_t kInOrder = 0x20000;  ///< nothing to tell
  static constexpr std::uint32_t kExit = 0x30000;     ///< a plugin called exit()
  static constexpr std::size_t kNameBytes = 72;       ///< of a broadcaster, with the NUL

  /// One generation of a broadcaster.
  struct Slot {
    std::uint32_t callback;
    std::uint32_t generation;
    std::uint64_t build;  ///< of its library and config
    std::uint64_t entry;  ///< the stream entry that it had last and that is not settled; 0: none
    std::array<char, kNameBytes> broadcaster;
    std::array<char, 48> entry_id;
  };
  struct Count {
    std::uint64_t of;        ///< the entry, or the build
    std::uint32_t is_start;  ///< 1: of a build
    std::uint32_t ends;      ///< 0: this place is free
    std::array<char, kNameBytes> broadcaster;
    std::array<char, 64> how;  ///< the last one: "SIGSEGV in START"
  };

  std::array<char, 8> magic;
  std::uint32_t size;
  std::uint32_t unused;
  std::array<char, 40> boot;  ///< of the machine
  std::uint64_t end;          ///< how, and in the upper half which slot, from 1; 0: in none
  MemoryKills kills;          ///< as they were noted last
  std::uint64_t sum;          ///< of the counts
  std::array<Count, 32> counts;
  std::array<Slot, 64> slots;
};

/// What a file says, with the last end counted in.
struct CrashHistory {
  std::vector<CrashFile::Count> counts;
  std::string last_end;  ///< a line for the log; empty: in order, or there is no life before
  std::string refusal;   ///< why the file is not to be used; empty: it is, or it is empty
};
/// Pure. `bytes` is the file; `boot` and `kills` are now.
[[nodiscard]] CrashHistory read_crash_file(std::string_view bytes, std::string_view boot,
                                           const MemoryKills& kills);

/// What is written down in the file at `path`, which may be a running host's; kills for want of
/// memory are not looked for. Where it cannot be read, `refusal` says why; where there is none, it
/// is empty.
[[nodiscard]] CrashHistory look_at_crash_file(const std::string& path);
struct CrashEnds {
  std::uint32_t count = 0;
  std::string how;  ///< of the last one: "SIGSEGV in START"
};
/// Of starts of `broadcaster` with that library and config, in a row.
[[nodiscard]] CrashEnds ends_in_start(const std::vector<CrashFile::Count>& counts,
                                      std::string_view broadcaster, std::uint64_t build);
/// Why a broadcaster with these ends is left out; empty: it is not.
[[nodiscard]] std::string why_left_out(const CrashEnds& ends);

class CrashMarker {
 public:
  /// After so many ends an entry is refused, and after so many in a row a broadcaster left out.
  static constexpr std::uint32_t kMostEnds = 3;

  /// [main] Counts how the life before ended, which it logs, and begins this one. Without a path,
  /// or where the file cannot be had, nothing outlives the process; the log says the latter.
  explicit CrashMarker(const std::string& path);
  /// As end_in_order(). REQUIRES: no CallbackPlace is left.
  ~CrashMarker();
  CrashMarker(const CrashMarker&) = delete;
  CrashMarker& operator=(const CrashMarker&) = delete;

  // [any]

  /// As the function of that name.
  [[nodiscard]] CrashEnds ends_in_start(std::string_view broadcaster, std::uint64_t build) const;
  /// In that entry of that stream.
  [[nodiscard]] CrashEnds ends_in_entry(std::string_view stream, std::string_view id) const;
  /// It has started.
  void forget_starts(std::string_view broadcaster);
  /// It is handled, or refused for good, and does not come again.
  void forget_entry(std::string_view stream, std::string_view id);
  /// About once a second.
  void note(const MemoryKills& kills);
  /// Whatever comes from now on does not count.
  void end_in_order();

  // Async-signal-safe, without a lock.

  /// The process ends in what stands in slot number `slot`, or in nothing (-1). The first one
  /// counts, and none of a process that was forked from the marker's. `how`: a signal,
  /// CrashFile::kGivenUp or CrashFile::kExit.
  static void record_end(int slot, std::uint32_t how);
  /// Of SIGBUS: the file was cut under the marker. From now on this life has none. False: the
  /// address is another's.
  [[nodiscard]] static bool try_let_go(const void* address);

 private:
  friend class CallbackPlace;
  using Counts = std::vector<CrashFile::Count>;

  [[nodiscard]] bool try_open(const std::string& path);
  [[nodiscard]] int take_slot();
  void give_back(int slot);
  template <class Is>
  void forget(Is is);

  int descriptor_ = -1;
  CrashFile* file_ = nullptr;
  Guarded<Counts> counts_;
  Guarded<std::array<bool, std::tuple_size_v<decltype(CrashFile::slots)>>> taken_;
};

/// Where it stands what of one generation runs: in the marker, for the next life, and here, for the
/// last words of this one. One thread at a time.
class CallbackPlace {
 public:
  /// `marker` outlives it; null: there is none.
  CallbackPlace(CrashMarker* marker, std::string broadcaster, std::uint64_t generation,
                std::uint64_t build);
  ~CallbackPlace();
  CallbackPlace(const CallbackPlace&) = delete;
  CallbackPlace& operator=(const CallbackPlace&) = delete;

  /// The next MESSAGE is this entry, which counts until forget_entry() or the next MESSAGE; an
  /// empty stream: none.
  void set_entry(std::string_view stream, std::string_view id);
  /// The process is about to end itself because of what is marked.
  void record_giving_up() const;

  /// Async-signal-safe: what the calling thread runs; null: nothing.
  [[nodiscard]] static const CallbackPlace* current();
  [[nodiscard]] const char* broadcaster() const { return broadcaster_.c_str(); }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] Callback callback() const { return callback_; }
  /// "" where no stream entry counts.
  [[nodiscard]] const char* entry_id() const;
  [[nodiscard]] int slot_number() const { return number_; }

 private:
  friend class CallbackMark;

  CrashMarker* const marker_;
  const std::string broadcaster_;
  const std::uint64_t generation_;
  Callback callback_ = Callback::kNone;
  int number_ = -1;
  CrashFile::Slot own_{};  // where the marker has none left
  CrashFile::Slot* slot_ = &own_;
};

/// From here to the end of the block, the calling thread runs this of it.
class CallbackMark {
 public:
  CallbackMark(CallbackPlace& place, Callback callback);
  ~CallbackMark();
  CallbackMark(const CallbackMark&) = delete;
  CallbackMark& operator=(const CallbackMark&) = delete;

 private:
  CallbackPlace& place_;
};

}  // namespace broadcast

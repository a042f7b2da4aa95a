#include "host/base/last_words.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string.h>
#include <string_view>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host/base/crash_marker.hpp"
#include "host/base/standard_files.hpp"

namespace broadcast {

namespace {

constexpr std::array<int, 7> kFatal = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
constexpr std::size_t kStackBytes = 64 * 1024;
/// EX_SOFTWARE: whatever restarts a program that has failed, restarts the host.
constexpr int kExitStatus = 70;

// Written before the first signal can come.
std::array<struct sigaction, kFatal.size()> handlers_before;
bool is_json = false;
pid_t told_by = 0;  // what a plugin forks inherits the handler, and its end is not the host's

/// A line that needs no memory: what does not fit is left out.
class FixedLine {
 public:
  FixedLine& operator<<(std::string_view text) {
    const std::size_t count = std::min(text.size(), bytes_.size() - length_);
    std::copy_n(text.data(), count, bytes_.data() + length_);
    length_ += count;
    return *this;
  }
  FixedLine& operator<<(std::uint64_t number) {
    std::array<char, 20> digits;
    std::size_t at = digits.size();
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    return *this << std::string_view(digits.data() + at, digits.size() - at);
  }
  void write_to(int descriptor) const {
    // Nothing can be done about a line that finds no reader.
    if (::write(descriptor, bytes_.data(), length_) < 0) return;
  }

 private:
  std::array<char, 512> bytes_;
  std::size_t length_ = 0;
};

void name_callback(FixedLine& line, const CallbackPlace& place) {
  line << " in " << to_string(place.callback()) << " of " << std::string_view(place.broadcaster())
       << " (generation " << place.generation() << ")";
  const std::string_view entry = place.entry_id();
  if (!entry.empty()) line << words_before_entry(place.callback()) << entry;
}

/// A plugin's own thread is called as the one that made it, "bc:price", unless it names itself.
void name_thread(FixedLine& line) {
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  line << " in no callback, thread " << std::string_view(name);
}

/// `how` as the marker has it; `place`: what the calling thread ran.
void record_end(const CallbackPlace* place, std::uint32_t how) {
  CrashMarker::record_end(place != nullptr ? place->slot_number() : -1, how);
}

void begin_line(FixedLine& line) {
  line << (is_json ? R"({"level":"critical","message":")" : "critical ") << "the host ends: ";
}

void name_place(FixedLine& line, const CallbackPlace* place) {
  if (place != nullptr) {
    name_callback(line, *place);
  } else {
    name_thread(line);
  }
}

void end_line(FixedLine& line) {
  line << (is_json ? "\"}\n" : "\n");
  line.write_to(standard_error());
}

void tell_end(int signal, const siginfo_t& info) {
  const bool is_sent =
      info.si_code == SI_USER || info.si_code == SI_QUEUE || info.si_code == SI_TKILL;
  const bool is_foreign = is_sent && info.si_pid != ::getpid();
  const CallbackPlace* const place = is_foreign ? nullptr : CallbackPlace::current();
  record_end(place, static_cast<std::uint32_t>(signal));
  const char* const abbreviation = ::sigabbrev_np(signal);
  FixedLine line;
  begin_line(line);
  line << "SIG" << std::string_view(abbreviation != nullptr ? abbreviation : "?");
  if (is_foreign) {
    line << ", sent by process " << static_cast<std::uint64_t>(info.si_pid);
  } else {
    name_place(line, place);
  }
  end_line(line);
}

/// Of exit(). The host's own comes on [main] and in no callback.
void tell_exit() {
  const CallbackPlace* const place = CallbackPlace::current();
  const bool is_plugins = place != nullptr || ::gettid() != ::getpid();
  if (told_by != ::getpid() || !is_plugins) return;
  record_end(place, CrashFile::kExit);
  FixedLine line;
  begin_line(line);
  line << "exit()";
  name_place(line, place);
  end_line(line);
  ::_exit(kExitStatus);
}

/// exit() destroys what is thread_local on its thread before anything else; a thread that ends does
/// so in no callback.
struct ExitTeller {
  ExitTeller() = default;
  ~ExitTeller() {
    if (CallbackPlace::current() != nullptr) tell_exit();
  }
  ExitTeller(const ExitTeller&) = delete;
  ExitTeller& operator=(const ExitTeller&) = delete;
};
thread_local ExitTeller exit_teller;

void on_fatal_signal(int signal, siginfo_t* info, void*) {
  const int error = errno;
  const bool was_marker = signal == SIGBUS && CrashMarker::try_let_go(info->si_addr);
  if (!was_marker) {
    if (told_by == ::getpid()) tell_end(signal, *info);
    const auto index = std::ranges::find(kFatal, signal) - kFatal.begin();
    ::sigaction(signal, &handlers_before[static_cast<std::size_t>(index)], nullptr);
    // A fault comes again by itself, with all that there is to know of it; a trap and a system call
    // that is not allowed are behind us.
    const bool comes_again = info->si_code > 0 && signal != SIGTRAP && signal != SIGSYS;
    if (!comes_again) static_cast<void>(::raise(signal));
  }
  errno = error;
}

}  // namespace

void tell_last_words(LogFormat format) {
  is_json = format == LogFormat::kJson;
  told_by = ::getpid();
  static SignalStack of_main;
  std::atexit(tell_exit);
  std::at_quick_exit(tell_exit);
  struct sigaction action {};
  action.sa_sigaction = on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kFatal.size(); ++i) {
    ::sigaction(kFatal[i], &action, &handlers_before[i]);
  }
}

SignalStack::SignalStack() {
  static_cast<void>(&exit_teller);  // made now
  stack_t present{};
  ::sigaltstack(nullptr, &present);
  if ((present.ss_flags & SS_DISABLE) == 0) return;
  bytes_ = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);
  stack_t ours{};
  ours.ss_sp = bytes_.get();
  ours.ss_size = kStackBytes;
  ::sigaltstack(&ours, nullptr);
}

SignalStack::~SignalStack() {
  if (bytes_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

}  // namespace broadcast
